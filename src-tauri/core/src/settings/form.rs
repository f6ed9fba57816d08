//! A connection as it is written: in a file, in a preset, in the window's form. Everything may be missing; what is
//! missing comes from the preset, then from the defaults.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// `[[connections]]`, or `[connection]` of a preset or of the defaults.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS), ts(export, export_to = "bindings.ts", optional_fields))]
pub struct ConnectionForm {
    /// Unique.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// ws, wss, http or https.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// What the server speaks: `plain`, `ntfy`, ….
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dialect: Option<String>,
    /// Where SockJS is spoken if the server refuses the raw WebSocket: ws, wss, http or https.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sockjs: Option<String>,
    /// The id of a preset, which this form overrides.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preset: Option<String>,
    /// Text frames.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_open: Option<Vec<String>>,
    /// HTTP fields of the upgrade request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub headers: Option<BTreeMap<String, String>>,
    /// Offered in the upgrade request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subprotocols: Option<Vec<String>>,
    /// What to subscribe to, in the words of the dialect: topics, channels, queries.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subscribe: Option<Vec<String>>,
    /// A duration.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connect_timeout: Option<String>,
    /// See [`HeartbeatForm`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub heartbeat: Option<HeartbeatForm>,
    /// See [`ReconnectForm`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reconnect: Option<ReconnectForm>,
    /// See [`MessageForm`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<MessageForm>,
    /// See [`AuthForm`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth: Option<AuthForm>,
    /// See [`TlsForm`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<TlsForm>,
    /// See [`ProxyForm`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proxy: Option<ProxyForm>,
}

/// `[connections.heartbeat]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS), ts(export, export_to = "bindings.ts", optional_fields))]
pub struct HeartbeatForm {
    /// `auto`, `text`, `ping` or `none`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// The text frame of kind `text`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub send: Option<String>,
    /// What its answer looks like.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reply: Option<ReplyForm>,
    /// A duration: silence before a heartbeat.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub every: Option<String>,
    /// A duration: silence after it that means dead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<String>,
    /// Send one at least once every `every`, whatever arrives: for servers that count only what they receive.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub always: Option<bool>,
}

/// `reply`: exactly one of these.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS), ts(export, export_to = "bindings.ts", optional_fields))]
pub struct ReplyForm {
    /// The whole text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub equals: Option<String>,
    /// Part of the text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contains: Option<String>,
    /// A regular expression.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub matches: Option<String>,
    /// An RFC 9535 query that selects something.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub json_path: Option<String>,
}

/// `[connections.reconnect]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS), ts(export, export_to = "bindings.ts", optional_fields))]
pub struct ReconnectForm {
    /// A duration: the first delay's upper bound.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first: Option<String>,
    /// A duration: every delay's upper bound.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cap: Option<String>,
    /// A duration: always this delay, spread by ±10 % unless jitter is `none`; or `none`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fixed: Option<String>,
    /// `full` or `none`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jitter: Option<String>,
}

/// `[connections.message]` of dialects whose messages have no shape of their own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS), ts(export, export_to = "bindings.ts", optional_fields))]
pub struct MessageForm {
    /// A minijinja template over `json`, `text`, `topic` and `connection`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Likewise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// Likewise; an empty result is no id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// minijinja expressions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ignore: Option<Vec<String>>,
}

/// `[connections.auth]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS), ts(export, export_to = "bindings.ts", optional_fields))]
pub struct AuthForm {
    /// `none`, `token` or `basic`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// The user of kind `basic`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Where the token or the password is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<SecretForm>,
}

/// `secret`: exactly one of these.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS), ts(export, export_to = "bindings.ts", optional_fields))]
pub struct SecretForm {
    /// In the keyring, under the connection's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keyring: Option<bool>,
    /// A program with its arguments; its first line of output is the secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<Vec<String>>,
    /// An environment variable.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub env: Option<String>,
    /// A file; its first line is the secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
}

/// `[connections.tls]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS), ts(export, export_to = "bindings.ts", optional_fields))]
pub struct TlsForm {
    /// A PEM file of certificates that are trusted besides the platform's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<String>,
    /// A PEM file: the client's certificate and those above it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_certificate: Option<String>,
    /// A PEM file: its key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_key: Option<String>,
    /// SHA-256 of public keys, in base64 or hexadecimal; the server's chain must have one of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pin_sha256: Option<Vec<String>>,
}

/// `[connections.proxy]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS), ts(export, export_to = "bindings.ts", optional_fields))]
pub struct ProxyForm {
    /// `system`, `none`, or the address of an HTTP or SOCKS5 proxy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}
