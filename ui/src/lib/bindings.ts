// Generated from the protocol's Rust types; do not edit. After a change there:
// HEARTWIRE_WRITE_BINDINGS=1 cargo test -p heartwire-core --features bindings --test bindings

/**
 * How a message came.
 */
export type Arrival = "live" | "caught-up" | "old";

/**
 * `[connections.auth]`.
 */
export type AuthForm = {
/**
 * `none`, `token` or `basic`.
 */
kind?: string,
/**
 * The user of kind `basic`.
 */
user?: string,
/**
 * Where the token or the password is.
 */
secret?: SecretForm, };

/**
 * A cause as it leaves the program: in JSON lines, in the store, in the window.
 */
export type CauseView = {
/**
 * A cause code, such as `heartbeat-timeout` or `closed-1012`.
 */
code: string,
/**
 * One English sentence; the window has its own words for the codes it knows.
 */
text: string, };

/**
 * `[[connections]]`, or `[connection]` of a preset or of the defaults.
 */
export type ConnectionForm = {
/**
 * Unique.
 */
name?: string,
/**
 * ws, wss, http or https.
 */
url?: string,
/**
 * What the server speaks: `plain`, `ntfy`, ….
 */
dialect?: string,
/**
 * Where SockJS is spoken if the server refuses the raw WebSocket: ws, wss, http or https.
 */
sockjs?: string,
/**
 * The id of a preset, which this form overrides.
 */
preset?: string,
/**
 * Text frames.
 */
on_open?: Array<string>,
/**
 * HTTP fields of the upgrade request.
 */
headers?: { [key in string]: string },
/**
 * Offered in the upgrade request.
 */
subprotocols?: Array<string>,
/**
 * What to subscribe to, in the words of the dialect: topics, channels, queries.
 */
subscribe?: Array<string>,
/**
 * A duration.
 */
connect_timeout?: string,
/**
 * See [`HeartbeatForm`].
 */
heartbeat?: HeartbeatForm,
/**
 * See [`ReconnectForm`].
 */
reconnect?: ReconnectForm,
/**
 * See [`MessageForm`].
 */
message?: MessageForm,
/**
 * See [`AuthForm`].
 */
auth?: AuthForm,
/**
 * See [`TlsForm`].
 */
tls?: TlsForm,
/**
 * See [`ProxyForm`].
 */
proxy?: ProxyForm, };

/**
 * One connection.
 */
export type ConnectionView = {
/**
 * Unique.
 */
name: string,
/**
 * As it may be shown: without user information.
 */
url: string,
/**
 * `plain`, ….
 */
dialect: string,
/**
 * The preset it came from.
 */
preset: string | null,
/**
 * The state of its link.
 */
state: LinkState,
/**
 * Since when it has been in this state.
 */
since_ms: number,
/**
 * What its credentials need; none without credentials.
 */
secret: SecretView | null,
/**
 * Why it is waiting or blocked, or why the last dial failed.
 */
cause: CauseView | null,
/**
 * When the outage that lasts began; none while connected, paused or stopped.
 */
down_since_ms: number | null,
/**
 * When the next dial is, while waiting or blocked.
 */
retry_at_ms: number | null,
/**
 * Dials since the link was last up; 0 while connected.
 */
attempt: number,
/**
 * The last answered heartbeat.
 */
heartbeat: HeartbeatView | null,
/**
 * The last message.
 */
last_message: LastMessage | null,
/**
 * The last 24 hours.
 */
strip: Strip, };

/**
 * Why a request failed.
 */
export type FailCode = "unknown-connection" | "not-connected" | "settings-file" | "storage" | "keyring" | "secret-elsewhere" | "secret-invalid" | "bad-request" | "window" | "stopping";

/**
 * What is wrong with a field.
 */
export type FieldError = {
/**
 * The field's path in its connection: `url`, `heartbeat.every`, `on_open[0]`, `answers.user`.
 */
field: string,
/**
 * For the window's own words (`error.<code>` in its catalogue, with `{value}`).
 */
code: FieldErrorCode,
/**
 * What was given, capped and made safe; empty if nothing was.
 */
value: string,
/**
 * One English sentence: what is wrong and what to do.
 */
message: string, };

/**
 * The rules a field can break.
 */
export type FieldErrorCode = "missing" | "name-taken" | "text-invalid" | "too-long" | "url-invalid" | "url-scheme" | "url-fragment" | "duration-invalid" | "duration-zero" | "duration-range" | "unknown-choice" | "unknown-preset" | "unknown-key" | "wrong-type" | "regex-invalid" | "json-path-invalid" | "template-invalid" | "header-invalid" | "subprotocol-invalid" | "subscribe-invalid" | "not-taken" | "exactly-one" | "path-invalid" | "pin-invalid" | "proxy-invalid" | "first-above-cap";

