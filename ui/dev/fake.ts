// A scripted resident for a plain browser: `npm run dev`, then `/?scene=everyday|empty|demo|problems|crowd&lang=en|zh-CN|system`.

import type { ConnectionForm, FieldError, General, Reply, Request, Snapshot } from '../src/lib/bindings';
import type { Transport } from '../src/lib/ipc';
import { connection, crowd, DEFAULTS, everyday, outage, PRESETS, PROBLEMS, SECOND, snapshot, strip, tested } from './data';

const RETRY_MS = 8 * SECOND;
const TEST_MS = 3 * SECOND;

function scene(name: string | null, now: number): Snapshot {
  switch (name) {
    case 'empty':
      return snapshot({ at_ms: now });
    case 'demo':
      return snapshot({
        at_ms: now, demo: true,
        connections: [connection('Demo', { url: 'ws://127.0.0.1:41234/', since_ms: now - 40 * SECOND, heartbeat: { at_ms: now - SECOND, rtt_ms: 0.8 }, last_message: { at_ms: now - 6 * SECOND, title: 'Hello from the demo server' }, strip: strip(100, ['off', 1439], ['up', 1]) })],
      });
    case 'problems':
      return { ...everyday(now), problems: PROBLEMS };
    case 'crowd':
      return crowd(now, 100);
    default:
      return everyday(now);
  }
}

export function scripted(options: URLSearchParams): Transport {
  const now = Date.now();
  let current = scene(options.get('scene'), now);
  current.general.language = (options.get('lang') as General['language'] | null) ?? 'en';
  let forms: ConnectionForm[] = current.demo ? [] : current.connections.map(({ name, url, preset }) => ({ name, url, ...(preset === null ? {} : { preset }) }));
  const callbacks = new Set<(snapshot: Snapshot) => void>();

  const push = (over: Partial<Snapshot>) => {
    current = { ...current, ...over, revision: current.revision + 1, at_ms: Date.now() };
    for (const callback of callbacks) callback(structuredClone(current));
  };
  const change = (name: string | null, over: (at: number) => Partial<Snapshot['connections'][number]>) =>
    push({ connections: current.connections.map((known) => (name === null || known.name === name ? { ...known, since_ms: Date.now(), ...over(Date.now()) } : known)) });

  if (!options.has('still')) {
    setInterval(() => {
      for (const waiting of current.connections.filter(({ state, retry_at_ms: at }) => state === 'waiting' && (at ?? 0) <= Date.now()))
        change(waiting.name, (at) => ({ retry_at_ms: at + RETRY_MS, attempt: waiting.attempt + 1 }));
      if (options.get('scene') === 'crowd') push({ connections: current.connections.map((known) => ({ ...known, heartbeat: { at_ms: Date.now(), rtt_ms: 5 + Math.random() * 90 }, strip: { ...known.strip, parts: known.strip.parts.map((part, index, { length }) => (index === length - 1 ? { ...part, length_ms: part.length_ms + 250 } : part)) } })) });
    }, 250);
  }

  async function answer(request: Request): Promise<Reply> {
    switch (request.kind) {
      case 'subscribe':
      case 'status':
        return { kind: 'snapshot', snapshot: structuredClone({ ...current, at_ms: Date.now() }) };
      case 'pause':
        change(request.connection, () => ({ state: 'paused', cause: null, down_since_ms: null, retry_at_ms: null, attempt: 0 }));
        return { kind: 'ok' };
      case 'resume':
      case 'reconnect':
        change(request.connection, () => ({ state: 'connected', cause: null, down_since_ms: null, retry_at_ms: null, attempt: 0 }));
        return { kind: 'ok' };
      case 'send':
        return request.text === 'fail' ? { kind: 'failed', code: 'not-connected', message: 'not connected' } : { kind: 'ok' };
      case 'settings':
        return { kind: 'settings', presets: PRESETS, connections: structuredClone(forms), defaults: DEFAULTS };
      case 'save-connection': {
        const errors = faults(request, forms);
        if (errors.length > 0) return { kind: 'invalid', errors };
        forms = [...forms.filter(({ name }) => name !== request.replaces), request.form];
        push({ demo: false });
        return { kind: 'ok' };
      }
      case 'remove-connection':
        forms = forms.filter(({ name }) => name !== request.connection);
        push({ connections: current.connections.filter(({ name }) => name !== request.connection) });
        return { kind: 'ok' };
      case 'set-secret':
        if (request.secret === 'fail') return { kind: 'failed', code: 'keyring', message: 'the keyring is locked and its prompt was dismissed; nothing was stored' };
        change(request.connection, () => ({ state: 'connected', cause: null, down_since_ms: null, retry_at_ms: null, attempt: 0 }));
        return { kind: 'ok' };
      case 'test-connection': {
        await new Promise((done) => setTimeout(done, TEST_MS));
        const known = current.connections.find(({ name }) => name === request.connection);
        return known ? { kind: 'tested', steps: tested(known) } : { kind: 'failed', code: 'unknown-connection', message: 'there is no such connection' };
      }
      case 'save-general':
        push({ general: request.general });
        return { kind: 'ok' };
      case 'history': {
        const before = request.before ?? 1000;
        const rows = Array.from({ length: 5 }, (_, index) => outage(before - 1 - index, request.connection ?? 'CRM', { from_ms: now - (1000 - before + index) * 3_600_000 })).filter(({ id }) => id > 0);
        return { kind: 'history', rows, more: false };
      }
      case 'messages':
        return { kind: 'messages', rows: [], more: false };
      case 'show-window':
      case 'quit':
        return { kind: 'ok' };
    }
  }

  return {
    request: answer,
    listen: (callback) => {
      callbacks.add(callback);
      return Promise.resolve(() => callbacks.delete(callback));
    },
    listenView: () => Promise.resolve(() => undefined),
  };
}

/** A few of the resident's rules, enough to see errors at their fields. */
function faults(request: Extract<Request, { kind: 'save-connection' }>, forms: readonly ConnectionForm[]): FieldError[] {
  const { form, answers, replaces } = request;
  const errors: FieldError[] = [];
  const add = (field: string, code: FieldError['code'], value = '') => errors.push({ field, code, value, message: code });
  if (!form.name) add('name', 'missing');
  else if (forms.some(({ name }) => name === form.name && name !== replaces)) add('name', 'name-taken', form.name);
  for (const [name, value] of Object.entries(answers)) if (value === '') add(`answers.${name}`, 'missing');
  if (!form.preset && !form.url) add('url', 'missing');
  else if (form.url && !/^(wss?|https?):/.test(form.url)) add('url', 'url-scheme', form.url);
  const { kind = 'none', secret } = form.auth ?? {};
  if (kind !== 'none' && secret === undefined) add('auth.secret', 'exactly-one');
  if (secret?.env !== undefined && /^$|=/.test(secret.env)) add('auth.secret.env', 'text-invalid', secret.env);
  if (secret?.command?.[0]?.trim() === '' || secret?.command?.length === 0) add('auth.secret.command', 'missing');
  if (/^0/.test(form.heartbeat?.every ?? '')) add('heartbeat.every', 'duration-zero', form.heartbeat?.every);
  return errors;
}
