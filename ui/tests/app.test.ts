import { fireEvent, screen, within } from '@testing-library/svelte';
import { tick } from 'svelte';
import { describe, expect, it, vi } from 'vitest';

import { connection, DEFAULTS, everyday, message, outage, PRESETS, PROBLEMS, SECOND, snapshot } from '../dev/data';
import type { Reply, Request } from '../src/lib/bindings';
import { useTransport } from '../src/lib/ipc';
import { OK, open, requests, settled } from './window';

const NOW = 1_800_000_000_000;
const text = (id: string) => screen.getByTestId(id).textContent?.replaceAll('\u00a0', ' ').trim();
const click = async (id: string) => {
  await fireEvent.click(screen.getByTestId(id));
  await settled();
};
const type = (id: string, value: string) => fireEvent.input(screen.getByTestId(id), { target: { value } });

function settings(request: Request): Reply | undefined {
  if (request.kind !== 'settings') return undefined;
  return { kind: 'settings', presets: PRESETS, connections: [{ name: 'CRM', url: 'wss://crm.example', preset: 'crm-heartbeat', heartbeat: { always: true } }], defaults: DEFAULTS };
}

describe('the clock', () => {
  const waiting = (at: number) =>
    snapshot({ at_ms: at, connections: [connection('CRM', { state: 'waiting', retry_at_ms: NOW + 4 * SECOND, cause: { code: 'heartbeat-timeout', text: '' }, down_since_ms: NOW - 38 * SECOND, attempt: 3 })] });

  it('counts down every second', async () => {
    vi.useFakeTimers({ now: NOW });
    await open(waiting(NOW));
    expect(text('state-CRM')).toBe('Retrying in 4 s');
    await vi.advanceTimersByTimeAsync(3 * SECOND);
    expect(text('state-CRM')).toBe('Retrying in 1 s');
    expect(text('cause-CRM')).toContain('Down for 41 s, attempt 3.');
    await vi.advanceTimersByTimeAsync(2 * SECOND);
    expect(text('state-CRM')).toBe('Retrying now…');
  });

  it.each([-7200, 7200])('is the resident’s: an offset of %d s changes nothing', async (offset) => {
    vi.useFakeTimers({ now: NOW + offset * SECOND });
    await open(waiting(NOW));
    expect(text('state-CRM')).toBe('Retrying in 4 s');
    await vi.advanceTimersByTimeAsync(2 * SECOND);
    expect(text('state-CRM')).toBe('Retrying in 2 s');
  });

  it('stands still while the window is hidden, and is right at once when it is seen again', async () => {
    vi.useFakeTimers({ now: NOW });
    await open(waiting(NOW));
    const hidden = vi.spyOn(document, 'hidden', 'get').mockReturnValue(true);
    document.dispatchEvent(new Event('visibilitychange'));
    const before = vi.getTimerCount();
    await vi.advanceTimersByTimeAsync(3 * SECOND);
    expect(text('state-CRM')).toBe('Retrying in 4 s');
    hidden.mockReturnValue(false);
    document.dispatchEvent(new Event('visibilitychange'));
    await tick();
    expect(text('state-CRM')).toBe('Retrying in 1 s');
    expect(vi.getTimerCount()).toBe(before + 1);
  });

  it('does not let a snapshot that was overtaken change anything', async () => {
    const first = snapshot({ revision: 7, connections: [connection('a')] });
    const resident = await open(first);
    await resident.push({ ...first, connections: [connection('b')] });
    useTransport({ request: () => Promise.resolve(OK), listen: () => Promise.resolve(() => undefined) });
    const { state } = await import('../src/lib/window.svelte');
    state.take({ ...first, revision: 7 });
    await tick();
    expect(screen.queryByTestId('card-a')).toBeNull();
    expect(screen.getByTestId('card-b')).toBeTruthy();
  });
});

