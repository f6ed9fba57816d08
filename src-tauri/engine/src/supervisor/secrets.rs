//! Secrets as the supervisor sees them: the person gives one, or renames or removes the connection it belongs to. The
//! keyring may make us wait for a person, so its work is done by a task of its own, one thing after the other in the
//! order in which it was asked for.

use std::time::Duration;

use heartwire_core::control::{FailCode, Reply};
use heartwire_core::secret::Secret;
use heartwire_core::settings::{Auth, Connection, SecretSource};
use heartwire_core::text;
use heartwire_core::view::{SecretKind, SecretView};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::sleep;

use super::changes::Named;
use super::links::LinkRecord;
use super::requests::unknown;
use super::run::{Internal, Run};
use crate::driver::{Command, ConnectionId};
use crate::secrets::{Credentials, Keyring, KeyringError, Obstacle};

/// How long a person who gave a secret waits for the keyring; shorter than a client of the control socket waits for us.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);
/// The most characters of a name or a path in an answer.
const WORDS: usize = 64;

/// Something to do in the keyring.
enum Job {
    Set { name: String, word: &'static str, secret: Secret, done: oneshot::Sender<Reply> },
    Rename { from: String, to: String },
    Delete(String),
}

/// What came of it.
pub(super) enum KeyringTold {
    /// This connection's secret is stored.
    Stored {
        name: String,
        secret: Secret,
        done: oneshot::Sender<Reply>,
    },
    /// The secret is under the connection's new name.
    Renamed(String),
    Removed,
    /// What could not be done, and what to do about it.
    Problem(String),
}

/// The keyring and what is to be done in it.
pub(super) struct Vault {
    pub keyring: Keyring,
    jobs: mpsc::UnboundedSender<Job>,
    /// What the job under way was last waiting for; those behind it wait for the same.
    waits_for: watch::Receiver<Obstacle>,
}

impl Vault {
    pub fn new(keyring: Keyring, internal: mpsc::UnboundedSender<Internal>) -> Self {
        let (jobs, mut inbox) = mpsc::unbounded_channel();
        let (obstacle, waits_for) = watch::channel(Obstacle::Silent);
        let worker = keyring.clone();
        tokio::spawn(async move {
            let waiting = |met| {
                obstacle.send_replace(met);
            };
            while let Some(job) = inbox.recv().await {
                if let Some(told) = perform(&worker, job, &waiting).await {
                    // The supervisor may have ended.
                    let _ = internal.send(Internal::Keyring(told));
                }
            }
        });
        Self { keyring, jobs, waits_for }
    }

    fn push(&self, job: Job) {
        // The worker ends only with us.
        let _ = self.jobs.send(job);
    }
}

async fn perform(keyring: &Keyring, job: Job, waiting: &(dyn Fn(Obstacle) + Send + Sync)) -> Option<KeyringTold> {
    match job {
        Job::Set { name, word, secret, done } => match keyring.set(&name, &secret, waiting).await {
            Ok(()) => Some(KeyringTold::Stored { name, secret, done }),
            Err(error) => match done.send(refused(&error)) {
                Ok(()) => None,
                // Who asked hears no answer any more, and must not take it for stored.
                Err(_) => Some(KeyringTold::Problem(format!(
                    "the {word} of {} was not stored ({error}): enter it again",
                    shown(&name)
                ))),
            },
        },
        Job::Rename { from, to } => Some(match keyring.rename(&from, &to, waiting).await {
            Ok(()) => KeyringTold::Renamed(to),
            Err(error) => KeyringTold::Problem(format!(
                "the secret of {from} is still under its old name ({error}): enter it again for {to}"
            )),
        }),
        Job::Delete(name) => Some(match keyring.delete(&name, waiting).await {
            Ok(()) => KeyringTold::Removed,
            Err(error) => KeyringTold::Problem(format!(
                "the secret of {name} could not be removed ({error}): remove \"Heartwire: {name}\" with your keyring's own program"
            )),
        }),
    }
}

impl Run {
    /// The credentials of a connection whose link is to begin. They are asked for anew when its settings changed, but
    /// not because of a new name.
    pub(super) fn credentials(&self, connection: &Connection, before: Option<ConnectionId>) -> Credentials {
        let credentials = Credentials::new(connection, &self.vault.keyring);
        let earlier = before.and_then(|id| self.state.links.get(&id));
        if let Some(earlier) = earlier.filter(|earlier| earlier.connection.name != connection.name) {
            credentials.take_over(&earlier.credentials);
        }
        credentials
    }

    /// The person wants another try: the secret is asked for again.
    pub(super) fn ask_again(&self, id: ConnectionId) {
        if let Some(link) = self.state.links.get(&id) {
            link.credentials.ask_again();
        }
    }

    /// Stores a secret; the link dials with it as soon as the keyring has it.
    pub(super) fn set_secret(&self, name: &str, secret: Secret, reply: oneshot::Sender<Reply>) {
        let (name, word) = match self.settable(name, &secret) {
            Ok(found) => found,
            Err(refusal) => return drop(reply.send(refusal)),
        };
        let (done, stored) = oneshot::channel();
        self.vault.push(Job::Set { name, word, secret, done });
        tokio::spawn(answer_in_time(word, reply, stored, self.vault.waits_for.clone()));
    }

