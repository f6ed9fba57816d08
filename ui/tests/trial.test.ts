import { screen } from '@testing-library/svelte';
import { describe, expect, it } from 'vitest';

import { connection, snapshot, step, tested } from '../dev/data';
import type { ConnectionView, Reply } from '../src/lib/bindings';
import { i18n } from '../src/lib/i18n.svelte';
import { click, later, open, requests, settled, text } from './window';

const one = (over: Partial<ConnectionView> = {}) => snapshot({ connections: [connection('a', over)] });
const works: Reply = { kind: 'tested', steps: [step('dns', '192.0.2.1', { took_ms: 8.44 }), step('tls', 'not used: the address is ws', { outcome: 'skipped', took_ms: 0 }), step('heartbeat', 'it was answered', { took_ms: 1200 })] };
const advice = 'Correct the path in the address: the server has no WebSocket there.';
const fails: Reply = { kind: 'tested', steps: [step('dns', '192.0.2.1'), step('upgrade', 'the server answered 404', { outcome: 'failed', took_ms: 30, cause: { code: 'http-404', text: '' }, advice }), step('heartbeat', 'it was answered')] };

/** Each row's words, in the order on the screen. */
const rows = () => [...screen.getByTestId('trial-steps-a').querySelectorAll('li')].map((row) => (row.textContent ?? '').replaceAll('\u00a0', ' ').replace(/\s+/g, ' ').trim());

/** The window, and the answer of the test that was begun with the button. */
async function begun(over: Partial<ConnectionView> = {}) {
  const answer = later();
  const resident = await open(one(over), (what) => (what.kind === 'test-connection' ? answer.promise : undefined));
  await click('test-a');
  return { resident, answer };
}

async function done(reply: Reply, over: Partial<ConnectionView> = {}) {
  const { resident, answer } = await begun(over);
  answer.resolve(reply);
  await settled();
  return resident;
}

