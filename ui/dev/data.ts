// Scenes for design work and tests: what a resident might say.

import type { ConnectionForm, ConnectionView, MessageView, OutageView, Preset, Problem, Snapshot, SpanKind, StepView, Strip } from '../src/lib/bindings';

export const SECOND = 1000;
export const MINUTE = 60 * SECOND;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;

/** A strip of a day from parts in minutes. */
export function strip(up: number | null, ...parts: [SpanKind, number][]): Strip {
  return { parts: parts.map(([kind, minutes]) => ({ kind, length_ms: minutes * MINUTE })), up_percent: up };
}

export function connection(name: string, over: Partial<ConnectionView> = {}): ConnectionView {
  return {
    name,
    url: `wss://${name.toLowerCase()}.example.org/stream`,
    dialect: 'plain',
    preset: null,
    state: 'connected',
    since_ms: 0,
    secret: null,
    cause: null,
    down_since_ms: null,
    retry_at_ms: null,
    attempt: 0,
    heartbeat: null,
    last_message: null,
    strip: strip(100, ['up', 1440]),
    ...over,
  };
}

export function outage(id: number, name: string, over: Partial<OutageView> = {}): OutageView {
  return { id, connection: name, from_ms: 0, until_ms: 9000, cause: { code: 'reset', text: 'the connection was reset' }, attempts: 1, gap: { state: 'incomplete', recovered: 0, missing: 'no-replay' }, ...over };
}

export function message(id: number, name: string, over: Partial<MessageView> = {}): MessageView {
  return { id, connection: name, at_ms: 0, title: `Message ${id}`, body: '', priority: 3, kind: 'text', size: 20, arrival: 'live', withdrawn: false, ...over };
}

export function snapshot(over: Partial<Snapshot> = {}): Snapshot {
  return {
    revision: 1,
    at_ms: Date.now(),
    connections: [],
    history: [],
    messages: [],
    problems: [],
    general: { notifications: true, language: 'en', keep_messages: 10_000 },
    demo: false,
    settings_file: '/home/ada/.config/heartwire/config.toml',
    ...over,
  };
}