/**
 * What is known about the messages of an outage.
 */
export type GapView = { "state": "open" } | { "state": "complete",
/**
 * How many messages of this time were fetched afterwards.
 */
recovered: number, } | { "state": "incomplete",
/**
 * How many messages of this time were fetched all the same.
 */
recovered: number,
/**
 * Why it cannot be said that these are all.
 */
missing: Missing, };

/**
 * The settings that are no connection's.
 */
export type General = {
/**
 * Whether messages are shown as notifications.
 */
notifications: boolean,
/**
 * The window's language.
 */
language: Language,
/**
 * How many messages are kept for each connection; the oldest go first.
 */
keep_messages: number, };

/**
 * `[connections.heartbeat]`.
 */
export type HeartbeatForm = {
/**
 * `auto`, `text`, `ping` or `none`.
 */
kind?: string,
/**
 * The text frame of kind `text`.
 */
send?: string,
/**
 * What its answer looks like.
 */
reply?: ReplyForm,
/**
 * A duration: silence before a heartbeat.
 */
every?: string,
/**
 * A duration: silence after it that means dead.
 */
timeout?: string,
/**
 * Send one at least once every `every`, whatever arrives: for servers that count only what they receive.
 */
always?: boolean, };

/**
 * An answered heartbeat.
 */
export type HeartbeatView = {
/**
 * When the answer came.
 */
at_ms: number,
/**
 * From sending it to its answer, in milliseconds.
 */
rtt_ms: number, };

/**
 * A language of the window.
 */
export type Language = "system" | "en" | "zh-CN";

/**
 * The newest message of a connection.
 */
export type LastMessage = {
/**
 * When it came.
 */
at_ms: number,
/**
 * Its title, or its size if it was binary.
 */
title: string, };

/**
 * The state of a link, in the words used everywhere.
 */
export type LinkState = "connecting" | "connected" | "waiting" | "blocked" | "paused" | "stopped";

/**
 * `[connections.message]` of dialects whose messages have no shape of their own.
 */
export type MessageForm = {
/**
 * A minijinja template over `json`, `text`, `topic` and `connection`.
 */
title?: string,
/**
 * Likewise.
 */
body?: string,
/**
 * Likewise; an empty result is no id.
 */
id?: string,
/**
 * minijinja expressions.
 */
ignore?: Array<string>, };

/**
 * What a message was made of.
 */
export type MessageKind = "text" | "binary";

/**
 * A message as it is stored.
 */
export type MessageView = {
/**
 * Rises with time; the key for paging.
 */
id: number,
/**
 * The connection's name.
 */
connection: string,
/**
 * When it came; of one that was caught up, when the server says it was sent.
 */
at_ms: number,
/**
 * One line.
 */
title: string,
/**
 * At most [`crate::text::BODY_SHOWN`] characters.
 */
body: string,
/**
 * 1 to 5.
 */
priority: number,
/**
 * Text or binary.
 */
kind: MessageKind,
/**
 * Bytes on the wire.
 */
size: number,
/**
 * How it came.
 */
arrival: Arrival,
/**
 * Whether the server took it back since.
 */
withdrawn: boolean, };

/**
 * Why messages may be missing.
 */
export type Missing = "no-replay" | "expired" | "cursor-lost" | "refused";

/**
 * A row of the reconnect history: an outage of a connection, or a time that is no outage because there was no link that
 * could have been lost: Heartwire did not run (its cause has the code `not-running`), or the settings did not have the
 * connection (`not-configured`).
 */
export type OutageView = {
/**
 * Rises with time; the key for paging.
 */
id: number,
/**
 * The connection's name.
 */
connection: string,
/**
 * When the link was lost.
 */
from_ms: number,
/**
 * When it was back; none while it lasts.
 */
until_ms: number | null,
/**
 * Why it was lost.
 */
cause: CauseView,
/**
 * Dials it took, so far.
 */
attempts: number,
/**
 * Whether messages may be missing from this span.
 */
gap: GapView, };

/**
 * How a step went.
 */
export type Outcome = "ok" | "failed" | "skipped";

/**
 * A file of `config/presets`.
 */