describe('a test of a connection', () => {
  it.each(['connecting', 'connected', 'waiting', 'blocked', 'paused', 'stopped'] as const)('can be made while it is %s, and says that it runs', async (state) => {
    const { resident, answer } = await begun({ state });
    expect(requests(resident, 'test-connection')).toEqual([{ kind: 'test-connection', connection: 'a' }]);
    expect(text('trial-result-a')).toBe('Testing… this takes up to 25 s.');
    expect(screen.queryByTestId('trial-steps-a')).toBeNull();
    answer.resolve(works);
    await settled();
    expect(text('trial-result-a')).toMatch(/^It works\. Tested at \d\d:\d\d:\d\d\.$/);
  });

  it('tells each step in the resident’s order: how it went, what it is, how long it took unless it was skipped, what was found', async () => {
    await done(works);
    expect(rows()).toEqual(['✓ ok Address of the host 8.4 ms 192.0.2.1', '– skipped Encryption (TLS) not used: the address is ws', '✓ ok Heartbeat 1.2 s it was answered']);
  });

  it('says which step failed and what to do, also where later ones did not depend on it', async () => {
    await done(fails);
    expect(text('trial-result-a')).toMatch(/^Failed: WebSocket\. Tested at /);
    expect(rows()[1]).toBe(`✕ failed WebSocket 30 ms the server answered 404 ${advice}`);
    expect(rows()).toHaveLength(3);
  });

  it('has its own words in Chinese, and leaves the resident’s as they are', async () => {
    await done(fails);
    i18n.use('zh-CN');
    await settled();
    expect(text('test-a')).toBe('测试');
    expect(text('trial-result-a')).toMatch(/^失败：WebSocket。测试于 \d\d:\d\d:\d\d。$/);
    expect(rows()[1]).toBe(`✕ 失败 WebSocket 30 毫秒 the server answered 404 ${advice}`);
    const found = [...screen.getByTestId('trial-steps-a').querySelectorAll('[lang="en"]')].map((part) => part.textContent?.trim());
    expect(found[0]).toBe('192.0.2.1');
    expect(found).toHaveLength(3);
  });

  it('that could not be made says why, and can be made again', async () => {
    const resident = await done({ kind: 'failed', code: 'unknown-connection', message: 'English' });
    expect(text('trial-problem-a')).toBe('There is no such connection any more.');
    expect(screen.getByTestId('trial-problem-a').getAttribute('role')).toBe('alert');
    expect(text('trial-result-a')).toBe('');
    resident.answer = () => {
      throw new Error('gone');
    };
    await click('trial-again-a');
    expect(text('trial-problem-a')).toBe('Heartwire does not answer: gone');
    resident.answer = () => ({ kind: 'ok' });
    await click('trial-again-a');
    expect(text('trial-problem-a')).toBe('It did not work.');
    resident.answer = () => works;
    await click('trial-again-a');
    expect(screen.queryByTestId('trial-problem-a')).toBeNull();
    expect(text('trial-result-a')).toMatch(/^It works\./);
  });

  it('is repeated without its last result in sight, and never runs twice at once', async () => {
    const resident = await done(fails);
    const again = later();
    resident.answer = () => again.promise;
    await click('trial-again-a');
    await click('trial-again-a');
    expect(screen.getByTestId('trial-again-a').getAttribute('aria-disabled')).toBe('true');
    expect(screen.queryByTestId('trial-steps-a')).toBeNull();
    await click('test-a');
    await click('test-a');
    expect(text('trial-result-a')).toMatch(/^Testing…/);
    expect(requests(resident, 'test-connection')).toHaveLength(2);
    again.resolve(works);
    await settled();
    expect(text('trial-result-a')).toMatch(/^It works\./);
    expect(screen.getByTestId('trial-again-a').getAttribute('aria-disabled')).toBe('false');
  });

  it('is a part of the card that the button names while it is open; closing it gives the focus back', async () => {
    await done(works);
    const button = screen.getByTestId('test-a');
    const panel = screen.getByTestId('trial-a');
    expect([button.getAttribute('aria-expanded'), button.getAttribute('aria-controls')]).toEqual(['true', panel.id]);
    expect([panel.getAttribute('aria-label'), screen.getByTestId('trial-result-a').getAttribute('role')]).toEqual(['Test of a', 'status']);
    screen.getByTestId('trial-close-a').focus();
    await click('trial-close-a');
    expect(screen.queryByTestId('trial-a')).toBeNull();
    expect([button.getAttribute('aria-expanded'), button.getAttribute('aria-controls'), document.activeElement === button]).toEqual(['false', null, true]);
  });

  it('stays, with the focus on its button, when the link changes its state meanwhile', async () => {
    const { resident, answer } = await begun();
    const button = screen.getByTestId('test-a');
    button.focus();
    for (const state of ['waiting', 'connecting', 'blocked', 'connected'] as const) {
      await resident.push(one({ state }));
      expect(document.activeElement).toBe(button);
    }
    answer.resolve(works);
    await settled();
    expect(rows()).toHaveLength(3);
  });

  it('shows what a server says as text', async () => {
    const hostile = '<img src=x onerror="alert(1)">{time}';
    await done({ kind: 'tested', steps: [step('message', hostile, { outcome: 'failed', advice: hostile })] });
    expect(rows()).toEqual([`✕ failed First message 0.2 ms ${hostile} ${hostile}`]);
    expect(document.querySelectorAll('img')).toHaveLength(0);
  });

  it('of each connection has a panel of its own', async () => {
    const two = snapshot({ connections: [connection('a'), connection('b', { state: 'waiting' })] });
    await open(two, (what) => (what.kind === 'test-connection' ? { kind: 'tested', steps: tested(connection(what.connection, { state: what.connection === 'b' ? 'waiting' : 'connected' })) } : undefined));
    await click('test-a');
    await click('test-b');
    expect(screen.getByTestId('trial-a').id).not.toBe(screen.getByTestId('trial-b').id);
    expect(text('trial-result-a')).toMatch(/^It works/);
    expect(text('trial-result-b')).toMatch(/^Failed: TCP connection/);
  });
});