/** The scene of the sketch. */
export function everyday(now: number): Snapshot {
  const silent = { code: 'heartbeat-timeout', text: 'no answer to the heartbeat within 5 s' };
  return snapshot({
    at_ms: now,
    connections: [
      connection('Home', {
        url: 'ws://home.local:8123/api/stream', since_ms: now - 6 * DAY - 4 * HOUR, heartbeat: { at_ms: now - 3 * SECOND, rtt_ms: 12.3 },
        last_message: { at_ms: now - 19 * MINUTE, title: 'Washer finished' },
      }),
      connection('Builds', {
        url: 'wss://push.example.net/stream', since_ms: now - 2 * HOUR - 10 * MINUTE, heartbeat: { at_ms: now - 11 * SECOND, rtt_ms: 41 },
        last_message: { at_ms: now - 2 * MINUTE, title: 'main is green' }, strip: strip(99.64, ['up', 820], ['off', 420], ['down', 1], ['up', 199]),
      }),
      connection('CRM', {
        url: 'wss://crm.example.com/wsCrm?jspCode=42', preset: 'crm-heartbeat', state: 'waiting', since_ms: now - 2 * SECOND, cause: silent, down_since_ms: now - 38 * SECOND,
        retry_at_ms: now + 4 * SECOND, attempt: 3, strip: strip(98.93, ['up', 1080], ['down', 9], ['up', 350], ['down', 1]),
      }),
      connection('Alerts', {
        url: 'wss://alerts.example.org/live?team=on-call&region=eu-central-1&format=json&fields=title,body,priority', state: 'blocked', since_ms: now - 28 * MINUTE,
        secret: { kind: 'token', place: 'keyring', missing: false },
        cause: { code: 'unauthorized', text: 'the server refused the credentials (401 Unauthorized)' }, down_since_ms: now - 28 * MINUTE, retry_at_ms: now + 5 * MINUTE, attempt: 6,
        strip: strip(88.2, ['off', 600], ['up', 812], ['down', 28]),
      }),
      connection('Depot', { state: 'paused', since_ms: now - 3 * HOUR, strip: strip(100, ['up', 1260], ['paused', 180]) }),
    ],
    history: [
      outage(9, 'CRM', { from_ms: now - 38 * SECOND, until_ms: null, cause: silent, attempts: 3, gap: { state: 'open' } }),
      outage(10, 'Home', { from_ms: now - 20 * MINUTE, until_ms: now - 20 * MINUTE + 640, attempts: 1, gap: { state: 'open' } }),
      outage(8, 'Builds', { from_ms: now - 2 * HOUR - 10 * MINUTE, until_ms: now - 2 * HOUR - 10 * MINUTE + 9 * SECOND, cause: { code: 'closed-1012', text: 'the server closed with 1012' }, gap: { state: 'complete', recovered: 0 } }),
      outage(7, 'Builds', { from_ms: now - 9 * HOUR, until_ms: now - 9 * HOUR + 7 * HOUR + MINUTE, cause: { code: 'slept', text: 'this computer was asleep' }, gap: { state: 'complete', recovered: 1204 } }),
      outage(3, 'Builds', { from_ms: now - 20 * HOUR, until_ms: now - 11 * HOUR, cause: { code: 'not-running', text: 'Heartwire was not running' }, attempts: 0, gap: { state: 'complete', recovered: 3 } }),
      outage(6, 'Alerts', { from_ms: now - 28 * MINUTE - DAY, until_ms: now - DAY, cause: { code: 'unauthorized', text: 'the server refused the credentials (401 Unauthorized)' }, attempts: 6, gap: { state: 'incomplete', recovered: 0, missing: 'cursor-lost' } }),
      outage(5, 'Home', { from_ms: now - 6 * DAY - 5 * HOUR, until_ms: now - 6 * DAY - 4 * HOUR, cause: { code: 'tls', text: 'the certificate expired on 1 March' }, attempts: 118, gap: { state: 'incomplete', recovered: 87, missing: 'expired' } }),
      outage(4, 'CRM', { from_ms: now - 6 * DAY - 9 * HOUR, until_ms: now - 6 * DAY - 9 * HOUR + 64 * SECOND, cause: { code: 'http-503', text: 'the server answered 503' }, attempts: 12 }),
    ],
    messages: [
      message(31, 'Builds', { at_ms: now - 2 * MINUTE, title: 'main is green', body: 'All 1,204 tests passed in 6 min 12 s.' }),
      message(30, 'Home', { at_ms: now - 19 * MINUTE, title: 'Washer finished', body: 'Energy used: 0.8 kWh\nProgramme: Cotton 40', withdrawn: true }),
      message(29, 'Alerts', { at_ms: now - 31 * MINUTE, title: 'Disk almost full on db-2', body: '/var is at 94 %.', priority: 5 }),
      message(28, 'CRM', { at_ms: now - 50 * MINUTE, title: 'CRM', kind: 'binary', size: 1234 }),
      message(27, 'CRM', { at_ms: now - 70 * MINUTE, title: '新订单 #20331', body: '客户：上海某某有限公司\n金额：¥12,800.00', arrival: 'caught-up' }),
      message(26, 'Builds', { at_ms: now - 3 * HOUR, title: 'main is red', body: Array.from({ length: 14 }, (_, line) => `error[E${1000 + line}]: line ${line + 1} of a long report that goes on for a while`).join('\n') }),
      message(25, 'Alerts', { at_ms: now - 26 * HOUR, title: '<img src=x onerror=alert(1)>', body: '<b>not bold</b> <script>alert(1)</script>', arrival: 'old' }),
    ],
  });
}