export type Preset = {
/**
 * The file's name without `.toml`; what `preset = "…"` names.
 */
id: string,
/**
 * In the window's list, English; the window's catalogue may have its own under `preset.<id>.title`.
 */
title: string,
/**
 * One sentence, English.
 */
about: string,
/**
 * What the person must give.
 */
ask: Array<PresetField>,
/**
 * Templates (minijinja, with `urlencode` and `tojson`) of what the answers make; only these keys are written into
 * the person's file, next to `preset`.
 */
answer: ConnectionForm,
/**
 * Everything else of the connection.
 */
connection: ConnectionForm, };

/**
 * A question of a preset.
 */
export type PresetField = {
/**
 * The variable in the templates; errors come back as `answers.<name>`.
 */
name: string,
/**
 * English; the window's catalogue may have its own under `preset.<id>.<name>`.
 */
label: string,
/**
 * Shown in the empty field.
 */
example: string,
/**
 * What is checked.
 */
kind: PresetFieldKind, };

/**
 * What an answer must be.
 */
export type PresetFieldKind = "url" | "base-url" | "text";

/**
 * Something that is wrong, where, and what to do.
 */
export type Problem = {
/**
 * Which part speaks.
 */
kind: ProblemKind,
/**
 * The file and, if known, the line (from 1).
 */
file: string | null,
/**
 * See `file`.
 */
line: number | null,
/**
 * What is wrong and what to do, in English; it may name fields and values.
 */
message: string, };

/**
 * Where a problem lies.
 */
export type ProblemKind = "settings" | "storage" | "notifications" | "tray" | "keyring";

/**
 * `[connections.proxy]`.
 */
export type ProxyForm = {
/**
 * `system`, `none`, or the address of an HTTP or SOCKS5 proxy.
 */
url?: string, };

/**
 * `[connections.reconnect]`.
 */
export type ReconnectForm = {
/**
 * A duration: the first delay's upper bound.
 */
first?: string,
/**
 * A duration: every delay's upper bound.
 */
cap?: string,
/**
 * A duration: always this delay, spread by ±10 % unless jitter is `none`; or `none`.
 */
fixed?: string,
/**
 * `full` or `none`.
 */
jitter?: string, };

/**
 * What the resident answers.
 */
export type Reply = { "kind": "ok" } | { "kind": "snapshot",
/**
 * The state.
 */
snapshot: Snapshot, } | { "kind": "settings",
/**
 * Every preset.
 */
presets: Array<Preset>,
/**
 * The connections of the person's file, with only what stands there.
 */
connections: Array<ConnectionForm>,
/**
 * What a connection has that says nothing else.
 */
defaults: ConnectionForm, } | { "kind": "history",
/**
 * Newest first.
 */
rows: Array<OutageView>,
/**
 * Whether there are older ones.
 */
more: boolean, } | { "kind": "messages",
/**
 * Newest first.
 */
rows: Array<MessageView>,
/**
 * Whether there are older ones.
 */
more: boolean, } | { "kind": "tested",
/**
 * In the order in which they were made.
 */
steps: Array<StepView>, } | { "kind": "invalid",
/**
 * Every error, each at its field.
 */
errors: Array<FieldError>, } | { "kind": "failed",
/**
 * For the window's own words.
 */
code: FailCode,
/**
 * One English sentence: what, where, what to do.
 */
message: string, };

/**
 * `reply`: exactly one of these.
 */
export type ReplyForm = {
/**
 * The whole text.
 */
equals?: string,
/**
 * Part of the text.
 */
contains?: string,
/**
 * A regular expression.
 */
matches?: string,
/**
 * An RFC 9535 query that selects something.
 */
"json-path"?: string, };

/**
 * What a client may ask.
 */
export type Request = { "kind": "subscribe" } | { "kind": "status" } | { "kind": "show-window" } | { "kind": "reconnect",
/**
 * Which connection.
 */
connection: string, } | { "kind": "pause",
/**
 * Which connection; all of them if none is named.
 */
connection: string | null, } | { "kind": "resume",
/**
 * Which connection; all of them if none is named.
 */
connection: string | null, } | { "kind": "send",
/**
 * Which connection.
 */
connection: string,
/**
 * The frame's text.
 */
text: string, } | { "kind": "settings" } | { "kind": "save-connection",
/**
 * The name of the connection to replace; none adds one.
 */
replaces: string | null,
/**
 * What the person entered.
 */
form: ConnectionForm,
/**
 * The answers to the preset's questions, by field name; empty when editing by hand.
 */
answers: { [key in string]: string }, } | { "kind": "remove-connection",
/**
 * Which connection.
 */
connection: string, } | { "kind": "set-secret",
/**
 * Which connection; its secret must be one of the keyring.
 */
connection: string,
/**
 * The password or token.
 */
secret: string, } | { "kind": "test-connection",
/**
 * Which connection.
 */
connection: string, } | { "kind": "save-general",
/**
 * All of them.
 */
general: General, } | { "kind": "history",
/**
 * Only this connection's.
 */
connection: string | null,
/**
 * Only rows with a smaller id.
 */
before: number | null, } | { "kind": "messages",
/**
 * Only this connection's.
 */
connection: string | null,
/**
 * Only rows with a smaller id.
 */
before: number | null, } | { "kind": "quit" };

