// A connection as it is edited: every field as text the person typed, and nothing they did not.

import type { ConnectionForm, FieldError, Preset, ReplyForm, SecretForm } from './bindings';

/** Fields that hold one text. */
export const SCALARS = [
  'name', 'url', 'sockjs', 'dialect', 'connect_timeout',
  'heartbeat.kind', 'heartbeat.send', 'heartbeat.every', 'heartbeat.timeout', 'heartbeat.always',
  'reconnect.first', 'reconnect.cap', 'reconnect.fixed', 'reconnect.jitter',
  'message.title', 'message.body', 'message.id',
  'auth.kind', 'auth.user',
  'tls.ca_file', 'tls.client_certificate', 'tls.client_key',
  'proxy.url',
] as const;
/** Fields that hold a list of texts. */
export const LISTS = ['subscribe', 'on_open', 'subprotocols', 'message.ignore', 'tls.pin_sha256'] as const;
/** How a heartbeat's answer is recognised. */
export const REPLIES = ['equals', 'contains', 'matches', 'json-path'] as const satisfies readonly (keyof ReplyForm)[];
/** Where a secret may be. */
export const PLACES = ['keyring', 'command', 'env', 'file'] as const satisfies readonly (keyof SecretForm)[];

export type ScalarPath = (typeof SCALARS)[number];
export type ListPath = (typeof LISTS)[number];
export type ReplyKind = (typeof REPLIES)[number];
export type Place = (typeof PLACES)[number];
export type FieldPath = ScalarPath | ListPath | 'headers' | 'heartbeat.reply' | 'auth.secret';

const PATHS: readonly FieldPath[] = [...SCALARS, ...LISTS, 'headers', 'heartbeat.reply', 'auth.secret'];

/** Texts whose outer blanks mean nothing; those of frames and templates may mean something. */
const TRIMMED = new Set<ScalarPath>(SCALARS.filter((path) => !path.startsWith('message.') && path !== 'heartbeat.send'));

/** What stands in the fields. */
export interface Draft {
  scalars: Record<ScalarPath, string>;
  lists: Record<ListPath, string[]>;
  headers: { name: string; value: string }[];
  reply: { kind: ReplyKind | ''; text: string };
  /** Where the secret is; `text` of an environment variable or a file, `words` of a command. Never the secret itself. */
  secret: { place: Place | ''; text: string; words: string[] };
}

/** The fields as a form fills them. */
export function toDraft(form: ConnectionForm): Draft {
  const scalars = Object.fromEntries(SCALARS.map((path) => [path, scalarText(get(form, path))])) as Record<ScalarPath, string>;
  const lists = Object.fromEntries(LISTS.map((path) => [path, listTexts(get(form, path))])) as Record<ListPath, string[]>;
  const reply = form.heartbeat?.reply;
  const kind = REPLIES.find((key) => reply?.[key] !== undefined) ?? '';
  return {
    scalars,
    lists,
    headers: Object.entries(form.headers ?? {}).map(([name, value]) => ({ name, value })),
    reply: { kind, text: kind === '' ? '' : (reply?.[kind] ?? '') },
    secret: toSecret(form.auth?.secret),
  };
}

/** `base` with what stands in the fields; an emptied field is left out, and what has no field stays. */
export function toForm(draft: Draft, base: ConnectionForm): ConnectionForm {
  const form = structuredClone(base) as Record<string, unknown>;
  const before = toDraft(base);
  for (const path of PATHS) {
    const value = valueOf(draft, path, before);
    // A field that was empty and still is stays as it is written: `id = ""` turns off what the defaults say.
    if (value !== undefined || valueOf(before, path) !== undefined) set(form, path, value);
  }
  return form as ConnectionForm;
}

/** `over` laid on `under`, as the resident does it: tables are merged, lists replaced, and a reply is one value. */
export function overlay(under: ConnectionForm, over: ConnectionForm): ConnectionForm {
  const form = structuredClone(under) as Record<string, unknown>;
  for (const path of PATHS) {
    const value = get(over, path);
    if (value === undefined) continue;
    set(form, path, path === 'headers' ? joined(under.headers ?? {}, over.headers ?? {}) : value);
  }
  return form as ConnectionForm;
}

