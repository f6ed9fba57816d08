//! `[connections.auth]`: how a connection names itself to its server, and where its secret is. The secret itself never
//! stands in a form or in settings.

use super::fields;
use super::form::{AuthForm, SecretForm};
use super::validate::{Errors, FieldErrorCode};

/// What the upgrade request carries as `Authorization`, unless the headers have one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Auth {
    /// Nothing, or what the URL's user information says.
    #[default]
    None,
    /// `Bearer` and the secret (RFC 6750, section 2.1).
    Token(SecretSource),
    /// `Basic` with this user and the secret as password (RFC 7617).
    Basic {
        /// Without a colon (RFC 7617, section 2).
        user: String,
        /// Where the password is.
        password: SecretSource,
    },
}

impl Auth {
    /// Where the secret is, if there is one.
    pub fn secret(&self) -> Option<&SecretSource> {
        match self {
            Self::None => None,
            Self::Token(secret) | Self::Basic { password: secret, .. } => Some(secret),
        }
    }
}

/// Where a secret is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum SecretSource {
    /// In this computer's keyring, under the connection's name.
    Keyring,
    /// The first line that this program with its arguments prints.
    Command(Vec<String>),
    /// In this environment variable.
    Env(String),
    /// The first line of this file; absolute, or beginning with `~/`.
    File(String),
}

/// `given` is what the connection and its preset say; `form` has the defaults below that.
pub(super) fn auth(form: &AuthForm, given: Option<&AuthForm>, errors: &mut Errors) -> Option<Auth> {
    let kinds = [("none", 'n'), ("token", 't'), ("basic", 'b')];
    let without_kind =
        given.is_some_and(|given| given.kind.is_none() && (given.secret.is_some() || given.user.is_some()));
    if without_kind && form.kind.as_deref().map(str::trim) == Some("none") {
        // Dialling without them, because of a default, is not what was meant.
        let message = "credentials are given here, but not how to send them: add kind = \"token\" or kind = \"basic\", \
                       or kind = \"none\" to send nothing";
        errors.push("auth.kind", FieldErrorCode::Missing, "", message);
        return None;
    }
    match fields::choice("auth.kind", form.kind.as_deref(), &kinds, errors)? {
        't' => Some(Auth::Token(secret(form.secret.as_ref(), errors)?)),
        'b' => {
            let user = user(form.user.as_deref().unwrap_or_default(), errors);
            let password = secret(form.secret.as_ref(), errors);
            Some(Auth::Basic { user: user?, password: password? })
        }
        _ => Some(Auth::None),
    }
}

fn user(given: &str, errors: &mut Errors) -> Option<String> {
    let (code, message) = if given.is_empty() {
        (FieldErrorCode::Missing, "credentials of kind \"basic\" need a user: give the name you log in with")
    } else if given.contains(':') || given.chars().any(char::is_control) {
        (FieldErrorCode::TextInvalid, "a user name has no colon and no control characters (RFC 7617): correct it")
    } else {
        return Some(given.to_owned());
    };
    errors.push("auth.user", code, given, message);
    None
}

fn secret(form: Option<&SecretForm>, errors: &mut Errors) -> Option<SecretSource> {
    let empty = SecretForm::default();
    let form = form.unwrap_or(&empty);
    let given = [
        form.keyring.filter(|yes| *yes).map(|_| SecretSource::Keyring),
        form.command.clone().map(SecretSource::Command),
        form.env.clone().map(SecretSource::Env),
        form.file.clone().map(SecretSource::File),
    ];
    let mut given = given.into_iter().flatten();
    let (Some(source), None) = (given.next(), given.next()) else {
        let message = "a secret is in one place: give exactly one of keyring = true, command, env, file";
        errors.push("auth.secret", FieldErrorCode::ExactlyOne, "", message);
        return None;
    };
    match &source {
        SecretSource::Keyring => {}
        SecretSource::Command(words) => {
            fields::few(words.len(), "auth.secret.command", errors)?;
            if words.first().is_none_or(|program| program.trim().is_empty()) {
                let message = "the command is empty: give the program and its arguments, as in [\"pass\", \"crm\"]";
                errors.push("auth.secret.command", FieldErrorCode::Missing, "", message);
                return None;
            }
        }
        SecretSource::Env(name) => {
            if name.is_empty() || name.contains(['=', '\0']) {
                let message = "this is not the name of an environment variable: give one such as CRM_TOKEN";
                errors.push("auth.secret.env", FieldErrorCode::TextInvalid, name, message);
                return None;
            }
        }
        SecretSource::File(path) => {
            if fields::path("auth.secret.file", path, &mut Errors::default()).is_none() {
                // It may be the secret itself: only the window, where it was entered, gets it back.
                let message =
                    "this is not a whole path on one line: write it from the root or with ~/ for your home folder";
                errors.push("auth.secret.file", FieldErrorCode::PathInvalid, path, message);
                return None;
            }
        }
    }
    Some(source)
}
