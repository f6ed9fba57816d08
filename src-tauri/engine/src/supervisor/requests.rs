//! What each request does. Everything a person can do to Heartwire passes here.

use std::collections::BTreeMap;

use heartwire_core::control::{FailCode, Reply, Request};
use heartwire_core::link::ReconnectReason;
use heartwire_core::settings::{self, ConnectionForm, FieldError, General};
use tokio::sync::oneshot;

use super::Source;
use super::run::Run;
use super::writes::Write;
use crate::driver::{Command, ConnectionId};
use crate::settings_file;
use crate::store::StoreError;

/// Rows of one page of history or messages.
const PAGE: usize = 100;

impl Run {
    pub(super) async fn answer(&mut self, request: Request, reply: oneshot::Sender<Reply>) {
        let answer = match request {
            Request::Subscribe | Request::Status => Reply::Snapshot { snapshot: Box::new(self.state.snapshot()) },
            Request::Reconnect { connection } => self.for_one(&connection, |run, id| {
                run.command(id, Command::Reconnect(ReconnectReason::ByPerson));
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
                self.save_connection(replaces.as_deref(), *form, &answers).await
            }
            Request::RemoveConnection { connection } => self.remove_connection(&connection).await,
            Request::SaveGeneral { general } => self.save_general(&general).await,
            Request::History { connection, before } => {
                match self.writes.store().history(connection, before, PAGE).await {
                    Ok((rows, more)) => Reply::History { rows, more },
                    Err(error) => storage_failed(&error),
                }
            }
            Request::Messages { connection, before } => {
                match self.writes.store().messages(connection, before, PAGE).await {
                    Ok((rows, more)) => Reply::Messages { rows, more },
                    Err(error) => storage_failed(&error),
                }
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
        if !self.state.starts_after.values().any(|next| *next == id) {
            self.command(id, if paused { Command::Pause } else { Command::Start });
        }
    }

    /// Only the driver knows whether the text went out: it answers, and nobody waits for it here.
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
                Ok(Err(_)) | Err(_) => Reply::Failed {
                    code: FailCode::NotConnected,
                    message: format!("{name} is not connected, so the text was not sent; send it again once it is"),
                },
            });
        });
    }

    async fn save_connection(
        &mut self,
        replaces: Option<&str>,
        form: ConnectionForm,
        answers: &BTreeMap<String, String>,
    ) -> Reply {
        let form = match self.checked(replaces, form, answers) {
            Ok(form) => form,
            Err(errors) => return Reply::Invalid { errors },
        };
        let replaces = replaces.map(str::to_owned);
        self.change_file(move |path| settings_file::save_connection(path, replaces.as_deref(), &form)).await
    }

    /// The form to save, if it makes a valid connection with a name of its own; else every error at once.
    fn checked(
        &self,
        replaces: Option<&str>,
        form: ConnectionForm,
        answers: &BTreeMap<String, String>,
    ) -> Result<ConnectionForm, Vec<FieldError>> {
        let settings = &self.state.settings;
        let preset = form.preset.as_deref().and_then(|id| settings.presets.iter().find(|preset| preset.id == id));
        let filled = match preset {
            Some(preset) if !answers.is_empty() => preset.fill(&form, answers),
            _ => Ok(form.clone()),
        };
        let resolve = |form: &ConnectionForm| {
            settings::resolve(form, &settings.defaults, &settings.presets).err().unwrap_or_default()
        };
        let (form, mut errors) = match filled {
            Ok(filled) => {
                let errors = resolve(&filled);
                (filled, errors)
            }
            Err(mut errors) => {
                // The address is made of the answers, so it is missing because of them.
                errors.extend(resolve(&form).into_iter().filter(|error| error.field != "url"));
                (form, errors)
            }
        };
        let name = form.name.as_deref().map(str::trim);
        let mut others = settings.forms.iter().map(|other| other.name.as_deref().map(str::trim));
        if let Some(name) = name
            && others.any(|other| other == Some(name) && other != replaces)
        {
            errors.push(settings::name_taken(name));
        }
        if errors.is_empty() { Ok(form) } else { Err(errors) }
    }

    async fn remove_connection(&mut self, name: &str) -> Reply {
        if !self.state.settings.forms.iter().any(|form| form.name.as_deref() == Some(name)) {
            return unknown(name);
        }
        let name = name.to_owned();
        self.change_file(move |path| settings_file::remove_connection(path, &name)).await
    }

    async fn save_general(&mut self, general: &General) -> Reply {
        let (in_force, general) = (self.state.settings.general.clone(), general.clone());
        self.change_file(move |path| settings_file::save_general(path, &in_force, &general)).await
    }

    /// Changes the person's file and runs what it says then. A failed write changes nothing.
    async fn change_file(
        &mut self,
        change: impl FnOnce(&std::path::Path) -> Result<(), settings_file::SaveError> + Send + 'static,
    ) -> Reply {
        let Source::Files { paths, .. } = &self.state.source else {
            return Reply::Failed {
                code: FailCode::SettingsFile,
                message: "these settings were given on the command line and cannot be changed here".to_owned(),
            };
        };
        let path = paths.settings_file.clone();
        match tokio::task::spawn_blocking(move || change(&path)).await {
            Ok(Ok(())) => {
                self.reload().await;
                Reply::Ok
            }
            Ok(Err(settings_file::SaveError::NameTaken(error))) => Reply::Invalid { errors: vec![error] },
            Ok(Err(error)) => Reply::Failed { code: FailCode::SettingsFile, message: error.to_string() },
            Err(error) => Reply::Failed { code: FailCode::SettingsFile, message: error.to_string() },
        }
    }
}

fn unknown(name: &str) -> Reply {
    let name = heartwire_core::text::one_line(name, 64);
    Reply::Failed {
        code: FailCode::UnknownConnection,
        message: format!("there is no connection named \"{name}\"; `heartwire status` lists them"),
    }
}

fn storage_failed(error: &StoreError) -> Reply {
    Reply::Failed { code: FailCode::Storage, message: error.to_string() }
}
