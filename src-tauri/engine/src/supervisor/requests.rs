//! What each request does. Everything a person can do to Heartwire passes here. Nothing is waited for: what needs the
//! disk or a link is answered by whoever has waited for it.

use heartwire_core::control::{FailCode, Reply, Request};
use heartwire_core::link::NotSent;
use heartwire_core::trial::TEST_LIMIT;
use tokio::sync::oneshot;

use super::changes::Change;
use super::run::{Internal, Run};
use super::writes::Write;
use crate::dial::DialRequest;
use crate::driver::{Command, ConnectionId};
use crate::store::{Store, StoreError};
use crate::trial;

/// Rows of one page of history or messages.
const PAGE: usize = 100;

impl Run {
    pub(super) fn answer(&mut self, request: Request, reply: oneshot::Sender<Reply>) {
        let answer = match request {
            Request::Subscribe | Request::Status => {
                if self.state.dirty {
                    self.publish();
                }
                Reply::Snapshot { snapshot: Box::new(self.newest().as_ref().clone()) }
            }
            Request::Reconnect { connection } => self.for_one(&connection, |run, id| {
                run.ask_again(id);
                run.command(id, Command::Reconnect);
            }),
            Request::Pause { connection } => self.for_some(connection.as_deref(), |run, id| run.pause(id, true)),
            Request::Resume { connection } => self.for_some(connection.as_deref(), |run, id| run.pause(id, false)),
            Request::Send { connection, text } => return self.send(&connection, text, reply),
            Request::Settings => Reply::Settings {
                presets: self.state.settings.presets.clone(),
                connections: self.state.settings.forms.clone(),
                defaults: Box::new(self.state.settings.defaults.clone()),
            },
            Request::SaveConnection { replaces, form, answers } => {
                return self.changes.push(Change::Save { replaces, form, answers }, reply);
            }
            Request::RemoveConnection { connection } => return self.changes.push(Change::Remove(connection), reply),
            Request::SetSecret { connection, secret } => return self.set_secret(&connection, secret, reply),
            Request::TestConnection { connection } => return self.test(&connection, reply),
            Request::SaveGeneral { general } => return self.changes.push(Change::General(general), reply),
            Request::History { connection, before } => {
                return self.ask_store(reply, |store| async move {
                    let (rows, more) = store.history(connection, before, PAGE).await?;
                    Ok(Reply::History { rows, more })
                });
            }
            Request::Messages { connection, before } => {
                return self.ask_store(reply, |store| async move {
                    let (rows, more) = store.messages(connection, before, PAGE).await?;
                    Ok(Reply::Messages { rows, more })
                });
            }
            Request::ShowWindow | Request::Quit => Reply::Failed {
                code: FailCode::BadRequest,
                message: "there is no window and nothing to quit here: ask the tray app".to_owned(),
            },
        };
        // Who asked may have gone away meanwhile.
        let _ = reply.send(answer);
    }

    fn for_one(&mut self, name: &str, act: impl FnOnce(&mut Self, ConnectionId)) -> Reply {
        match self.state.find(name) {
            Some(id) => {
                act(self, id);
                Reply::Ok
            }
            None => unknown(name),
        }
    }

    fn for_some(&mut self, name: Option<&str>, act: impl Fn(&mut Self, ConnectionId)) -> Reply {
        if let Some(name) = name {
            return self.for_one(name, act);
        }
        for id in self.state.order.clone() {
            act(self, id);
        }
        Reply::Ok
    }

    fn pause(&mut self, id: ConnectionId, paused: bool) {
        let Some(link) = self.state.links.get(&id) else { return };
        let name = link.connection.name.clone();
        let changed = if paused { self.state.paused.insert(name.clone()) } else { self.state.paused.remove(&name) };
        if !changed {
            return;
        }
        self.writes.push(Write::Paused(name, paused));
        // A link that waits for its predecessor's socket to close is begun by that, paused or not.
        if !self.state.stopping.values().any(|stopping| stopping.next == Some(id)) {
            self.command(id, if paused { Command::Pause } else { Command::Start });
        }
    }

    /// Only the driver knows whether the text went out.
    fn send(&mut self, name: &str, text: String, reply: oneshot::Sender<Reply>) {
        let Some(id) = self.state.find(name) else {
            let _ = reply.send(unknown(name));
            return;
        };
        let (sent, outcome) = oneshot::channel();
        self.command(id, Command::Send(text, sent));
        let name = name.to_owned();
        tokio::spawn(async move {
            let _ = reply.send(match outcome.await {
                Ok(Ok(())) => Reply::Ok,
                Ok(Err(why)) => Reply::Failed { code: FailCode::NotConnected, message: format!("{name}: {why}") },
                // The link has ended.
                Err(_) => {
                    let why = NotSent::NotConnected;
                    Reply::Failed { code: FailCode::NotConnected, message: format!("{name}: {why}") }
                }
            });
        });
    }

    /// The test has a socket of its own and the credentials of the link, with their answered questions.
    fn test(&mut self, name: &str, reply: oneshot::Sender<Reply>) {
        let found = self.state.find(name).and_then(|id| Some((id, self.state.links.get(&id)?)));
        let Some((id, link)) = found else {
            let _ = reply.send(unknown(name));
            return;
        };
        let (connection, credentials) = (link.connection.clone(), link.credentials.clone());
        let request = DialRequest::with(&connection, self.state.tls.of(&connection.tls), credentials);
        // The test's socket has put an end to the running one.
        let back = connection.dialect.spec.one_socket.then(|| self.internal_sender.clone());
        tokio::spawn(async move {
            let steps = trial::run(connection, request, Some(TEST_LIMIT), |_| {}).await;
            // The supervisor may have ended.
            let _ = back.map(|internal| internal.send(Internal::Tested(id)));
            let _ = reply.send(Reply::Tested { steps });
        });
    }

    fn ask_store<F>(&self, reply: oneshot::Sender<Reply>, ask: impl FnOnce(Store) -> F)
    where
        F: Future<Output = Result<Reply, StoreError>> + Send + 'static,
    {
        let asking = ask(self.writes.store().clone());
        tokio::spawn(async move {
            let answer = asking.await;
            let _ = reply.send(
                answer.unwrap_or_else(|error| Reply::Failed { code: FailCode::Storage, message: error.to_string() }),
            );
        });
    }
}

pub(super) fn unknown(name: &str) -> Reply {
    let name = heartwire_core::text::one_line(name, 64);
    Reply::Failed {
        code: FailCode::UnknownConnection,
        message: format!("there is no connection named \"{name}\"; `heartwire status` lists them"),
    }
}
