//! From forms to settings: every rule a setting must hold, and every error at once, each at its field.

use serde::{Deserialize, Serialize};

use crate::text::one_line;

/// The most characters of a wrong value that stand in an error.
const VALUE_SHOWN: usize = 80;

/// What is wrong with a field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS), ts(export, export_to = "bindings.ts"))]
pub struct FieldError {
    /// The field's path in its connection: `url`, `heartbeat.every`, `on_open[0]`, `answers.user`.
    pub field: String,
    /// For the window's own words (`error.<code>` in its catalogue, with `{value}`).
    pub code: FieldErrorCode,
    /// What was given, capped and made safe; empty if nothing was.
    pub value: String,
    /// One English sentence: what is wrong and what to do.
    pub message: String,
}

/// The rules a field can break.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS), ts(export, export_to = "bindings.ts"))]
pub enum FieldErrorCode {
    /// It must be given.
    Missing,
    /// The name belongs to another connection.
    NameTaken,
    /// A name or an answer has characters that cannot be seen.
    TextInvalid,
    /// Longer than the limit.
    TooLong,
    /// Not a URL.
    UrlInvalid,
    /// Not ws, wss, http or https.
    UrlScheme,
    /// A `#…` part, which a WebSocket URL cannot have (RFC 6455, section 3).
    UrlFragment,
    /// Not a duration such as 500ms, 5s, 2min.
    DurationInvalid,
    /// A duration of zero.
    DurationZero,
    /// A duration above 24 h, or below a millisecond.
    DurationRange,
    /// Not one of the words that are known here.
    UnknownChoice,
    /// No preset of that id.
    UnknownPreset,
    /// A key that does not exist.
    UnknownKey,
    /// Not a value of the right type.
    WrongType,
    /// A regular expression that does not parse.
    RegexInvalid,
    /// A JSON path that does not parse.
    JsonPathInvalid,
    /// A minijinja template or expression that does not parse.
    TemplateInvalid,
    /// Not an HTTP header name or value, or one that the upgrade itself sets.
    HeaderInvalid,
    /// Not a subprotocol token.
    SubprotocolInvalid,
    /// Not something the dialect can subscribe to.
    SubscribeInvalid,
    /// The dialect has no use for it.
    NotTaken,
    /// Exactly one of the keys must be given.
    ExactlyOne,
    /// Not an absolute path of a file.
    PathInvalid,
    /// Not the SHA-256 of a public key.
    PinInvalid,
    /// Not the address of a proxy.
    ProxyInvalid,
    /// The first delay is above the cap.
    FirstAboveCap,
}

/// Errors as they are found; a field that is wrong yields no value and leaves one error here.
#[derive(Debug, Default)]
pub(super) struct Errors {
    list: Vec<FieldError>,
}

impl Errors {
    /// Notes what is wrong with `field`. `value` is what was given; it is made safe here.
    pub(super) fn push(
        &mut self,
        field: impl Into<String>,
        code: FieldErrorCode,
        value: &str,
        message: impl Into<String>,
    ) {
        self.list.push(FieldError { field: field.into(), code, value: shown(value), message: message.into() });
    }

    pub(super) fn into_list(self) -> Vec<FieldError> {
        self.list
    }

    pub(super) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }
}

/// What was given, as it may stand in a message.
pub(super) fn shown(value: &str) -> String {
    one_line(value, VALUE_SHOWN)
}
