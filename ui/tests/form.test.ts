import { describe, expect, it } from 'vitest';

import { DEFAULTS, PRESETS } from '../dev/data';
import type { ConnectionForm, FieldError } from '../src/lib/bindings';
import { ConnectionDraft, overlay, toDraft, toForm } from '../src/lib/form.svelte';

const error = (field: string): FieldError => ({ field, code: 'missing', value: '', message: 'm' });

/** What a file leaves empty on purpose, over a preset or the defaults. */
const EMPTY: ConnectionForm = { name: 'a', on_open: [], headers: {}, subprotocols: [], heartbeat: { send: '' }, message: { title: '', body: '', id: '', ignore: [] } };

const FULL: Required<ConnectionForm> = {
  name: 'a', url: 'wss://a.example', sockjs: 'wss://a.example/sockjs', dialect: 'plain', preset: 'crm-heartbeat', on_open: ['{"id":1}', ' x '], headers: { 'X-Tenant': 'blue' }, subprotocols: ['v1'], subscribe: ['alerts/#'], connect_timeout: '9s',
  heartbeat: { kind: 'text', send: ' beat ', reply: { 'json-path': '$.pong' }, every: '5s', timeout: '6s', always: false },
  reconnect: { first: '1s', cap: '30s', fixed: 'none', jitter: 'none' },
  message: { title: '{{ text }}', body: ' ', id: '{{ json.id }}', ignore: ["json.type == 'ack'"] },
  auth: { kind: 'basic', user: 'ada', secret: { command: ['pass', 'crm'] } },
  tls: { ca_file: '/ca.pem', client_certificate: '~/c.pem', client_key: '~/k.pem', pin_sha256: ['AAAA', 'BBBB'] },
  proxy: { url: 'socks5h://127.0.0.1:1080' },
};

describe('a form', () => {
  it.each<ConnectionForm>([FULL, EMPTY, {}, { name: 'b', heartbeat: { always: true } }, { heartbeat: { reply: { contains: 'ok' } } }, { auth: { secret: { keyring: true } } }, { auth: { secret: { env: 'T' } } }, { auth: { secret: { file: '~/t' } } }, { auth: { secret: { command: ['op', '', 'x', ''] } } }])('%# comes back as it went in', (form) => {
    expect(toForm(toDraft(form), form)).toEqual(form);
  });

  it('sends only what was filled in', () => {
    const draft = toDraft({});
    draft.scalars.name = ' CRM ';
    draft.lists.on_open = ['', 'hello', ''];
    draft.headers = [{ name: '', value: '' }];
    expect(toForm(draft, {})).toEqual({ name: 'CRM', on_open: ['hello'] });
  });

  it('drops what was emptied, and the table that held it', () => {
    const draft = toDraft(FULL);
    for (const path of ['first', 'cap', 'fixed', 'jitter'] as const) draft.scalars[`reconnect.${path}`] = '';
    draft.reply = { kind: '', text: '' };
    const form = toForm(draft, FULL);
    expect(form).not.toHaveProperty('reconnect');
    expect(form.heartbeat).not.toHaveProperty('reply');
  });

  it('forgets the place of a secret that nobody asks for any more', () => {
    const auth = { kind: 'basic', user: 'ada', secret: { env: 'T' } };
    const form = new ConnectionDraft({ name: 'a', auth }, DEFAULTS, null);
    form.draft.scalars['auth.kind'] = '';
    expect(form.form()).toEqual({ name: 'a' });
    // Said on purpose it may stay for another day.
    form.draft.scalars['auth.kind'] = 'none';
    expect(form.form().auth).toEqual({ ...auth, kind: 'none' });
  });

  it('puts a secret into the keyring unless something else is said, and forgets that with the choice', () => {
    const form = new ConnectionDraft({ name: 'a' }, DEFAULTS, null);
    const choose = (kind: string) => {
      form.draft.scalars['auth.kind'] = kind;
      form.authKindChosen();
      return form.form().auth;
    };
    expect(choose('token')).toEqual({ kind: 'token', secret: { keyring: true } });
    expect(choose('none')).toEqual({ kind: 'none' });
    form.draft.secret = { place: 'env', text: 'T', words: [] };
    expect(choose('basic')).toEqual({ kind: 'basic', secret: { env: 'T' } });
    expect(choose('')).toBeUndefined();
    const kept = new ConnectionDraft({ name: 'a', auth: { kind: 'token', secret: { keyring: true } } }, DEFAULTS, null);
    kept.draft.scalars['auth.kind'] = 'none';
    kept.authKindChosen();
    expect(kept.form().auth).toEqual({ kind: 'none', secret: { keyring: true } });
  });

  it('says where a secret is in one place only', () => {
    const draft = toDraft({ auth: { kind: 'token', secret: { env: 'CRM_TOKEN' } } });
    draft.secret.place = 'keyring';
    expect(toForm(draft, {})).toEqual({ auth: { kind: 'token', secret: { keyring: true } } });
    draft.secret = { place: 'command', text: 'left over', words: ['pass', 'crm'] };
    expect(toForm(draft, {})).toEqual({ auth: { kind: 'token', secret: { command: ['pass', 'crm'] } } });
    draft.secret.place = 'file';
    expect(toForm(draft, {})).toEqual({ auth: { kind: 'token', secret: { file: 'left over' } } });
    draft.secret.place = '';
    expect(toForm(draft, {})).toEqual({ auth: { kind: 'token' } });
  });

  it.each<[string, (words: string[]) => void, string[]]>([
    ['left alone', () => undefined, ['op', '--account', '', 'x', '']],
    ['changed', (words) => (words[3] = 'y'), ['op', '--account', '', 'y']],
    ['given rows that stay empty', (words) => words.push('', ''), ['op', '--account', '', 'x']],
    ['emptied', (words) => words.fill(''), []],
  ])('keeps the empty words of a command that is %s, for they are arguments', (_, edit, command) => {
    const edited = new ConnectionDraft({ name: 'a', auth: { kind: 'token', secret: { command: ['op', '--account', '', 'x', ''] } } }, DEFAULTS, null);
    edited.draft.scalars.name = 'b';
    edit(edited.draft.secret.words);
    expect(edited.form()).toEqual({ name: 'b', auth: { kind: 'token', secret: { command } } });
  });

  it('keeps what is empty on purpose when something else changes, also after typing there and taking it back', () => {
    const edited = new ConnectionDraft(EMPTY, DEFAULTS, null);
    edited.draft.scalars.name = 'b';
    edited.draft.scalars['message.title'] = 'x';
    edited.draft.scalars['message.title'] = '';
    edited.draft.lists['on_open'].push('');
    expect(edited.form()).toEqual({ ...EMPTY, name: 'b' });
    expect(edited.usual.scalars['message.id']).toBe('');
    expect(edited.usual.scalars['heartbeat.every']).toBe('30s');
  });

  it('keeps what it has no field for, and leaves what it was given alone', () => {
    const base = { name: 'a', dialect: 'plain', preset: 'p', future: { x: 1 } } as ConnectionForm;
    const before = structuredClone(base);
    const draft = toDraft(base);
    draft.scalars.name = 'b';
    expect(toForm(draft, base)).toEqual({ ...before, name: 'b' });
    expect(base).toEqual(before);
  });

  it('shows what holds where a field is empty: the preset over the defaults', () => {
    const preset = PRESETS[0] ?? null;
    const { usual } = new ConnectionDraft({}, DEFAULTS, preset);
    expect(usual.scalars['heartbeat.every']).toBe('5s');
    expect(usual.scalars['reconnect.fixed']).toBe('4s');
    expect(usual.scalars['reconnect.cap']).toBe('30s');
    expect(usual.reply.kind).toBe('matches');
    expect(overlay({ headers: { a: '1', 'X-B': '2' } }, { headers: { 'x-b': '3' } }).headers).toEqual({ a: '1', 'x-b': '3' });
    expect(overlay({ heartbeat: { reply: { equals: 'a' } } }, { heartbeat: { reply: { contains: 'b' } } }).heartbeat?.reply).toEqual({ contains: 'b' });
  });
});

