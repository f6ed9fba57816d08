import { fireEvent, screen, within } from '@testing-library/svelte';
import { describe, expect, it, vi } from 'vitest';

import { connection, message, outage, SECOND, snapshot } from '../dev/data';
import type { GapView, LinkState, OutageView } from '../src/lib/bindings';
import { click, open, requests, settled, text } from './window';

const NOW = 1_800_000_000_000;

describe('the messages', () => {
  it('show binary frames by their size and fold long bodies', async () => {
    const body = Array.from({ length: 40 }, (_, line) => `line ${line}`).join('\n');
    await open(snapshot({ messages: [message(2, 'a', { body }), message(1, 'a', { kind: 'binary', size: 1234, title: '' })] }));
    await click('nav-messages');
    expect(screen.getAllByTestId('message-row')[1]?.textContent?.replaceAll('\u00a0', ' ')).toContain('Binary frame, 1.2 KB');
    const folded = screen.getByTestId('message-body');
    expect(folded.className).toContain('folded');
    await fireEvent.click(screen.getByText('Show more'));
    expect(folded.className).not.toContain('folded');
    expect(folded.textContent).toBe(body);
  });

  it('are counted while the person looks elsewhere', async () => {
    const resident = await open(snapshot({ messages: [message(5, 'a')] }));
    expect(screen.queryByTestId('unseen')).toBeNull();
    await resident.push(snapshot({ messages: [message(7, 'a'), message(6, 'a'), message(5, 'a')] }));
    expect(text('unseen')).toBe('2');
    await click('nav-messages');
    expect(screen.queryByTestId('unseen')).toBeNull();
  });
});

describe('a message', () => {
  it('says how it came, and that it was taken back', async () => {
    await open(snapshot({ messages: [message(4, 'a', { arrival: 'caught-up' }), message(3, 'a', { arrival: 'old' }), message(2, 'a', { arrival: 'caught-up', withdrawn: true }), message(1, 'a')] }));
    await click('nav-messages');
    const said = screen.getAllByTestId('message-row').map((row) => [...row.querySelectorAll('.pill')].map(({ textContent }) => textContent));
    expect(said).toEqual([['recovered'], ['from before'], ['withdrawn', 'recovered'], []]);
    expect(screen.getAllByTestId('message-row').map(({ classList }) => classList.contains('withdrawn'))).toEqual([false, false, true, false]);
  });

  it('from before the first contact is no news', async () => {
    const resident = await open(snapshot({ messages: [message(5, 'a')] }));
    await resident.push(snapshot({ messages: [message(8, 'a', { arrival: 'old' }), message(7, 'a', { arrival: 'caught-up' }), message(6, 'a', { arrival: 'old' }), message(5, 'a')] }));
    expect(text('unseen')).toBe('1');
  });
});

