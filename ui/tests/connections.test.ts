import { fireEvent, screen } from '@testing-library/svelte';
import { tick } from 'svelte';
import { describe, expect, it, vi } from 'vitest';

import { connection, everyday, PROBLEMS, SECOND, snapshot, strip } from '../dev/data';
import type { ConnectionView, SpanKind } from '../src/lib/bindings';
import { state } from '../src/lib/window.svelte';
import { click, later, open, requests, settled, text, type } from './window';

const NOW = 1_800_000_000_000;

/** What is read out after the name of a field. */
const described = (field: HTMLElement) => document.getElementById(field.getAttribute('aria-describedby') ?? '')?.textContent;

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
    expect(text('summary')).toBe('Alerts needs you: the server refused the credentials (401 Unauthorized).');
    const order = screen.getAllByTestId(/^card-/).map((card) => card.getAttribute('aria-label'));
    expect(order).toEqual(['Alerts', 'CRM', 'Home', 'Builds', 'Depot']);
    for (const id of ['reconnect-CRM', 'pause-CRM', 'reconnect-Home', 'pause-Home', 'resume-Depot', 'header-pause', 'header-resume']) await click(id);
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

  it('ask for the token of a connection that is refused, hand it over and keep it nowhere', async () => {
    const resident = await open(everyday(Date.now()));
    expect(text('cause-Alerts')).toContain('or as soon as you enter the token.');
    expect(text('enter-Alerts')).toBe('Enter token');
    expect(screen.getByTestId('enter-Alerts').className).toBe('main');
    await click('enter-Alerts');
    const field = screen.getByTestId<HTMLInputElement>('secret-Alerts');
    expect([field.type, field.getAttribute('aria-label'), document.activeElement === field]).toEqual(['password', 'Token of Alerts', true]);
    expect(described(field)).toBe('It goes into the keyring, never into the settings file.');
    resident.answer = () => ({ kind: 'failed', code: 'keyring', message: 'it is locked' });
    await type('secret-Alerts', ' a b ');
    await click('secret-submit-Alerts');
    expect(text('secret-problem-Alerts')).toBe('The keyring could not be used: it is locked');
    expect(described(field)).toBe('The keyring could not be used: it is locked');
    expect(field.value).toBe(' a b ');
    resident.answer = () => undefined;
    await click('secret-submit-Alerts');
    const sent = { kind: 'set-secret', connection: 'Alerts', secret: ' a b ' };
    expect(requests(resident, 'set-secret')).toEqual([sent, sent]);
    expect(screen.queryByTestId('secret-form-Alerts')).toBeNull();
    await click('enter-Alerts');
    expect(screen.getByTestId<HTMLInputElement>('secret-Alerts').value).toBe('');
  });

  it.each<[string, Partial<ConnectionView>]>([
    ['is elsewhere', { secret: { kind: 'token', place: 'env', missing: true } }],
    ['is not what is wrong', { cause: { code: 'configuration', text: '' } }],
    ['does not exist', { secret: null }],
    ['is not asked for now', { state: 'waiting' }],
  ])('do not ask for a secret that %s', async (_, over) => {
    const blocked: Partial<ConnectionView> = { state: 'blocked', cause: { code: 'unauthorized', text: '' }, secret: { kind: 'password', place: 'keyring', missing: true }, retry_at_ms: Date.now() };
    const resident = await open(snapshot({ connections: [connection('a', blocked)] }));
    expect(text('enter-a')).toBe('Enter password');
    expect(text('cause-a')).toContain('or as soon as you enter the password.');
    await resident.push(snapshot({ connections: [connection('a', { ...blocked, ...over })] }));
    expect(screen.queryByTestId('enter-a')).toBeNull();
  });

  describe('whose token is being typed', () => {
    const refused: Partial<ConnectionView> = { state: 'blocked', cause: { code: 'unauthorized', text: '' }, secret: { kind: 'token', place: 'keyring', missing: false } };
    const shown = (over: Partial<ConnectionView> = {}) => snapshot({ connections: [connection('a', { ...refused, ...over })] });
    const field = () => screen.queryByTestId<HTMLInputElement>('secret-a');

    it.each<[string, Partial<ConnectionView>]>([
      ['tries again', { state: 'connecting' }],
      ['waits', { state: 'waiting', cause: { code: 'dns', text: '' } }],
      ['is paused', { state: 'paused', cause: null }],
    ])('leave the form alone while it %s', async (_, over) => {
      const resident = await open(shown());
      await click('enter-a');
      await type('secret-a', 'half a tok');
      await resident.push(shown(over));
      expect([field()?.value, document.activeElement === field()]).toEqual(['half a tok', true]);
      await resident.push(shown());
      expect([field()?.value, document.activeElement === field()]).toEqual(['half a tok', true]);
    });

    it.each<[string, Partial<ConnectionView>]>([
      ['connected', { state: 'connected', cause: null }],
      ['told to take it from elsewhere', { secret: { kind: 'token', place: 'file', missing: false } }],
      ['without credentials', { secret: null }],
    ])('close the form once it is %s, and open none by themselves later', async (_, over) => {
      const resident = await open(shown());
      await click('enter-a');
      await resident.push(shown(over));
      expect(field()).toBeNull();
      await resident.push(shown());
      expect([field(), screen.getByTestId('enter-a').getAttribute('aria-expanded')]).toEqual([null, 'false']);
    });

    it('tell why the keyring did not take it, even when the form is gone by then', async () => {
      const resident = await open(shown());
      const { promise, resolve } = later();
      resident.answer = () => promise;
      await click('enter-a');
      await type('secret-a', 'token');
      await click('secret-submit-a');
      await resident.push(shown({ state: 'connected', cause: null }));
      resolve({ kind: 'failed', code: 'keyring', message: 'it is locked' });
      await settled();
      expect(text('problem-a')).toBe('The keyring could not be used: it is locked');
      await resident.push(shown());
      await click('enter-a');
      expect(screen.queryByTestId('problem-a')).toBeNull();
    });
  });

  it('leave alone what is typed while a text is being sent', async () => {
    const resident = await open(everyday(Date.now()));
    const { promise, resolve } = later();
    resident.answer = () => promise;
    await click('send-Home');
    await type('send-text-Home', 'first');
    await click('send-submit-Home');
    await type('send-text-Home', 'second');
    resolve({ kind: 'ok' });
    await settled();
    expect(text('send-result-Home')).toMatch(/^Sent at /);
    expect(screen.getByTestId<HTMLInputElement>('send-text-Home').value).toBe('second');
  });

  it('tell the buttons of all from those of a connection called “all”', async () => {
    const resident = await open(snapshot({ connections: [connection('all'), connection('b', { state: 'paused' })] }));
    for (const id of ['pause-all', 'header-pause', 'header-resume']) await click(id);
    expect(resident.asked.slice(1)).toEqual([{ kind: 'pause', connection: 'all' }, { kind: 'pause', connection: null }, { kind: 'resume', connection: null }]);
  });

  it.each<[string, [SpanKind, number][], string]>([
    ['one that was just added', [['off', 1440]], '100 % up'],
    ['one that was added in this hour', [['off', 1400], ['up', 40]], '100 % up'],
    ['one that slept', [['off', 300], ['up', 600], ['off', 480], ['up', 60]], '100 % up · off or asleep 8 h'],
    ['one that slept until now', [['up', 960], ['off', 480]], '100 % up · off or asleep 8 h'],
  ])('say of %s only what is known', async (_, parts, words) => {
    await open(snapshot({ connections: [connection('a', { strip: strip(100, ...parts) })] }));
    expect(screen.getByTestId('strip-a').getAttribute('aria-label')?.replaceAll('\u00a0', ' ')).toBe(`The last 24 hours: ${words}`);
  });

  it('show no heartbeat of an earlier socket, and keep its place', async () => {
    const now = Date.now();
    const up = connection('a', { heartbeat: { at_ms: now, rtt_ms: 12 } });
    const resident = await open(snapshot({ connections: [up] }));
    const shown = () => screen.queryByTestId('rtt-a')?.parentElement?.textContent?.replaceAll('\u00a0', ' ');
    const places = () => screen.getByTestId('card-a').querySelectorAll('dl > div').length;
    expect([shown(), places()]).toEqual(['12 ms heartbeat, just now', 3]);
    for (const state of ['waiting', 'blocked', 'connecting', 'paused'] as const) {
      await resident.push(snapshot({ connections: [connection('a', { state })] }));
      expect(shown()).toBeUndefined();
    }
    await resident.push(snapshot({ connections: [connection('a')] }));
    expect([shown(), places()]).toEqual(['– no heartbeat yet', 3]);
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