describe('an error', () => {
  it.each([
    ['url', 'url'],
    ['heartbeat.every', 'heartbeat.every'],
    ['heartbeat.reply.matches', 'heartbeat.reply'],
    ['headers.X-Tenant', 'headers'],
    ['on_open[1]', 'on_open[1]'],
    ['on_open[7]', 'on_open'],
    ['message.ignore[0]', 'message.ignore[0]'],
    ['answers.user', 'answers.user'],
    ['auth.secret.command', 'auth.secret'],
    ['tls.pin_sha256[1]', 'tls.pin_sha256[1]'],
    ['dialect', 'dialect'],
    ['subscribe[0]', 'subscribe[0]'],
    ['subscribe', 'subscribe'],
  ])('of %s is shown at %s', (field, shown) => {
    const form = new ConnectionDraft({ ...FULL }, DEFAULTS, PRESETS[0] ?? null);
    form.take([error(field)]);
    expect(Object.keys(form.errors)).toEqual([shown]);
    expect(form.others).toEqual([]);
  });

  it.each(['preset', 'answers.nobody', ''])('of "%s", which has no field, is told all the same', (field) => {
    const form = new ConnectionDraft({}, DEFAULTS, null);
    form.take([error(field)]);
    expect(form.errors).toEqual({});
    expect(form.others).toEqual([error(field)]);
  });

  it('goes when its field is changed', () => {
    const form = new ConnectionDraft({}, DEFAULTS, null);
    form.take([error('url'), error('name')]);
    form.changed('url');
    expect(Object.keys(form.errors)).toEqual(['name']);
  });

  it('names the row that is on the screen: empty rows go when the form is sent', () => {
    const form = new ConnectionDraft({}, DEFAULTS, null);
    form.draft.lists.on_open = ['', 'a', '', 'b'];
    expect(form.form()).toEqual({ on_open: ['a', 'b'] });
    expect([...form.draft.lists.on_open]).toEqual(['a', 'b']);
  });
});
