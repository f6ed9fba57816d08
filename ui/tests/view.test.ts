import { describe, expect, it } from 'vitest';

import { connection, MINUTE, outage, strip } from '../dev/data';
import type { ConnectionView, LinkState, SpanKind } from '../src/lib/bindings';
import { inOrder, sorted } from '../src/lib/order';
import { share } from '../src/lib/share';
import { lengthOf, stripBars } from '../src/lib/strip';
import { announced, headline, urgent } from '../src/lib/summary';

const link = (name: string, state: LinkState, over: Partial<ConnectionView> = {}) => connection(name, { state, ...over });
const names = (connections: readonly ConnectionView[]) => connections.map(({ name }) => name).join(' ');

describe('the order of the cards', () => {
  it('puts first what needs the person and keeps the settings’ order otherwise', () => {
    const all = [link('p', 'paused'), link('c1', 'connected'), link('n', 'connecting'), link('w', 'waiting'), link('c2', 'connected'), link('b', 'blocked'), link('s', 'stopped')];
    expect(names(sorted(all))).toBe('b w n c1 c2 p s');
  });

  it('does not swap two links in trouble when one of them dials', () => {
    const dialling = link('a', 'connecting', { down_since_ms: 1, attempt: 2 });
    expect(names(sorted([dialling, link('b', 'waiting')]))).toBe('a b');
  });

  it('holds still when told to, with newcomers last', () => {
    const all = [link('a', 'connected'), link('b', 'blocked'), link('new', 'blocked')];
    expect(names(inOrder(['a', 'gone', 'b'], all))).toBe('a b new');
  });
});

describe('the strip', () => {
  const bars = (...parts: [SpanKind, number][]) => stripBars(strip(null, ...parts).parts);
  const width = (list: ReturnType<typeof bars>) => list.reduce((sum, bar) => sum + bar.width, 0);

  it('is in proportion', () => {
    const [up, off] = bars(['up', 1080], ['off', 360]);
    expect(up?.width).toBeCloseTo(750);
    expect(off).toEqual({ kind: 'off', x: up?.width, width: expect.closeTo(250) });
  });

  it('shows an outage of seconds and is still a whole', () => {
    const list = bars(['up', 1000], ['down', 0.05], ['up', 439.95]);
    expect(list[1]?.width).toBeGreaterThanOrEqual(4);
    expect(width(list)).toBeCloseTo(1000);
    expect(list[2]?.x).toBeCloseTo((list[0]?.width ?? 0) + (list[1]?.width ?? 0));
  });

  it.each([
    ['nothing', [], 0],
    ['only a moment’s outage', [['down', 0.01]], 1000],
    ['two hundred tiny outages', Array.from({ length: 200 }, () => ['down', 0.01]), 1000],
    ['two hundred tiny outages in a day', [...Array.from({ length: 200 }, () => ['down', 0.01]), ['up', 1438]], 1000],
    ['empty parts', [['up', 0], ['off', 10], ['down', 0]], 1000],
  ] as [string, [SpanKind, number][], number][])('holds for %s', (_, parts, total) => {
    const list = bars(...parts);
    expect(width(list)).toBeCloseTo(total);
    for (const bar of list) expect(bar.width).toBeGreaterThanOrEqual(0);
  });

  it('adds up what a kind took', () => expect(lengthOf(strip(null, ['off', 5], ['up', 1], ['off', 2]).parts, 'off')).toBe(7 * MINUTE));
});

describe('the summary', () => {
  const silent = { code: 'heartbeat-timeout', text: '' };
  const crm = link('CRM', 'waiting', { cause: silent, retry_at_ms: 14_000, down_since_ms: 1, attempt: 3 });

  it.each<[ConnectionView[], string]>([
    [[link('a', 'connected'), crm], 'CRM is retrying in 4 s: no answer to the heartbeat.'],
    [[crm, link('Alerts', 'blocked', { cause: { code: 'unauthorized', text: '' } })], 'Alerts needs you: the credentials are missing or not accepted.'],
    [[link('a', 'connecting', { attempt: 1 })], 'a is connecting.'],
    [[link('a', 'connected')], 'Everything is connected.'],
    [[link('a', 'connected'), link('b', 'paused')], 'The others are paused.'],
    [[link('a', 'paused')], 'Everything is paused.'],
    [[], ''],
  ])('%# says the most urgent thing', (connections, sentence) => {
    expect(urgent(connections, 10_000).replaceAll('\u00a0', ' ')).toBe(sentence);
  });

  it('counts', () => expect(headline([link('a', 'connected'), crm])).toBe('1 of 2 connected'));

  it('is announced without the figure that changes every second', () => {
    expect(announced([crm])).toBe('0 of 1 connected. CRM is retrying: no answer to the heartbeat.');
  });
});

describe('a snapshot that repeats the last', () => {
  it('keeps the same objects, so that nothing is rendered again', () => {
    const old = { connections: [connection('a'), connection('b')], history: [outage(1, 'a')] };
    expect(share(old, structuredClone(old))).toBe(old);
  });

  it('replaces only what changed, and finds rows by id and connections by name', () => {
    const old = { connections: [connection('a'), connection('b')], history: [outage(2, 'a'), outage(1, 'a')] };
    const next = share(old, structuredClone({ connections: [connection('b'), connection('a', { attempt: 1 })], history: [outage(3, 'a'), ...old.history] }));
    expect(next.connections[0]).toBe(old.connections[1]);
    expect(next.connections[1]).toEqual(connection('a', { attempt: 1 }));
    expect(next.connections[1]?.strip).toBe(old.connections[0]?.strip);
    expect(next.history[1]).toBe(old.history[0]);
  });

  it('notices what is gone, null and shorter', () => {
    expect(share({ a: 1, b: 2 }, { a: 1 })).toEqual({ a: 1 });
    expect(share({ a: undefined }, { b: undefined })).toEqual({ b: undefined });
    expect(share({ a: { b: 1 } }, { a: null })).toEqual({ a: null });
    expect(share([1, 2], [1])).toEqual([1]);
  });
});