export const PROBLEMS: Problem[] = [
  { kind: 'settings', file: '/home/ada/.config/heartwire/config.toml', line: 14, message: 'connection "crm": heartbeat.every is "5 parsecs", which is not a duration; write 500ms, 5s or 2min' },
  { kind: 'notifications', file: null, line: null, message: 'no notification daemon answers; messages are kept and shown here' },
];

/** Very many connections, for speed. */
export function crowd(now: number, count: number): Snapshot {
  const parts = Array.from({ length: 200 }, (_, index): [SpanKind, number] => [index % 2 === 0 ? 'up' : 'down', index % 2 === 0 ? 14 : 0.4]);
  return snapshot({
    at_ms: now,
    connections: Array.from({ length: count }, (_, index) =>
      connection(`Station ${index + 1}`, { since_ms: now - index * MINUTE, heartbeat: { at_ms: now - 2000, rtt_ms: 8 + index }, strip: strip(97.2, ...parts) }),
    ),
  });
}

export const DEFAULTS: ConnectionForm = {
  dialect: 'plain',
  connect_timeout: '10s',
  subscribe: [],
  heartbeat: { kind: 'auto', every: '30s', timeout: '10s', always: false },
  reconnect: { first: '500ms', cap: '30s', fixed: 'none', jitter: 'full' },
  message: { title: '{{ json.title | default(connection) }}', body: '{{ json.text | default(text) }}', id: '{{ json.id }}', ignore: [] },
  auth: { kind: 'none' },
  proxy: { url: 'system' },
};

export const PRESETS: Preset[] = [
  {
    id: 'crm-heartbeat', title: 'CRM heartbeat', about: 'A CRM server at …/wsCrm, with your user id in the address.',
    ask: [
      { name: 'server', label: 'server address', example: 'https://crm.example.com/app', kind: 'base-url' },
      { name: 'user', label: 'user id', example: '42', kind: 'text' },
    ],
    answer: { url: '{{ server }}/wsCrm?jspCode={{ user | urlencode }}', sockjs: '{{ server }}/wsCrm/sockJs?jspCode={{ user | urlencode }}' },
    connection: { dialect: 'plain', heartbeat: { kind: 'text', send: 'HeartBeat', reply: { matches: '^\\s*(?i:"?heart[ _-]?beat"?)\\s*$' }, every: '5s', timeout: '5s' }, reconnect: { fixed: '4s', jitter: 'full' } },
  },
  {
    id: 'heartbeat-echo', title: 'Heartbeat echo', about: 'A server that echoes the heartbeat text 检测.',
    ask: [{ name: 'url', label: 'address', example: 'wss://example.com/socket', kind: 'url' }],
    answer: { url: '{{ url }}' },
    connection: { dialect: 'plain', heartbeat: { kind: 'text', send: '检测', reply: { equals: '检测' }, every: '10s', timeout: '11s' }, reconnect: { fixed: '3s', jitter: 'full' } },
  },
  {
    id: 'json-heart', title: 'JSON heart', about: 'A server that is told your id after each opening and speaks JSON.',
    ask: [
      { name: 'url', label: 'address', example: 'wss://example.com/socket', kind: 'url' },
      { name: 'id', label: 'id', example: 'a1b2c3', kind: 'text' },
    ],
    answer: { url: '{{ url }}', on_open: ['{"id":{{ id | tojson }}}'] },
    connection: { dialect: 'plain', heartbeat: { kind: 'text', send: '{"heart":1}', reply: { matches: '^"?pong"?$' }, every: '60s', timeout: '60s' }, reconnect: { fixed: '60s', jitter: 'full' } },
  },
  {
    id: 'ntfy', title: 'ntfy', about: 'All messages of your topics.',
    ask: [
      { name: 'server', label: 'server address', example: 'https://ntfy.sh', kind: 'base-url' },
      { name: 'topics', label: 'topics, separated by commas', example: 'alerts,builds', kind: 'text' },
    ],
    answer: { url: '{{ server }}/{{ topics }}/ws' },
    connection: { dialect: 'ntfy' },
  },
  {
    id: 'gotify', title: 'Gotify', about: 'A Gotify server.',
    ask: [{ name: 'server', label: 'server address', example: 'https://gotify.example.com', kind: 'base-url' }],
    answer: { url: '{{ server }}/stream' },
    connection: { dialect: 'gotify', auth: { kind: 'token', secret: { keyring: true } } },
  },
  {
    id: 'mqtt', title: 'MQTT', about: 'The messages of a topic on an MQTT broker.',
    ask: [
      { name: 'url', label: 'address', example: 'wss://broker.example.com:8084/mqtt', kind: 'url' },
      { name: 'topic', label: 'topic', example: 'alerts/#', kind: 'text' },
    ],
    answer: { url: '{{ url }}', subscribe: ['{{ topic }}'] },
    connection: { dialect: 'mqtt' },
  },
  {
    id: 'pushover', title: 'Pushover', about: 'Pushover’s messages.',
    ask: [{ name: 'device', label: 'device id', example: 'zQie8WjzFTWkMz5CcGrUNK2t5rR9zG', kind: 'text' }],
    answer: { auth: { user: '{{ device }}' } },
    connection: { dialect: 'pushover', url: 'wss://client.pushover.net/push', auth: { kind: 'basic', secret: { keyring: true } } },
  },
];

