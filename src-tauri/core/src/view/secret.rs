//! What may be shown of a connection's secret: what it is, where it is, and whether it was there.

use serde::{Deserialize, Serialize};

use crate::settings::{Auth, SecretSource};

/// The secret of a connection, without itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS), ts(export, export_to = "bindings.ts"))]
pub struct SecretView {
    /// What it is.
    pub kind: SecretKind,
    /// Where it is.
    pub place: SecretPlace,
    /// Whether there was none when it was last needed.
    pub missing: bool,
}

/// What a secret is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS), ts(export, export_to = "bindings.ts"))]
pub enum SecretKind {
    /// A bearer token.
    Token,
    /// The password that belongs to a user.
    Password,
}

impl SecretKind {
    /// The word for it, as in "no token is stored".
    pub const fn word(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Password => "password",
        }
    }
}

/// Where a secret is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS), ts(export, export_to = "bindings.ts"))]
pub enum SecretPlace {
    /// In this computer's keyring: it can be entered in the window.
    Keyring,
    /// A command prints it.
    Command,
    /// In an environment variable.
    Env,
    /// In a file.
    File,
}

impl SecretView {
    /// That of these credentials; none without a secret.
    pub fn of(auth: &Auth, missing: bool) -> Option<Self> {
        let kind = match auth {
            Auth::None => return None,
            Auth::Token(_) => SecretKind::Token,
            Auth::Basic { .. } => SecretKind::Password,
        };
        let place = match auth.secret()? {
            SecretSource::Keyring => SecretPlace::Keyring,
            SecretSource::Command(_) => SecretPlace::Command,
            SecretSource::Env(_) => SecretPlace::Env,
            SecretSource::File(_) => SecretPlace::File,
        };
        Some(Self { kind, place, missing })
    }
}