describe('the connections', () => {
  it('say everything in the header and ask for what is clicked', async () => {
    const resident = await open(everyday(Date.now()));
    expect(text('headline')).toBe('2 of 5 connected');
    expect(text('summary')).toBe('Alerts needs you: the server does not accept the credentials.');
    const order = screen.getAllByTestId(/^card-/).map((card) => card.getAttribute('aria-label'));
    expect(order).toEqual(['Alerts', 'CRM', 'Home', 'Builds', 'Depot']);
    for (const id of ['reconnect-CRM', 'pause-CRM', 'reconnect-Home', 'pause-Home', 'resume-Depot', 'pause-all', 'resume-all']) await click(id);
    expect(resident.asked.slice(1)).toEqual([
      { kind: 'reconnect', connection: 'CRM' }, { kind: 'pause', connection: 'CRM' }, { kind: 'reconnect', connection: 'Home' }, { kind: 'pause', connection: 'Home' },
      { kind: 'resume', connection: 'Depot' }, { kind: 'pause', connection: null }, { kind: 'resume', connection: null },
    ]);
  });

  it('tell what went wrong with an action, in the person’s words', async () => {
    const resident = await open(everyday(Date.now()));
    resident.answer = () => ({ kind: 'failed', code: 'unknown-connection', message: 'English' });
    await click('pause-CRM');
    expect(text('problem-CRM')).toBe('There is no such connection any more.');
    resident.answer = () => {
      throw new Error('gone');
    };
    await click('pause-CRM');
    expect(text('problem-CRM')).toBe('Heartwire does not answer: gone');
  });

  it('send text and show that it was sent, or why not', async () => {
    const resident = await open(everyday(Date.now()));
    await click('send-Home');
    await type('send-text-Home', '  hello ');
    await click('send-submit-Home');
    expect(requests(resident, 'send')).toEqual([{ kind: 'send', connection: 'Home', text: '  hello ' }]);
    expect(text('send-result-Home')).toMatch(/^Sent at /);
    resident.answer = () => ({ kind: 'failed', code: 'not-connected', message: 'English' });
    await type('send-text-Home', 'again');
    await click('send-submit-Home');
    expect(text('send-result-Home')).toBe('It is not connected, so nothing can be sent.');
    expect(screen.getByTestId<HTMLInputElement>('send-text-Home').value).toBe('again');
  });

  it('keep the focus when the cards change places', async () => {
    const first = snapshot({ connections: [connection('a'), connection('b')] });
    const resident = await open(first);
    screen.getByTestId('pause-a').focus();
    await resident.push({ ...first, connections: [connection('a'), connection('b', { state: 'waiting' })] });
    expect(screen.getAllByTestId(/^card-/)[0]?.dataset['testid']).toBe('card-b');
    expect(document.activeElement).toBe(screen.getByTestId('pause-a'));
  });

  it('keep their places while the person types into one of them', async () => {
    const first = snapshot({ connections: [connection('a'), connection('b')] });
    const resident = await open(first);
    await click('send-a');
    await type('send-text-a', 'hel');
    await resident.push({ ...first, connections: [connection('a'), connection('b', { state: 'waiting' })] });
    expect(screen.getAllByTestId(/^card-/)[0]?.dataset['testid']).toBe('card-a');
    expect(document.activeElement).toBe(screen.getByTestId('send-text-a'));
    expect(screen.getByTestId<HTMLInputElement>('send-text-a').value).toBe('hel');
  });

  it('show problems with file and line, the demonstration, and what to do when there is nothing', async () => {
    const resident = await open(snapshot({ problems: PROBLEMS, demo: true, connections: [connection('Demo')] }));
    expect(screen.getAllByTestId('problem')[0]?.textContent).toContain('config.toml, line 14');
    expect(text('demo')).toContain('This is a demonstration.');
    expect(screen.queryByTestId('edit-Demo')).toBeNull();
    await resident.push(snapshot());
    expect(screen.getByTestId('empty')).toBeTruthy();
    await click('add-connection');
    expect(requests(resident, 'settings')).toHaveLength(1);
  });

  it('tell when the resident cannot be reached, and try again', async () => {
    let works = false;
    const resident = await open(snapshot(), () => {
      if (!works) throw new Error('no socket');
      return undefined;
    });
    expect(text('unreachable')).toBe('Heartwire does not answer: no socket');
    works = true;
    await fireEvent.click(screen.getByText('Try again'));
    await settled();
    expect(text('headline')).toBe('No connection yet');
    expect(requests(resident, 'subscribe')).toHaveLength(2);
  });
});