export function step(name: StepView['step'], detail: string, over: Partial<StepView> = {}): StepView {
  return { step: name, outcome: 'ok', took_ms: 0.2, detail, cause: null, advice: null, ...over };
}

/** What a test finds: a server that works, one that is not there, one that refuses the token, one that gives nothing that was missed. */
export function tested({ url, state, secret, cause }: ConnectionView): StepView[] {
  const secure = url.startsWith('wss:');
  const way = [
    secret === null ? step('secret', 'none is configured', { outcome: 'skipped', took_ms: 0 }) : step('secret', 'it is there', { took_ms: 3.1 }),
    step('proxy', 'none: the way is straight'),
    step('dns', '192.0.2.44, 2001:db8::44', { took_ms: 8.4 }),
  ];
  if (state === 'waiting') {
    const refused = { code: 'refused', text: 'nothing is listening at 192.0.2.44 port 443' };
    return [...way, step('tcp', refused.text, { outcome: 'failed', took_ms: 21.6, cause: refused, advice: 'See whether the server runs, and whether the port in the address is the one it listens on.' })];
  }
  way.push(
    step('tcp', `connected to 192.0.2.44:${secure ? 443 : 8123}`, { took_ms: 21.6 }),
    secure ? step('tls', 'TLS 1.3, a certificate for example.org, *.example.org', { took_ms: 48 }) : step('tls', 'not used: the address is ws', { outcome: 'skipped', took_ms: 0 }),
  );
  if (cause?.code === 'unauthorized')
    return [...way, step('upgrade', cause.text, { outcome: 'failed', took_ms: 31, cause, advice: 'Give another token or password, and see whether it may subscribe to what the settings name.' })];
  const forbidden = { code: 'unauthorized', text: 'the server refused the credentials (403 Forbidden)' };
  return [
    ...way,
    step('upgrade', '101 Switching Protocols', { took_ms: 30.2 }),
    step('subscription', 'the server takes what the dialect "plain" says first'),
    ...(state === 'paused' ? [step('fetch', forbidden.text, { outcome: 'failed', took_ms: 64, cause: forbidden, advice: 'Use credentials that may also read messages, or what is missed in an outage stays missing.' })] : []),
    step('heartbeat', 'it was answered', { took_ms: 22.3 }),
    step('message', 'none came within 10 s, which may be as it should', { outcome: 'skipped', took_ms: 10_000 }),
  ];
}
