//! The credentials of one connection: one question for the secret at a time, shared by every dial that needs the
//! answer, and the answer kept until it is refused or changed.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};
use tokio_tungstenite::tungstenite::http::HeaderValue;

use heartwire_core::cause::{Cause, CauseCode};
use heartwire_core::secret::Secret;
use heartwire_core::settings::{Auth, Connection};
use heartwire_core::view::SecretView;

use super::keyring::{Keyring, Obstacle};
use super::{authorization, source};

/// What a connection names itself with. Clones share the secret and the question for it.
#[derive(Clone, Default)]
pub struct Credentials {
    /// None: the connection has no credentials.
    own: Option<Arc<Own>>,
}

struct Own {
    connection: String,
    auth: Auth,
    keyring: Keyring,
    held: watch::Sender<Held>,
}

/// What is known of the secret.
#[derive(Clone)]
pub(super) enum Held {
    Nothing,
    /// The question of this number is under way; if it takes long, this is why.
    Asking(u64, Obstacle),
    Known(Secret),
    Failed(Cause),
}

/// Whose they are and how far the question is; never the secret.
impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let state = self.own.as_ref().map(|own| match &*own.held.borrow() {
            Held::Nothing => "not asked for",
            Held::Asking(..) => "asked for",
            Held::Known(_) => "known",
            Held::Failed(_) => "missing",
        });
        f.debug_tuple("Credentials").field(&state).finish()
    }
}

impl Credentials {
    /// The credentials that a connection's settings name. Nothing is read before the first dial.
    pub fn new(connection: &Connection, keyring: &Keyring) -> Self {
        let own = connection.auth.secret().map(|_| {
            Arc::new(Own {
                connection: connection.name.clone(),
                auth: connection.auth.clone(),
                keyring: keyring.clone(),
                held: watch::Sender::new(Held::Nothing),
            })
        });
        Self { own }
    }

    /// What may be shown of the secret; none if none is needed.
    pub fn view(&self) -> Option<SecretView> {
        let own = self.own.as_ref()?;
        SecretView::of(&own.auth, matches!(&*own.held.borrow(), Held::Failed(cause) if is_missing(cause)))
    }

    /// The secret is this from now on.
    pub fn know(&self, secret: Secret) {
        if let Some(own) = &self.own {
            own.held.send_replace(Held::Known(secret));
        }
    }

    /// Takes over the secret of a connection that was renamed to this one.
    pub fn take_over(&self, earlier: &Self) {
        if let (Some(own), Some(before)) = (&self.own, &earlier.own)
            && own.auth == before.auth
            && let Held::Known(secret) = before.held.borrow().clone()
        {
            self.know(secret);
        }
    }

    /// The server refused them, or the person wants another try: the next dial asks again. A question under way goes
    /// on, so that nobody is asked twice.
    pub fn forget(&self) {
        if let Some(own) = &self.own {
            own.held.send_if_modified(|held| {
                let answered = matches!(held, Held::Known(_) | Held::Failed(_));
                if answered {
                    *held = Held::Nothing;
                }
                answered
            });
        }
    }

    /// The same because a person asks for it: a keyring's prompt that was dismissed may come back.
    pub fn ask_again(&self) {
        self.forget();
        if let Some(own) = &self.own {
            own.keyring.ask_again();
        }
    }

    /// The `Authorization` of a dial that may take until `deadline`, which is `allowed` after its beginning. None: the
    /// connection has no credentials.
    ///
    /// # Errors
    /// Why there is no secret, or that it was not there in time; the question goes on then for a later dial.
    pub(crate) async fn authorization(
        &self,
        deadline: Instant,
        allowed: Duration,
    ) -> Result<Option<HeaderValue>, Cause> {
        let Some(own) = &self.own else { return Ok(None) };
        let secret = own.secret(deadline, allowed).await?;
        authorization::field(&own.auth, &secret).map_err(|fault| {
            let cause = source::unusable(&own.connection, &own.auth, fault);
            own.held.send_replace(Held::Failed(cause.clone()));
            cause
        })
    }

    /// The user, if there is one, and the secret, for a dialect that sends them in a frame of its own; else the same.
    pub(crate) async fn login(
        &self,
        deadline: Instant,
        allowed: Duration,
    ) -> Result<Option<(Option<String>, Secret)>, Cause> {
        let Some(own) = &self.own else { return Ok(None) };
        let user = match &own.auth {
            Auth::Basic { user, .. } => Some(user.clone()),
            Auth::None | Auth::Token(_) => None,
        };
        Ok(Some((user, own.secret(deadline, allowed).await?)))
    }
}

impl Own {
    async fn secret(self: &Arc<Self>, deadline: Instant, allowed: Duration) -> Result<Secret, Cause> {
        let mut held = self.held.subscribe();
        self.ask();
        match timeout_at(deadline, held.wait_for(|held| !matches!(held, Held::Asking(..)))).await {
            Ok(Ok(answer)) => match answer.clone() {
                Held::Known(secret) => Ok(secret),
                Held::Failed(cause) => Err(cause),
                // Forgotten between the answer and now.
                Held::Nothing | Held::Asking(..) => Err(self.late(Obstacle::Silent, allowed)),
            },
            Ok(Err(_)) => Err(self.late(Obstacle::Silent, allowed)),
            Err(_) => {
                let obstacle = match &*self.held.borrow() {
                    Held::Asking(_, obstacle) => *obstacle,
                    Held::Nothing | Held::Known(_) | Held::Failed(_) => Obstacle::Silent,
                };
                Err(self.late(obstacle, allowed))
            }
        }
    }

    /// Begins a question, unless one is under way or answered.
    fn ask(self: &Arc<Self>) {
        let mut number = None;
        self.held.send_if_modified(|held| {
            if matches!(held, Held::Asking(..) | Held::Known(_)) {
                return false;
            }
            let next = rand::random();
            number = Some(next);
            *held = Held::Asking(next, Obstacle::Silent);
            true
        });
        let Some(number) = number else { return };
        // A task of its own: a dial that gives up must not cancel what a person may be answering.
        let own = self.clone();
        tokio::spawn(async move {
            let told = |obstacle| own.moved(number, Held::Asking(number, obstacle));
            let answer = source::read(&own.connection, &own.auth, &own.keyring, &told).await;
            own.moved(number, answer.map_or_else(Held::Failed, Held::Known));
        });
    }

    /// The question of this number came so far; nothing if it does not count any more.
    fn moved(&self, number: u64, to: Held) {
        self.held.send_if_modified(|held| {
            let counts = matches!(held, Held::Asking(asking, _) if *asking == number);
            if counts {
                *held = to;
            }
            counts
        });
    }

    fn late(&self, obstacle: Obstacle, allowed: Duration) -> Cause {
        let (secret, within) = (source::word(&self.auth), allowed.as_secs_f64());
        let why = source::waiting_for(&self.auth, obstacle);
        Cause::new(CauseCode::ConnectTimeout, format!("the {secret} was not there within {within} s: {why}"))
    }
}

/// Whether there is none, and not only none yet.
fn is_missing(cause: &Cause) -> bool {
    matches!(cause.code, CauseCode::Unauthorized | CauseCode::Configuration)
}
