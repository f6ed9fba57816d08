import { screen } from '@testing-library/svelte';
import { describe, expect, it, vi } from 'vitest';

import { connection, everyday, message, outage, snapshot } from '../dev/data';
import { click, open, settings, settled, text, type } from './window';

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

describe('the view', () => {
  it('is the one the page was opened at', async () => {
    location.hash = '#history';
    await open(snapshot());
    expect(screen.getByTestId('history-empty')).toBeTruthy();
    location.hash = '';
  });

  it.each(['#nonsense', '#', '#settings?x', '#__proto__'])('is the connections at %s', async (hash) => {
    location.hash = hash;
    await open(snapshot());
    expect(screen.getByTestId('headline')).toBeTruthy();
    location.hash = '';
  });

  it('follows the tray, but never takes a form away that is being filled in', async () => {
    const resident = await open(snapshot(), settings);
    await resident.show('messages');
    expect(screen.getByTestId('messages-empty')).toBeTruthy();
    await resident.show('settings');
    await settled();
    await click('settings-add');
    await click('preset-by-hand');
    await type('field-name', 'half');
    await resident.show('settings');
    expect(screen.getByTestId<HTMLInputElement>('field-name').value).toBe('half');
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