    /// The connection's name and the word for its secret, if it can be set here.
    fn settable(&self, name: &str, secret: &Secret) -> Result<(String, &'static str), Reply> {
        let Some(link) = self.state.find(name).and_then(|id| self.state.links.get(&id)) else {
            return Err(unknown(name));
        };
        let auth = &link.connection.auth;
        if let Some(elsewhere) = elsewhere(name, auth) {
            return Err(failed(FailCode::SecretElsewhere, elsewhere));
        }
        let fault = match auth {
            Auth::Token(_) => secret.fault_as_token(),
            Auth::Basic { .. } | Auth::None => secret.fault(),
        };
        match fault {
            Some(fault) => {
                Err(failed(FailCode::SecretInvalid, format!("the {} {fault}; nothing was stored", word(auth))))
            }
            None => Ok((link.connection.name.clone(), word(auth))),
        }
    }

    pub(super) fn keyring_told(&mut self, told: KeyringTold) {
        match told {
            KeyringTold::Stored { name, secret, done } => {
                self.known(&name, secret);
                self.state.keyring_problem(None);
                let _ = done.send(Reply::Ok);
            }
            KeyringTold::Renamed(name) => {
                // It may have looked for the secret before it was there.
                if let Some(id) = self.state.find(&name) {
                    self.command(id, Command::CredentialsChanged);
                }
                self.state.keyring_problem(None);
            }
            KeyringTold::Removed => self.state.keyring_problem(None),
            KeyringTold::Problem(problem) => {
                tracing::warn!("keyring: {problem}");
                self.state.keyring_problem(Some(problem));
            }
        }
    }

    /// A connection's secret is this. By its name: the link may be another one than when the secret was given.
    fn known(&mut self, name: &str, secret: Secret) {
        let Some(id) = self.state.find(name) else { return };
        let in_keyring = |link: &&LinkRecord| link.connection.auth.secret() == Some(&SecretSource::Keyring);
        if let Some(link) = self.state.links.get(&id).filter(in_keyring) {
            link.credentials.know(secret);
            self.command(id, Command::CredentialsChanged);
        }
    }

    /// Whether the connection that a change renames or removes has its secret in the keyring; to be asked before the
    /// change counts.
    pub(super) fn is_in_keyring(&self, named: &Named) -> bool {
        let name = match named {
            Named::Nothing => return false,
            Named::Renamed { from, .. } | Named::Removed(from) => from,
        };
        match self.state.find(name).and_then(|id| self.state.links.get(&id)) {
            Some(link) => link.connection.auth.secret() == Some(&SecretSource::Keyring),
            // A connection that breaks a rule has no link, but may have a secret.
            None => self.state.settings.forms.iter().any(|form| {
                let secret = form.auth.as_ref().and_then(|auth| auth.secret.as_ref());
                form.name.as_deref().map(str::trim) == Some(name.trim())
                    && secret.is_some_and(|secret| secret.keyring == Some(true))
            }),
        }
    }

    /// The secret goes where its connection goes.
    pub(super) fn move_secret(&self, named: Named) {
        match named {
            Named::Nothing => {}
            Named::Renamed { from, to } => self.vault.push(Job::Rename { from, to }),
            Named::Removed(name) => self.vault.push(Job::Delete(name)),
        }
    }
}

/// Why a connection's secret cannot be set here; none if it can.
fn elsewhere(name: &str, auth: &Auth) -> Option<String> {
    let name = shown(name);
    let word = word(auth);
    Some(match auth.secret() {
        Some(SecretSource::Keyring) => return None,
        None => format!("{name} has no credentials: choose a token or a password in its settings first"),
        Some(SecretSource::Command(words)) => {
            let program = shown(words.first().map_or("", String::as_str));
            format!("the {word} of {name} is what the command {program} prints: change it there, then reconnect")
        }
        Some(SecretSource::Env(variable)) => {
            let variable = shown(variable);
            format!("the {word} of {name} is in the environment variable {variable}: change it there and start again")
        }
        Some(SecretSource::File(path)) => {
            format!("the {word} of {name} is in the file {}: change it there, then reconnect", shown(path))
        }
    })
}

fn word(auth: &Auth) -> &'static str {
    SecretView::of(auth, false).map_or(SecretKind::Password, |view| view.kind).word()
}

/// Answers whoever gave a secret with what came of it, or that nothing did yet. Then `stored` is closed, so that the
/// keyring's task learns that its own answer is not heard.
async fn answer_in_time(
    word: &'static str,
    mut reply: oneshot::Sender<Reply>,
    mut stored: oneshot::Receiver<Reply>,
    waits_for: watch::Receiver<Obstacle>,
) {
    let answer = tokio::select! {
        biased;
        answer = &mut stored => answer.unwrap_or_else(|_| failed(FailCode::Stopping, "Heartwire is ending")),
        // Who asked has gone away.
        () = reply.closed() => return,
        () = sleep(ANSWER_WITHIN) => {
            stored.close();
            // It may have come this moment.
            stored.try_recv().unwrap_or_else(|_| not_yet(word, *waits_for.borrow()))
        }
    };
    let _ = reply.send(answer);
}

fn not_yet(word: &str, obstacle: Obstacle) -> Reply {
    let message = format!(
        "the {word} is not stored yet: {obstacle}. Heartwire goes on trying; if that fails, its window and \
         `heartwire status` say so"
    );
    failed(FailCode::Keyring, message)
}

fn refused(error: &KeyringError) -> Reply {
    failed(FailCode::Keyring, format!("{error}; nothing was stored"))
}

fn failed(code: FailCode, message: impl Into<String>) -> Reply {
    Reply::Failed { code, message: message.into() }
}

fn shown(text: &str) -> String {
    text::one_line(text, WORDS)
}
