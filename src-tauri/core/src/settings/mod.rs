//! What a person may configure: the forms as they are written, the settings as they are used, and every rule between
//! the two. Files are read and written by the engine; this module never touches one.

mod auth;
mod dialect;
mod fields;
mod form;
mod preset;
mod proxy;
mod resolve;
mod tls;
mod validate;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use auth::{Auth, SecretSource};
pub(crate) use dialect::REGEX_LIMIT;
pub use dialect::{DialectSettings, MessageSettings, ReplyMatcher};
pub use fields::NAME_MAX;
pub use form::{
    AuthForm, ConnectionForm, HeartbeatForm, MessageForm, ProxyForm, ReconnectForm, ReplyForm, SecretForm, TlsForm,
};
pub use preset::{Preset, PresetField, PresetFieldKind};
pub use proxy::{Proxy, ProxyAddress, ProxyKind};
pub use resolve::{name_taken, names_unique, overlay, resolve};
pub use tls::{ClientCertificate, Pin, TlsSettings};
pub use validate::{FieldError, FieldErrorCode};

#[cfg(test)]
mod tests;

use crate::link::{Backoff, Heartbeat};

/// One connection, valid and complete.
#[derive(Clone, Debug, PartialEq)]
pub struct Connection {
    /// Unique; 1 to 64 characters.
    pub name: String,
    /// `ws` or `wss`; `http` and `https` have become those.
    pub url: url::Url,
    /// Where SockJS is spoken if the server refuses the raw WebSocket; only for the plain dialect.
    pub sockjs: Option<url::Url>,
    /// What the server speaks, with all the dialect needs.
    pub dialect: DialectSettings,
    /// The preset it came from.
    pub preset: Option<String>,
    /// Text frames sent after each opening, in order.
    pub on_open: Vec<String>,
    /// Sent with the upgrade request.
    pub headers: BTreeMap<String, String>,
    /// Offered in the upgrade request (`Sec-WebSocket-Protocol`).
    pub subprotocols: Vec<String>,
    /// How the link is proved.
    pub heartbeat: Heartbeat,
    /// When to dial again.
    pub backoff: Backoff,
    /// DNS, TCP, proxy, TLS and upgrade together.
    pub connect_timeout: Duration,
    /// How it names itself to the server.
    pub auth: Auth,
    /// For wss.
    pub tls: TlsSettings,
    /// The way to the server.
    pub proxy: Proxy,
}

/// The settings that are no connection's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS), ts(export, export_to = "bindings.ts"))]
pub struct General {
    /// Whether messages are shown as notifications.
    pub notifications: bool,
    /// The window's language.
    pub language: Language,
    /// How many messages are kept for each connection; the oldest go first.
    pub keep_messages: u32,
}

/// A language of the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS), ts(export, export_to = "bindings.ts"))]
pub enum Language {
    /// The desktop's, if there is a translation; else English.
    #[serde(rename = "system")]
    System,
    /// English.
    #[serde(rename = "en")]
    English,
    /// Simplified Chinese.
    #[serde(rename = "zh-CN")]
    SimplifiedChinese,
}

/// The URL as it may be shown: without user information.
pub fn shown_url(url: &url::Url) -> String {
    let mut shown = url.clone();
    // Both fail only for URLs that cannot have user information.
    let _ = shown.set_username("");
    let _ = shown.set_password(None);
    shown.into()
}
