//! The one typed protocol of the control socket: window, command line and tests all speak it. A line is one JSON object;
//! a client sends [`ClientLine`], the resident answers with [`ServerLine`].

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::secret::Secret;
use crate::settings::{ConnectionForm, FieldError, General, Preset};
use crate::trial::StepView;
use crate::view::{MessageView, OutageView, Snapshot};

/// The longest line either side accepts, in bytes; a longer one closes the control connection.
pub const MAX_LINE: usize = 4 * 1024 * 1024;

/// One line from a client.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClientLine {
    /// Chosen by the client; the reply carries it.
    pub id: u64,
    /// What is asked.
    pub request: Request,
}

/// One line from the resident.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ServerLine {
    /// The answer to the request with this id.
    Reply {
        /// The request's id.
        id: u64,
        /// The answer.
        reply: Reply,
    },
    /// The state as it is now; only to clients that asked for [`Request::Subscribe`].
    Snapshot(Box<Snapshot>),
    /// The window should come to the front; only to clients that subscribed.
    Raise,
    /// The window should show this view and come to the front; only to clients that subscribed.
    ShowView(WindowView),
}

/// A view of the window; also the `#…` of the page's address when it is opened, and the payload of its `show-view` event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS), ts(export, export_to = "bindings.ts"))]
pub enum WindowView {
    /// What every connection is doing.
    Connections,
    /// Every outage.
    History,
    /// Every message.
    Messages,
    /// Connections and general settings.
    Settings,
}

impl WindowView {
    /// Its word, as it is serialized.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Connections => "connections",
            Self::History => "history",
            Self::Messages => "messages",
            Self::Settings => "settings",
        }
    }
}

/// What a client may ask.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS), ts(export, export_to = "bindings.ts"))]
pub enum Request {
    /// The snapshot now, and each later one as it is made.
    Subscribe,
    /// The snapshot now.
    Status,
    /// Open the window, or bring it to the front.
    ShowWindow,
    /// Dial now.
    Reconnect {
        /// Which connection.
        connection: String,
    },
    /// Close and stay closed.
    Pause {
        /// Which connection; all of them if none is named.
        connection: Option<String>,
    },
    /// Undo a pause.
    Resume {
        /// Which connection; all of them if none is named.
        connection: Option<String>,
    },
    /// Send a text frame.
    Send {
        /// Which connection.
        connection: String,
        /// The frame's text.
        text: String,
    },
    /// The presets and the connections as they are written in the person's file.
    Settings,
    /// Add a connection, or replace one. Nothing is saved unless everything is valid.
    SaveConnection {
        /// The name of the connection to replace; none adds one.
        replaces: Option<String>,
        /// What the person entered.
        form: Box<ConnectionForm>,
        /// The answers to the preset's questions, by field name; empty when editing by hand.
        answers: BTreeMap<String, String>,
    },
    /// Remove a connection; its history stays.
    RemoveConnection {
        /// Which connection.
        connection: String,
    },
    /// Put a connection's password or token into the keyring, and dial with it.
    SetSecret {
        /// Which connection; its secret must be one of the keyring.
        connection: String,
        /// The password or token.
        #[cfg_attr(feature = "bindings", ts(type = "string"))]
        secret: Secret,
    },
    /// Try a connection out from its secret to its first message, on a socket of its own. Nothing that comes is stored or
    /// shown.
    TestConnection {
        /// Which connection.
        connection: String,
    },
    /// Save the general settings.
    SaveGeneral {
        /// All of them.
        general: General,
    },
    /// A page of outages, newest first.
    History {
        /// Only this connection's.
        connection: Option<String>,
        /// Only rows with a smaller id.
        before: Option<i64>,
    },
    /// A page of messages, newest first.
    Messages {
        /// Only this connection's.
        connection: Option<String>,
        /// Only rows with a smaller id.
        before: Option<i64>,
    },
    /// Close every socket and end.
    Quit,
}

/// What the resident answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS), ts(export, export_to = "bindings.ts"))]
pub enum Reply {
    /// Done.
    Ok,
    /// The state.
    Snapshot {
        /// The state.
        snapshot: Box<Snapshot>,
    },
    /// See [`Request::Settings`].
    Settings {
        /// Every preset.
        presets: Vec<Preset>,
        /// The connections of the person's file, with only what stands there.
        connections: Vec<ConnectionForm>,
        /// What a connection has that says nothing else.
        defaults: Box<ConnectionForm>,
    },
    /// A page of outages.
    History {
        /// Newest first.
        rows: Vec<OutageView>,
        /// Whether there are older ones.
        more: bool,
    },
    /// A page of messages.
    Messages {
        /// Newest first.
        rows: Vec<MessageView>,
        /// Whether there are older ones.
        more: bool,
    },
    /// See [`Request::TestConnection`].
    Tested {
        /// In the order in which they were made.
        steps: Vec<StepView>,
    },
    /// What was entered cannot be; nothing was saved.
    Invalid {
        /// Every error, each at its field.
        errors: Vec<FieldError>,
    },
    /// It did not work.
    Failed {
        /// For the window's own words.
        code: FailCode,
        /// One English sentence: what, where, what to do.
        message: String,
    },
}

/// Why a request failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS), ts(export, export_to = "bindings.ts"))]
pub enum FailCode {
    /// No connection of that name.
    UnknownConnection,
    /// The link is not connected, so nothing can be sent.
    NotConnected,
    /// The settings file could not be read or written.
    SettingsFile,
    /// The database could not be read.
    Storage,
    /// The keyring could not be used.
    Keyring,
    /// The connection's secret is not one of the keyring, so it cannot be set here.
    SecretElsewhere,
    /// The secret has what no server takes.
    SecretInvalid,
    /// The line was not a request.
    BadRequest,
    /// The window could not be started.
    Window,
    /// The resident is ending.
    Stopping,
}