/**
 * Rows that a snapshot carries at most.
 */
export const SNAPSHOT_ROWS = 100;

/**
 * `secret`: exactly one of these.
 */
export type SecretForm = {
/**
 * In the keyring, under the connection's name.
 */
keyring?: boolean,
/**
 * A program with its arguments; its first line of output is the secret.
 */
command?: Array<string>,
/**
 * An environment variable.
 */
env?: string,
/**
 * A file; its first line is the secret.
 */
file?: string, };

/**
 * What a secret is.
 */
export type SecretKind = "token" | "password";

/**
 * Where a secret is.
 */
export type SecretPlace = "keyring" | "command" | "env" | "file";

/**
 * The secret of a connection, without itself.
 */
export type SecretView = {
/**
 * What it is.
 */
kind: SecretKind,
/**
 * Where it is.
 */
place: SecretPlace,
/**
 * Whether there was none when it was last needed.
 */
missing: boolean, };

/**
 * Everything the window shows.
 */
export type Snapshot = {
/**
 * Rises with every snapshot of this run.
 */
revision: number,
/**
 * When it was made, for the receiver's clock offset.
 */
at_ms: number,
/**
 * In the order of the settings file.
 */
connections: Array<ConnectionView>,
/**
 * The newest first, at most [`SNAPSHOT_ROWS`].
 */
history: Array<OutageView>,
/**
 * The newest first, at most [`SNAPSHOT_ROWS`].
 */
messages: Array<MessageView>,
/**
 * What is wrong with the settings, the disk, the notifications: each with what to do.
 */
problems: Array<Problem>,
/**
 * The general settings, as they are in force.
 */
general: General,
/**
 * Whether this is the built-in demo, because no connection is configured.
 */
demo: boolean,
/**
 * Where the person's settings file is.
 */
settings_file: string, };

/**
 * What a span of time was for a connection.
 */
export type SpanKind = "up" | "down" | "paused" | "off";

/**
 * A step of a test, in the order in which they are made.
 */
export type Step = "secret" | "proxy" | "dns" | "tcp" | "tunnel" | "tls" | "upgrade" | "subscription" | "fetch" | "heartbeat" | "message";

/**
 * A step that was made.
 */
export type StepView = {
/**
 * Which one.
 */
step: Step,
/**
 * How it went.
 */
outcome: Outcome,
/**
 * How long it took, in milliseconds.
 */
took_ms: number,
/**
 * What was found: a part of an English sentence, safe to show. Of a failure its cause's words.
 */
detail: string,
/**
 * Why it failed.
 */
cause: CauseView | null,
/**
 * What to do about that: an English sentence.
 */
advice: string | null, };

/**
 * The last 24 hours of a connection, oldest first. The parts' lengths add up to the strip's.
 */
export type Strip = {
/**
 * At most 200; parts too short to be seen are joined with their neighbours, except outages.
 */
parts: Array<StripPart>,
/**
 * Time up over time up or down, in percent; none where there was neither.
 */
up_percent: number | null, };

/**
 * A part of a strip.
 */
export type StripPart = {
/**
 * What it was.
 */
kind: SpanKind,
/**
 * For how long, in milliseconds.
 */
length_ms: number, };

/**
 * How long a test may take, in milliseconds.
 */
export const TEST_LIMIT_MS = 25000;

/**
 * `[connections.tls]`.
 */
export type TlsForm = {
/**
 * A PEM file of certificates that are trusted besides the platform's.
 */
ca_file?: string,
/**
 * A PEM file: the client's certificate and those above it.
 */
client_certificate?: string,
/**
 * A PEM file: its key.
 */
client_key?: string,
/**
 * SHA-256 of public keys, in base64 or hexadecimal; the server's chain must have one of them.
 */
pin_sha256?: Array<string>, };

/**
 * A view of the window; also the `#…` of the page's address when it is opened, and the payload of its `show-view` event.
 */
export type WindowView = "connections" | "history" | "messages" | "settings";