describe('server text', () => {
  const hostile = '<img src=x onerror="alert(1)"><script>alert(1)</script>\u202e&amp;{name}';

  it('is text everywhere, never markup', async () => {
    const now = Date.now();
    await open(
      snapshot({
        connections: [connection('a', { url: hostile, last_message: { at_ms: now, title: hostile }, heartbeat: { at_ms: now, rtt_ms: 1 } }), connection('b', { state: 'blocked', cause: { code: 'odd', text: hostile } })],
        messages: [message(1, 'a', { title: hostile, body: `${hostile}\nsecond line` })],
        history: [outage(1, 'a', { cause: { code: 'odd', text: hostile } })],
        problems: [{ kind: 'settings', file: hostile, line: 1, message: hostile }],
      }),
    );
    expect(text('last-message-a')).toBe(hostile);
    expect(text('summary')).toBe(`b needs you: ${hostile}.`);
    for (const view of ['history', 'messages', 'settings', 'connections']) {
      await click(`nav-${view}`);
      if (view === 'messages') expect(screen.getByTestId('message-body').textContent).toBe(`${hostile}\nsecond line`);
      expect(document.querySelectorAll('img, script, iframe, a')).toHaveLength(0);
    }
    expect(document.querySelectorAll('[style]')).toHaveLength(0);
  });
});

