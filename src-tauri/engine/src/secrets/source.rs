//! Reading a secret from where the settings say it is. Each failure says what, where and what to do, and never repeats
//! what was read.

mod command;
mod file;

use std::time::Duration;

use heartwire_core::cause::{Cause, CauseCode};
use heartwire_core::secret::Secret;
use heartwire_core::settings::{Auth, SecretSource};
use heartwire_core::text;
use heartwire_core::view::SecretView;

use super::keyring::{Keyring, KeyringError, Obstacle};

/// How long a command or a file may take: a command may be asking a person for a passphrase meanwhile.
const READ_LIMIT: Duration = Duration::from_secs(120);
/// The most bytes that are read to find the first line.
const READ_MOST: u64 = 64 * 1024;
/// The most characters that a cause shows of a name, a path or another program's words.
const WORDS: usize = 120;

/// The secret of these credentials. `told` hears what is waited for.
pub(super) async fn read(
    connection: &str,
    auth: &Auth,
    keyring: &Keyring,
    told: &(dyn Fn(Obstacle) + Send + Sync),
) -> Result<Secret, Cause> {
    let word = word(auth);
    let Some(source) = auth.secret() else {
        return Err(Cause::new(CauseCode::Configuration, "no credentials are configured"));
    };
    match source {
        SecretSource::Keyring => {
            keyring.get(connection, told).await.map_err(|error| of_keyring(connection, word, &error))
        }
        SecretSource::Env(name) => environment(name, word),
        SecretSource::Command(words) => limited(word, "the command", command::first_line(words, word)).await,
        SecretSource::File(path) => limited(word, "the file", file::first_line(path, word)).await,
    }
}

/// "token" or "password".
pub(super) fn word(auth: &Auth) -> &'static str {
    SecretView::of(auth, false).map_or("secret", |view| view.kind.word())
}

/// Why a secret that was found cannot be sent.
pub(super) fn unusable(connection: &str, auth: &Auth, fault: &str) -> Cause {
    let word = word(auth);
    let (code, place) = match auth.secret() {
        Some(SecretSource::Keyring) => (CauseCode::Unauthorized, format!("enter it again for {}", shown(connection))),
        Some(SecretSource::Command(words)) => {
            (CauseCode::Unauthorized, format!("correct what the command {} prints", command::name(words)))
        }
        Some(SecretSource::File(path)) => {
            (CauseCode::Unauthorized, format!("correct the first line of {}", shown(path)))
        }
        Some(SecretSource::Env(name)) => {
            (CauseCode::Configuration, format!("correct the environment variable {}", shown(name)))
        }
        None => (CauseCode::Configuration, "correct the settings".to_owned()),
    };
    Cause::new(code, format!("the {word} {fault}, so no server takes it: {place}"))
}

/// What a question that takes long is waiting for, and what to do about it.
pub(super) fn waiting_for(auth: &Auth, obstacle: Obstacle) -> String {
    match auth.secret() {
        Some(SecretSource::Command(words)) => format!("the command {} has not ended yet", command::name(words)),
        Some(SecretSource::File(path)) => format!("the file {} could not be read so fast", shown(path)),
        Some(SecretSource::Keyring | SecretSource::Env(_)) | None => obstacle.to_string(),
    }
}

fn of_keyring(connection: &str, word: &str, error: &KeyringError) -> Cause {
    let name = shown(connection);
    match error {
        KeyringError::NoEntry => missing(format!(
            "no {word} is stored in the keyring for {name}: enter it in the window or with `heartwire secret {name}`"
        )),
        KeyringError::Dismissed => missing(format!(
            "the keyring is locked and its prompt was dismissed, so there is no {word} for {name}: unlock it and reconnect"
        )),
        KeyringError::Unreachable(obstacle) => Cause::new(CauseCode::ConnectTimeout, format!("no {word}: {obstacle}")),
        KeyringError::Failed(why) => Cause::new(
            CauseCode::Unauthorized,
            format!("the keyring did not give the {word} for {name} ({}): enter it again", text::one_line(why, WORDS)),
        ),
    }
}

/// This process's own variables, which nobody else can change while it runs.
fn environment(name: &str, word: &str) -> Result<Secret, Cause> {
    let wrong = |what: &str| {
        let name = shown(name);
        let text = format!(
            "the {word} is to be in the environment variable {name}, which {what}: start Heartwire with it, or change the settings"
        );
        Cause::new(CauseCode::Configuration, text)
    };
    match std::env::var(name) {
        Ok(value) if value.is_empty() => Err(wrong("is empty")),
        Ok(value) => Ok(Secret::new(value)),
        Err(std::env::VarError::NotPresent) => Err(wrong("is not set")),
        Err(std::env::VarError::NotUnicode(_)) => Err(wrong("is no text")),
    }
}

async fn limited(
    word: &str,
    what: &str,
    reading: impl Future<Output = Result<Secret, Cause>>,
) -> Result<Secret, Cause> {
    tokio::time::timeout(READ_LIMIT, reading).await.unwrap_or_else(|_| {
        let limit = READ_LIMIT.as_secs();
        Err(Cause::new(CauseCode::ConnectTimeout, format!("{what} did not give the {word} within {limit} s")))
    })
}

/// The first line of what was read, without its line end; none if there is nothing in it.
fn line_of(read: &[u8]) -> Result<Option<Secret>, std::str::Utf8Error> {
    let line = read.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let line = std::str::from_utf8(line)?;
    Ok((!line.is_empty()).then(|| Secret::new(line)))
}

/// The person can help without changing the settings, so the link tries again by itself after some minutes.
fn missing(text: String) -> Cause {
    Cause::new(CauseCode::Unauthorized, text)
}

fn shown(text: &str) -> String {
    text::one_line(text, WORDS)
}