/** Whether a form says something about a field. */
export function has(form: ConnectionForm, path: FieldPath): boolean {
  return get(form, path) !== undefined;
}

/** The form of one connection. */
export class ConnectionDraft {
  draft: Draft;
  answers: Record<string, string>;
  /** What is wrong, by the path of the field that shows it. */
  errors = $state<Record<string, FieldError>>({});
  /** What is wrong and belongs to no field of the form. */
  others = $state<FieldError[]>([]);
  /** What holds where a field is empty. */
  readonly usual: Draft;
  readonly preset: Preset | null;
  readonly #base: ConnectionForm;

  constructor(base: ConnectionForm, defaults: ConnectionForm, preset: Preset | null) {
    this.#base = base;
    this.preset = preset;
    this.usual = toDraft(overlay(preset ? overlay(defaults, preset.connection) : defaults, emptyOnPurpose(base)));
    this.draft = $state(toDraft(base));
    this.answers = $state(Object.fromEntries((preset?.ask ?? []).map(({ name }) => [name, ''])));
  }

  /** What is sent. Rows that are empty go, so that the places in errors are those on the screen. */
  form(): ConnectionForm {
    for (const path of LISTS) this.draft.lists[path] = filled(this.draft.lists[path]);
    const form = toForm($state.snapshot(this.draft) as Draft, this.#base);
    if (form.auth && !form.auth.kind && this.authKind === 'none') {
      // The kind was set back to what is usual: a place for a secret that nobody asks for would be an error.
      delete form.auth;
    }
    return form;
  }

  /** What the credentials are, as far as the fields say it. */
  get authKind(): string {
    return this.draft.scalars['auth.kind'] || this.usual.scalars['auth.kind'];
  }

  /** Whether the preset already says how to log in, so that only the secret is missing. */
  get knowsLogin(): boolean {
    const { kind, secret } = this.preset?.connection.auth ?? {};
    return (kind === 'token' || kind === 'basic') && secret !== undefined;
  }

  /** The person chose how to log in: a secret goes into the keyring unless they say otherwise. */
  authKindChosen(): void {
    this.changed('auth.kind');
    const { secret } = this.draft;
    if (this.authKind === 'token' || this.authKind === 'basic') secret.place ||= this.usual.secret.place === '' ? 'keyring' : '';
    else if (this.#base.auth?.secret === undefined && secret.place === 'keyring') secret.place = '';
  }

  /** Whether the secret is to be in the keyring, and so can be entered here. */
  get inKeyring(): boolean {
    return (this.authKind === 'token' || this.authKind === 'basic') && (this.draft.secret.place || this.usual.secret.place) === 'keyring';
  }

  /** Puts each error at its field, where the form shows that. */
  take(errors: readonly FieldError[], hidden: (path: FieldPath) => boolean = () => false): void {
    const shown: Record<string, FieldError> = {};
    const others: FieldError[] = [];
    for (const error of errors) {
      const path = this.#fieldOf(error.field, hidden);
      if (path === null) others.push(error);
      else shown[path] ??= error;
    }
    this.errors = shown;
    this.others = others;
  }

  /** The person changed a field: what was said about it is old. */
  changed(path: string): void {
    if (path in this.errors) delete this.errors[path];
  }

  /** The nearest field: `heartbeat.reply.matches` is shown at `heartbeat.reply`, `headers.X` at `headers`. */
  #fieldOf(path: string, hidden: (path: FieldPath) => boolean): string | null {
    const known = new Set<string>(PATHS.filter((path) => !hidden(path)));
    for (const name of Object.keys(this.answers)) known.add(`answers.${name}`);
    for (const list of LISTS) if (known.has(list)) this.draft.lists[list].forEach((_, index) => known.add(`${list}[${index}]`));
    let rest = path;
    while (rest !== '') {
      if (known.has(rest)) return rest;
      rest = rest.slice(0, Math.max(rest.lastIndexOf('.'), rest.lastIndexOf('['), 0));
    }
    return null;
  }
}

/** What a field stands for; undefined for an empty one. `before` is what stood in the fields at first. */
function valueOf(draft: Draft, path: FieldPath, before: Draft = draft): unknown {
  switch (path) {
    case 'headers': {
      const headers = draft.headers.filter(({ name, value }) => name !== '' || value !== '').map(({ name, value }) => [name.trim(), value]);
      return headers.length === 0 ? undefined : Object.fromEntries(headers);
    }
    case 'heartbeat.reply':
      return draft.reply.kind === '' ? undefined : { [draft.reply.kind]: draft.reply.text };
    case 'auth.secret':
      return fromSecret(draft.secret, before.secret);
    case 'subscribe':
    case 'on_open':
    case 'subprotocols':
    case 'message.ignore':
    case 'tls.pin_sha256': {
      const texts = filled(draft.lists[path]);
      return texts.length === 0 ? undefined : texts;
    }
    default: {
      const text = TRIMMED.has(path) ? draft.scalars[path].trim() : draft.scalars[path];
      if (text === '') return undefined;
      return path === 'heartbeat.always' ? text === 'true' : text;
    }
  }
}

function toSecret(form: SecretForm | undefined): Draft['secret'] {
  const place = form?.keyring === true ? 'keyring' : (PLACES.find((key) => key !== 'keyring' && form?.[key] !== undefined) ?? '');
  return { place, text: form?.env ?? form?.file ?? '', words: [...(form?.command ?? [])] };
}

function fromSecret({ place, text, words }: Draft['secret'], before: Draft['secret']): SecretForm | undefined {
  switch (place) {
    case '':
      return undefined;
    case 'keyring':
      return { keyring: true };
    case 'command':
      return { command: same(words, before.words) ? [...words] : untilLastFilled(words) };
    case 'env':
    case 'file':
      return { [place]: text.trim() };
  }
}

/** Those values of a form that are given and empty. */
function emptyOnPurpose(form: ConnectionForm): ConnectionForm {
  const empty: Record<string, unknown> = {};
  const draft = toDraft(form);
  for (const path of PATHS) if (has(form, path) && valueOf(draft, path) === undefined) set(empty, path, get(form, path));
  return empty as ConnectionForm;
}

/** Headers over others; their names differ by more than capitals. */
function joined(under: Record<string, string>, over: Record<string, string>): Record<string, string> {
  const given = new Set(Object.keys(over).map((name) => name.toLowerCase()));
  return { ...Object.fromEntries(Object.entries(under).filter(([name]) => !given.has(name.toLowerCase()))), ...over };
}

function filled(texts: readonly string[]): string[] {
  return texts.filter((text) => text !== '');
}

/** Without the rows at the end that nobody filled; an empty word before them is an argument. */
function untilLastFilled(words: readonly string[]): string[] {
  return words.slice(0, words.findLastIndex((word) => word !== '') + 1);
}

function same(words: readonly string[], others: readonly string[]): boolean {
  return words.length === others.length && words.every((word, index) => word === others[index]);
}

function scalarText(value: unknown): string {
  return value === undefined || value === null ? '' : String(value);
}

function listTexts(value: unknown): string[] {
  return Array.isArray(value) ? value.map(String) : [];
}

function get(form: ConnectionForm, path: string): unknown {
  return path.split('.').reduce<unknown>((value, key) => (value as Record<string, unknown> | undefined)?.[key], form);
}

/** Sets or removes a value; a table that becomes empty goes too. */
function set(form: Record<string, unknown>, path: string, value: unknown): void {
  const [head = '', ...tail] = path.split('.');
  if (tail.length === 0) {
    if (value === undefined) delete form[head];
    else form[head] = value;
    return;
  }
  const table = (form[head] ?? {}) as Record<string, unknown>;
  set(table, tail.join('.'), value);
  if (Object.keys(table).length === 0) delete form[head];
  else form[head] = table;
}