describe('the history', () => {
  const rows = (from: number, count: number, name = 'a') => Array.from({ length: count }, (_, index) => outage(from - index, name, { attempts: from - index }));
  const shown = () => screen.getAllByTestId('history-row').length;

  it('goes back page by page and keeps what it has when new rows come', async () => {
    const first = snapshot({ history: rows(300, 100) });
    const resident = await open(first, (request) => (request.kind === 'history' ? { kind: 'history', rows: rows((request.before ?? 0) - 1, 50), more: request.before !== 201 } : undefined));
    await click('nav-history');
    expect(shown()).toBe(100);
    await click('show-older');
    expect(requests(resident, 'history')).toEqual([{ kind: 'history', connection: null, before: 201 }]);
    expect(shown()).toBe(150);
    expect(screen.queryByTestId('show-older')).toBeNull();
    await resident.push({ ...first, history: rows(301, 100) });
    expect(shown()).toBe(151);
  });

  it('begins anew when rows were skipped, rather than show a list with a hole', async () => {
    const first = snapshot({ history: rows(300, 100) });
    const resident = await open(first);
    await click('nav-history');
    await resident.push({ ...first, history: rows(900, 100) });
    expect(shown()).toBe(100);
    expect(screen.getByTestId('show-older')).toBeTruthy();
  });

  it('shows one connection, asking for rows the snapshot has not', async () => {
    const first = snapshot({ connections: [connection('a'), connection('b')], history: [...rows(300, 99), outage(201, 'b')] });
    const resident = await open(first, (request) => (request.kind === 'history' ? { kind: 'history', rows: rows(100, 7, 'b'), more: false } : undefined));
    await click('nav-history');
    await fireEvent.change(screen.getByTestId('history-filter'), { target: { value: 'b' } });
    await settled();
    expect(requests(resident, 'history')).toEqual([{ kind: 'history', connection: 'b', before: 201 }]);
    expect(shown()).toBe(8);
  });

  it.each<[GapView, Partial<OutageView>, LinkState, string]>([
    [{ state: 'open' }, { until_ms: null }, 'waiting', '–'],
    [{ state: 'open' }, {}, 'connected', '↻ catching up…'],
    [{ state: 'open' }, {}, 'waiting', '–'],
    [{ state: 'complete', recovered: 0 }, {}, 'connected', '✓ nothing missing'],
    [{ state: 'complete', recovered: 1204 }, {}, 'connected', '✓ 1,204 recovered'],
    [{ state: 'incomplete', recovered: 0, missing: 'no-replay' }, {}, 'connected', '! may be missing This server cannot send again what was missed.'],
    [{ state: 'incomplete', recovered: 87, missing: 'expired' }, {}, 'connected', '! may be missing It was longer than the server keeps messages. 87 recovered'],
    [{ state: 'incomplete', recovered: 0, missing: 'cursor-lost' }, {}, 'connected', '! may be missing It was no longer known where we were.'],
    [{ state: 'incomplete', recovered: 0, missing: 'refused' }, {}, 'connected', '! may be missing The server refused to send again what was missed.'],
  ])('says of the gap %j with %j while %s: "%3$s"', async (gap, over, state, words) => {
    await open(snapshot({ connections: [connection('a', { state })], history: [outage(1, 'a', { gap, ...over })] }));
    await click('nav-history');
    expect(text('gap')?.replace(/\s+/g, ' ')).toBe(words);
  });

  it('says the reason of a gap only where there is room for it', async () => {
    await open(snapshot({ connections: [connection('a')], history: [outage(1, 'a')] }));
    expect(text('gap')).toBe('! may be missing');
  });

  it.each([
    ['not-running', 'Heartwire was not running'],
    ['not-configured', 'This connection was not in the settings'],
  ])('shows a time without a link as no outage, and without attempts: %s', async (code, words) => {
    await open(snapshot({ history: [outage(1, 'CRM', { cause: { code, text: 'x' }, attempts: 0 })] }));
    await click('nav-history');
    const row = screen.getByTestId('history-row');
    expect(row.className).toContain('off');
    expect(within(row).getByText(words)).toBeTruthy();
    expect(row.querySelector('.tries')?.textContent).toBe('');
  });

  it('says what happened in words, and counts an outage that lasts', async () => {
    vi.useFakeTimers({ now: NOW });
    await open(snapshot({ at_ms: NOW, history: [outage(1, 'CRM', { from_ms: NOW - 38 * SECOND, until_ms: null, cause: { code: 'heartbeat-timeout', text: '' }, attempts: 3, gap: { state: 'open' } })] }));
    await click('nav-history');
    const row = screen.getByTestId('history-row');
    expect(row.textContent?.replaceAll('\u00a0', ' ')).toMatch(/CRM.*No answer to the heartbeat.*38 s ….*3.*–/s);
    await vi.advanceTimersByTimeAsync(2 * SECOND);
    expect(within(row).getByText(/40/).textContent?.replaceAll('\u00a0', ' ')).toBe('40 s …');
  });
});
