import { fireEvent, screen } from '@testing-library/svelte';
import { describe, expect, it } from 'vitest';

import { connection, snapshot } from '../dev/data';
import type { FieldErrorCode, Preset } from '../src/lib/bindings';
import { click, later, open, requests, type Resident, settings, settled, text, type } from './window';

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
              { field: 'preset', code: 'unknown-choice', value: 'odd', message: 'm' },
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
    expect(screen.queryByTestId('form-problem')).not.toBeNull();
  });

  it('ask to check the marked fields only while one is marked', async () => {
    await open(snapshot({ connections: [connection('x')] }), (request) =>
      request.kind === 'save-connection' ? { kind: 'invalid', errors: [{ field: 'url', code: 'url-scheme', value: 'ftp://x', message: 'm' }] } : settings(request),
    );
    await click('add-connection');
    await click('preset-by-hand');
    await click('save');
    expect(text('form-problem')).toContain('check the marked fields');
    await type('field-url', 'wss://x');
    expect(screen.queryByTestId('form-problem')).toBeNull();
  });

  it('say what is wrong where a preset has no field for it', async () => {
    await open(snapshot({ connections: [connection('x')] }), (request) =>
      request.kind === 'save-connection'
        ? { kind: 'invalid', errors: [{ field: 'url', code: 'url-scheme', value: 'ftp://x', message: 'm' }] }
        : settings(request),
    );
    await click('add-connection');
    await click('preset-crm-heartbeat');
    await click('save');
    expect(text('form-problem')).toContain('url: The address “ftp://x” must begin with');
  });

  describe('of the credentials', () => {
    const choose = async (id: string, value: string) => {
      await fireEvent.change(screen.getByTestId(id), { target: { value } });
      await settled();
    };
    const fill = async () => {
      await click('add-connection');
      await click('preset-by-hand');
      await type('field-name', ' CRM 2 ');
      await type('field-url', 'wss://crm.example');
    };

    it('show what belongs to the kind that is chosen', async () => {
      await open(snapshot({ connections: [connection('x')] }), settings);
      await fill();
      const shown = () => ['auth.user', 'auth.secret', 'secret', 'auth.secret.env', 'auth.secret.file', 'auth.secret.command'].filter((path) => screen.queryByTestId(`field-${path}`) !== null);
      expect(shown()).toEqual([]);
      await choose('field-auth.kind', 'token');
      expect(shown()).toEqual(['auth.secret', 'secret']);
      await choose('field-auth.kind', 'basic');
      expect(shown()).toEqual(['auth.user', 'auth.secret', 'secret']);
      for (const [place, field] of [['keyring', 'secret'], ['env', 'auth.secret.env'], ['file', 'auth.secret.file'], ['command', 'auth.secret.command']] as const) {
        await choose('field-auth.secret', place);
        expect(shown()).toEqual(['auth.user', 'auth.secret', field]);
      }
      await choose('field-auth.kind', 'none');
      expect(shown()).toEqual([]);
    });

    it('have a row for the command as soon as it is chosen, once', async () => {
      const resident = await open(snapshot({ connections: [connection('x')] }), settings);
      await fill();
      await choose('field-auth.kind', 'token');
      for (const place of ['command', 'env', 'command']) await choose('field-auth.secret', place);
      expect(screen.queryAllByTestId(/^field-auth\.secret\.command\[/)).toHaveLength(1);
      await type('field-auth.secret.command[0]', 'pass');
      await click('save');
      expect(requests(resident, 'save-connection')[0]?.form.auth).toEqual({ kind: 'token', secret: { command: ['pass'] } });
    });

    it('send the secret to the keyring after the form, which never has it', async () => {
      const resident = await open(snapshot({ connections: [connection('x')] }), settings);
      await fill();
      await choose('field-auth.kind', 'token');
      await choose('field-auth.secret', 'keyring');
      const field = screen.getByTestId<HTMLInputElement>('field-secret');
      expect([field.type, field.labels?.[0]?.textContent]).toEqual(['password', 'Token']);
      await type('field-secret', 'canary');
      await click('save');
      const asked = resident.asked.filter(({ kind }) => kind === 'save-connection' || kind === 'set-secret');
      expect(asked).toEqual([
        { kind: 'save-connection', replaces: null, form: { name: 'CRM 2', url: 'wss://crm.example', auth: { kind: 'token', secret: { keyring: true } } }, answers: {} },
        { kind: 'set-secret', connection: 'CRM 2', secret: 'canary' },
      ]);
      expect(text('saved')).toBe('Saved');
    });

    it('say when only the secret was not stored, and try again without adding a second connection', async () => {
      let locked = true;
      const resident = await open(snapshot({ connections: [connection('x')] }), (request) =>
        request.kind === 'set-secret' && locked ? { kind: 'failed', code: 'keyring', message: 'it is locked' } : settings(request),
      );
      await fill();
      await choose('field-auth.kind', 'token');
      await choose('field-auth.secret', 'keyring');
      await type('field-secret', 'canary');
      await click('save');
      expect(text('form-problem')).toBe('The connection is saved, but not its secret. The keyring could not be used: it is locked');
      locked = false;
      await click('save');
      expect(requests(resident, 'save-connection').map(({ replaces }) => replaces)).toEqual([null, 'CRM 2']);
      expect(requests(resident, 'set-secret')).toHaveLength(2);
      expect(text('saved')).toBe('Saved');
    });

    it.each<[string, FieldErrorCode, string, string, string]>([
      ['', 'exactly-one', 'auth.secret', 'Choose where it is.', 'field-auth.secret'],
      ['env', 'text-invalid', 'auth.secret.env', 'Give its name, without an equals sign.', 'field-auth.secret.env'],
      ['file', 'path-invalid', 'auth.secret.file', 'Give the whole path.', 'field-auth.secret.file'],
      ['command', 'missing', 'auth.secret.command', 'Please fill this in.', 'field-auth.secret.command[0]'],
      ['command', 'too-long', 'auth.secret.command', 'This is too long.', ''],
      ['env', 'exactly-one', 'auth.secret', 'Choose where it is.', 'field-auth.secret'],
    ])('say at the field of the place "%s" what is wrong with it: %s at %s', async (place, code, field, words, focused) => {
      await open(snapshot({ connections: [connection('x')] }), (request) =>
        request.kind === 'save-connection' ? { kind: 'invalid', errors: [{ field, code, value: '', message: 'm' }] } : settings(request),
      );
      await fill();
      await choose('field-auth.kind', 'token');
      await choose('field-auth.secret', place);
      await click('save');
      expect(screen.queryAllByTestId(/^error-/).map((shown) => [shown.dataset['testid'], shown.textContent])).toEqual([[focused.replace('field', 'error') || `error-${field}`, words]]);
      if (focused !== '') expect(document.activeElement).toBe(screen.getByTestId(focused));
      await choose('field-auth.secret', 'keyring');
      expect(screen.queryAllByTestId(/^error-/)).toEqual([]);
    });

    it('send nothing to the keyring that was typed before another place was chosen, or when the form is refused', async () => {
      const resident = await open(snapshot({ connections: [connection('x')] }), (request) =>
        request.kind === 'save-connection' && request.form.url !== 'wss://crm.example' ? { kind: 'invalid', errors: [{ field: 'auth.secret.env', code: 'text-invalid', value: 'A=B', message: 'm' }] } : settings(request),
      );
      await fill();
      await choose('field-auth.kind', 'token');
      await choose('field-auth.secret', 'keyring');
      await type('field-secret', 'canary');
      await choose('field-auth.secret', 'env');
      await type('field-url', 'wss://other');
      await click('save');
      await type('field-url', 'wss://crm.example');
      await type('field-auth.secret.env', ' CRM_TOKEN ');
      await click('save');
      expect(requests(resident, 'save-connection')[1]?.form.auth).toEqual({ kind: 'token', secret: { env: 'CRM_TOKEN' } });
      expect(requests(resident, 'set-secret')).toEqual([]);
    });
  });

  describe('of a preset', () => {
    /** One of a later version, which this window has no words for. */
    const NEW: Preset = {
      id: 'brand-new', title: 'Brand new', about: 'A server.', ask: [{ name: 'room', label: 'room number', example: '7', kind: 'text' }],
      answer: { subscribe: ['{{ room }}'] }, connection: { dialect: 'newest', auth: { kind: 'basic', secret: { keyring: true } } },
    };
    const choose = async (preset: string) => {
      const resident = await open(snapshot({ connections: [connection('x')] }), (request) => {
        const reply = settings(request);
        return reply?.kind === 'settings' ? { ...reply, presets: [...reply.presets, NEW] } : reply;
      });
      await click('add-connection');
      await click(`preset-${preset}`);
      return resident;
    };
    const more = () => screen.getByTestId('more-settings');
    /** The paths of the fields that stand before "More settings". */
    const first = () => screen.getAllByTestId(/^field-/).filter((field) => !more().contains(field)).map(({ dataset }) => dataset['testid']?.replace('field-', ''));
    const asked = (resident: Resident) => resident.asked.filter(({ kind }) => kind === 'save-connection' || kind === 'set-secret');
    const select = async (id: string, value: string) => {
      await fireEvent.change(screen.getByTestId(id), { target: { value } });
      await settled();
    };

    it('that knows how to log in, only the secret is asked, and stored after the form', async () => {
      const resident = await choose('gotify');
      expect(first()).toEqual(['name', 'answers.server', 'secret']);
      expect(screen.getByTestId<HTMLInputElement>('field-secret').labels?.[0]?.textContent).toBe('Client token');
      expect(screen.getAllByTestId('field-secret')).toHaveLength(1);
      await type('field-answers.server', 'https://gotify.example');
      await type('field-secret', 'canary');
      await click('save');
      expect(asked(resident)).toEqual([
        { kind: 'save-connection', replaces: null, form: { name: 'Gotify', preset: 'gotify' }, answers: { server: 'https://gotify.example' } },
        { kind: 'set-secret', connection: 'Gotify', secret: 'canary' },
      ]);
      expect(text('saved')).toBe('Saved');
    });

    it('that may need a token, it can be given in the same form', async () => {
      const resident = await choose('ntfy');
      expect(first()).toEqual(['name', 'answers.server', 'answers.topics', 'auth.kind']);
      await type('field-answers.server', 'https://ntfy.sh');
      await type('field-answers.topics', 'alerts');
      await select('field-auth.kind', 'token');
      expect(first().slice(-3)).toEqual(['auth.kind', 'auth.secret', 'secret']);
      await type('field-secret', 'tk_canary');
      await click('save');
      expect(asked(resident)).toEqual([
        { kind: 'save-connection', replaces: null, form: { name: 'ntfy', preset: 'ntfy', auth: { kind: 'token', secret: { keyring: true } } }, answers: { server: 'https://ntfy.sh', topics: 'alerts' } },
        { kind: 'set-secret', connection: 'ntfy', secret: 'tk_canary' },
      ]);
    });

    it('what it has or its answers make is not asked again', async () => {
      await choose('pushover');
      expect(first()).toEqual(['name', 'answers.device', 'secret']);
      expect(screen.queryByTestId('field-auth.user')).toBeNull();
      expect(screen.getByTestId<HTMLInputElement>('field-url').placeholder).toBe('wss://client.pushover.net/push');
    });

    it('another place for the secret takes its field away, and another way to log in is possible', async () => {
      const resident = await choose('gotify');
      await type('field-secret', 'canary');
      await select('field-auth.secret', 'env');
      expect(first()).toEqual(['name', 'answers.server']);
      await type('field-auth.secret.env', 'GOTIFY');
      await type('field-answers.server', 'https://gotify.example');
      await click('save');
      expect(requests(resident, 'save-connection')[0]?.form).toEqual({ name: 'Gotify', preset: 'gotify', auth: { secret: { env: 'GOTIFY' } } });
      expect(requests(resident, 'set-secret')).toEqual([]);
    });

    it('the name is that of the server, unless another connection has it', async () => {
      const name = () => screen.getByTestId<HTMLInputElement>('field-name').value;
      const resident = await choose('gotify');
      expect(name()).toBe('Gotify');
      resident.answer = (request) => {
        const reply = settings(request);
        return reply?.kind === 'settings' ? { ...reply, connections: [{ name: 'Gotify' }, { name: 'Gotify 2' }] } : reply;
      };
      await click('cancel');
      await click('nav-connections');
      await click('add-connection');
      await click('preset-gotify');
      expect(name()).toBe('Gotify 3');
    });

    it('that this window does not know, the form has what the preset says', async () => {
      await choose('brand-new');
      expect(first()).toEqual(['name', 'answers.room', 'url', 'auth.user', 'secret']);
      const label = (id: string) => screen.getByTestId<HTMLInputElement>(id).labels?.[0]?.textContent;
      expect([label('field-answers.room'), label('field-secret')]).toEqual(['Room number', 'Password']);
      expect(screen.queryByTestId('field-subscribe')).toBeNull();
    });
  });

  it('offer every dialect that has a preset, and what can be subscribed to', async () => {
    const resident = await open(snapshot({ connections: [connection('x')] }), settings);
    await click('add-connection');
    await click('preset-by-hand');
    const offered = (id: string) => [...screen.getByTestId<HTMLSelectElement>(id).options].map(({ value, textContent }) => [value, textContent]);
    expect(offered('field-dialect')).toEqual([['', 'Default: Plain text frames'], ['plain', 'Plain text frames'], ['ntfy', 'ntfy'], ['gotify', 'Gotify'], ['mqtt', 'MQTT'], ['pushover', 'Pushover']]);
    expect(offered('field-heartbeat.kind').map(([value]) => value)).toEqual(['', 'auto', 'text', 'ping', 'none']);
    await fireEvent.change(screen.getByTestId('field-dialect'), { target: { value: 'mqtt' } });
    await click('add-subscribe');
    await type('field-subscribe[0]', 'alerts/#');
    await type('field-url', 'wss://broker.example');
    await click('save');
    expect(requests(resident, 'save-connection')[0]?.form).toEqual({ url: 'wss://broker.example', dialect: 'mqtt', subscribe: ['alerts/#'] });
  });

  it('show first what a preset asked for, also when its connection is edited', async () => {
    const resident = await open(snapshot({ connections: [connection('M')] }), (request) => {
      const reply = settings(request);
      return reply?.kind === 'settings' ? { ...reply, connections: [{ name: 'M', preset: 'mqtt', url: 'wss://m.example', subscribe: ['alerts/#'] }] } : reply;
    });
    await click('edit-M');
    const topic = screen.getByTestId<HTMLInputElement>('field-subscribe[0]');
    expect(screen.getByTestId('more-settings').contains(topic)).toBe(false);
    await type('field-subscribe[0]', 'door/+');
    await click('save');
    expect(requests(resident, 'save-connection')[0]?.form.subscribe).toEqual(['door/+']);
  });

  it('keep the lines of a row that has several', async () => {
    const query = 'subscription {\n  # all of them\n  alerts { text }\n}';
    const resident = await open(snapshot({ connections: [connection('G')] }), (request) => {
      const reply = settings(request);
      return reply?.kind === 'settings' ? { ...reply, connections: [{ name: 'G', url: 'wss://g.example', subscribe: [query] }] } : reply;
    });
    await click('edit-G');
    const row = screen.getByTestId<HTMLTextAreaElement>('field-subscribe[0]');
    expect([row.tagName, row.value]).toEqual(['TEXTAREA', query]);
    await type('field-subscribe[0]', `${query}\n`);
    await click('save');
    expect(requests(resident, 'save-connection')[0]?.form.subscribe).toEqual([`${query}\n`]);
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
    expect(box.checked).toBe(false);
    await fireEvent.change(screen.getByTestId('field-keep_messages'), { target: { value: '-1' } });
    expect(screen.getByTestId('error-keep_messages')).toBeTruthy();
    expect(requests(resident, 'save-general')).toHaveLength(2);
  });

  describe('when two of them change faster than snapshots come', () => {
    const keep = (value: string) => fireEvent.change(screen.getByTestId('field-keep_messages'), { target: { value } });
    const asked = (resident: Resident) => requests(resident, 'save-general').map(({ general: { keep_messages, notifications } }) => [keep_messages, notifications]);

    it('keep both, and still follow the file afterwards', async () => {
      const first = snapshot();
      const resident = await open(first, settings);
      await click('nav-settings');
      await keep('50000');
      await click('field-notifications');
      expect(asked(resident)).toEqual([[50_000, true], [50_000, false]]);
      await resident.push({ ...first, general: { ...first.general, keep_messages: 50_000, notifications: false } });
      await resident.push({ ...first, general: { ...first.general, keep_messages: 7, notifications: false } });
      await click('field-notifications');
      expect(asked(resident)[2]).toEqual([7, true]);
    });

    it('can be taken back before the snapshot', async () => {
      const resident = await open(snapshot(), settings);
      await click('nav-settings');
      await keep('50000');
      await keep('10000');
      await settled();
      expect(asked(resident)).toEqual([[50_000, true], [10_000, true]]);
    });

    it('wait for each other, and a refused one is not carried on', async () => {
      const { promise, resolve } = later();
      const resident = await open(snapshot(), settings);
      await click('nav-settings');
      resident.answer = (request) => (request.kind === 'save-general' && request.general.notifications ? promise : undefined);
      await keep('50000');
      await click('field-notifications');
      expect(asked(resident)).toEqual([[50_000, true]]);
      resolve({ kind: 'failed', code: 'settings-file', message: 'read-only' });
      await settled();
      expect(asked(resident)).toEqual([[50_000, true], [10_000, false]]);
      expect(screen.getByTestId<HTMLInputElement>('field-keep_messages').value).toBe('10000');
    });

    it('count one that a snapshot brought before its answer as seen', async () => {
      const { promise, resolve } = later();
      const first = snapshot();
      const resident = await open(first, settings);
      await click('nav-settings');
      resident.answer = () => promise;
      await keep('50000');
      await resident.push({ ...first, general: { ...first.general, keep_messages: 50_000 } });
      resolve({ kind: 'ok' });
      await settled();
      await resident.push({ ...first, general: { ...first.general, keep_messages: 7 } });
      await click('field-notifications');
      expect(asked(resident)[1]).toEqual([7, false]);
    });
  });
});