describe('the messages', () => {
  it('show binary frames by their size and fold long bodies', async () => {
    const body = Array.from({ length: 40 }, (_, line) => `line ${line}`).join('\n');
    await open(snapshot({ messages: [message(2, 'a', { body }), message(1, 'a', { kind: 'binary', size: 1234, title: '' })] }));
    await click('nav-messages');
    expect(screen.getAllByTestId('message-row')[1]?.textContent?.replaceAll('\u00a0', ' ')).toContain('Binary frame, 1.2 KB');
    const folded = screen.getByTestId('message-body');
    expect(folded.className).toContain('folded');
    await fireEvent.click(screen.getByText('Show all of it'));
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

describe('the settings', () => {
  it('add a connection from a preset: its questions only, and what was answered', async () => {
    const resident = await open(snapshot({ connections: [connection('x')] }), settings);
    await click('add-connection');
    await click('preset-crm-heartbeat');
    await type('field-name', 'CRM 2');
    await type('field-answers.server', 'https://crm.example/app');
    await type('field-answers.user', '42');
    await click('save');
    expect(requests(resident, 'save-connection')).toEqual([
      { kind: 'save-connection', replaces: null, form: { name: 'CRM 2', preset: 'crm-heartbeat' }, answers: { server: 'https://crm.example/app', user: '42' } },
    ]);
    expect(text('saved')).toBe('Saved');
    expect(requests(resident, 'settings')).toHaveLength(2);
  });

  it('show every error at its field, focus the first and save nothing', async () => {
    const resident = await open(snapshot({ connections: [connection('x')] }), (request) =>
      request.kind === 'save-connection'
        ? {
            kind: 'invalid',
            errors: [
              { field: 'url', code: 'url-scheme', value: 'ftp://x', message: 'm' },
              { field: 'heartbeat.every', code: 'duration-zero', value: '0s', message: 'm' },
              { field: 'dialect', code: 'unknown-choice', value: 'odd', message: 'm' },
            ],
          }
        : settings(request),
    );
    await click('add-connection');
    await click('preset-by-hand');
    await type('field-url', 'ftp://x');
    await type('field-heartbeat.every', '0s');
    await click('save');
    const url = screen.getByTestId('field-url');
    expect(url.getAttribute('aria-invalid')).toBe('true');
    const described = url.getAttribute('aria-describedby')?.split(' ').map((id) => document.getElementById(id)?.textContent);
    expect(described?.[0]).toBe('The address “ftp://x” must begin with wss://, ws://, https:// or http://.');
    expect(text('error-heartbeat.every')).toContain('A duration of zero cannot work.');
    expect(text('form-problem')).toContain('“odd” is not known here.');
    expect(document.activeElement).toBe(url);
    expect(requests(resident, 'save-connection')[0]?.form).toEqual({ url: 'ftp://x', heartbeat: { every: '0s' } });
    await type('field-url', 'wss://x');
    expect(screen.queryByTestId('error-url')).toBeNull();
  });

  it('open what hides an error', async () => {
    await open(snapshot({ connections: [connection('x')] }), (request) =>
      request.kind === 'save-connection' ? { kind: 'invalid', errors: [{ field: 'reconnect.cap', code: 'duration-invalid', value: 'x', message: 'm' }] } : settings(request),
    );
    await click('add-connection');
    await click('preset-heartbeat-echo');
    const more = screen.getByTestId<HTMLDetailsElement>('more-settings');
    expect(more.open).toBe(false);
    await click('save');
    expect(more.open).toBe(true);
    expect(document.activeElement).toBe(screen.getByTestId('field-reconnect.cap'));
  });

  it('edit a connection and keep what the form does not show', async () => {
    const resident = await open(snapshot({ connections: [connection('CRM')] }), settings);
    await click('edit-CRM');
    expect(screen.getByTestId<HTMLInputElement>('field-url').value).toBe('wss://crm.example');
    expect(screen.getByTestId<HTMLInputElement>('field-heartbeat.every').placeholder).toBe('5s');
    await type('field-heartbeat.every', '7s');
    await click('save');
    expect(requests(resident, 'save-connection')).toEqual([
      { kind: 'save-connection', replaces: 'CRM', form: { name: 'CRM', url: 'wss://crm.example', preset: 'crm-heartbeat', heartbeat: { always: true, every: '7s' } }, answers: {} },
    ]);
  });

  it('do not lose what is being typed when a snapshot arrives', async () => {
    const first = snapshot({ connections: [connection('CRM')] });
    const resident = await open(first, settings);
    await click('edit-CRM');
    await type('field-url', 'wss://half');
    await resident.push({ ...first, connections: [connection('CRM', { state: 'waiting' })] });
    expect(screen.getByTestId<HTMLInputElement>('field-url').value).toBe('wss://half');
  });

  it('remove a connection only after asking', async () => {
    const resident = await open(snapshot(), settings);
    await click('nav-settings');
    await click('remove-CRM');
    expect(requests(resident, 'remove-connection')).toEqual([]);
    await click('remove-yes-CRM');
    expect(requests(resident, 'remove-connection')).toEqual([{ kind: 'remove-connection', connection: 'CRM' }]);
    expect(text('saved')).toBe('Removed');
  });

  it('save a general setting at once, and take a refused one back', async () => {
    const resident = await open(snapshot(), settings);
    await click('nav-settings');
    const box = screen.getByTestId<HTMLInputElement>('field-notifications');
    await click('field-notifications');
    expect(requests(resident, 'save-general')[0]?.general.notifications).toBe(false);
    expect(text('general-status')).toBe('Saved');
    resident.answer = () => ({ kind: 'failed', code: 'settings-file', message: 'read-only' });
    await click('field-notifications');
    expect(text('general-status')).toBe('The settings file could not be read or written: read-only');
    expect(box.checked).toBe(true);
    await fireEvent.change(screen.getByTestId('field-keep_messages'), { target: { value: '0' } });
    expect(screen.getByTestId('error-keep_messages')).toBeTruthy();
    expect(requests(resident, 'save-general')).toHaveLength(2);
  });
});

describe('the language', () => {
  it('changes at once, everywhere, with the page’s', async () => {
    const first = everyday(Date.now());
    const resident = await open(first);
    expect(document.documentElement.lang).toBe('en');
    await resident.push({ ...first, general: { ...first.general, language: 'zh-CN' } });
    expect(document.documentElement.lang).toBe('zh-CN');
    expect(text('headline')).toBe('已连接 2/5');
    expect(text('state-Home')).toBe('已连接');
    expect(text('cause-CRM')).toContain('心跳没有应答。');
    expect(text('nav-history')).toBe('历史');
  });

  it('is the desktop’s if the settings say so', async () => {
    vi.spyOn(navigator, 'languages', 'get').mockReturnValue(['zh-CN', 'en']);
    const first = snapshot();
    await open({ ...first, general: { ...first.general, language: 'system' } });
    expect(document.documentElement.lang).toBe('zh-CN');
  });
});
