import { fireEvent, screen, within } from '@testing-library/svelte';
import { describe, expect, it, vi } from 'vitest';

import { connection, message, outage, SECOND, snapshot } from '../dev/data';
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

  it('says what happened in words, and counts an outage that lasts', async () => {
    vi.useFakeTimers({ now: NOW });
    await open(snapshot({ at_ms: NOW, history: [outage(1, 'CRM', { from_ms: NOW - 38 * SECOND, until_ms: null, cause: { code: 'heartbeat-timeout', text: '' }, attempts: 3 })] }));
    await click('nav-history');
    const row = screen.getByTestId('history-row');
    expect(row.textContent?.replaceAll('\u00a0', ' ')).toMatch(/CRM.*No answer to the heartbeat.*38 s ….*3.*may be missing/s);
    await vi.advanceTimersByTimeAsync(2 * SECOND);
    expect(within(row).getByText(/40/).textContent?.replaceAll('\u00a0', ' ')).toBe('40 s …');
  });
});
