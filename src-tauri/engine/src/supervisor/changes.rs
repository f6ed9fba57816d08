//! Changes of the person's file: one at a time, on a thread that may wait for a disk. A failed one changes nothing.

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;

use heartwire_core::control::{FailCode, Reply};
use heartwire_core::settings::{self, ConnectionForm, FieldError, General};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::Source;
use super::run::Run;
use super::writes::{Step, Write};
use crate::settings_file::{self, Loaded, SaveError};
use crate::store::Entry;

/// What the person wants of the file.
pub enum Change {
    Save { replaces: Option<String>, form: Box<ConnectionForm>, answers: BTreeMap<String, String> },
    Remove(String),
    General(General),
}

/// What a change does to names, once it is in the file.
pub(super) enum Named {
    Nothing,
    Renamed { from: String, to: String },
    Removed(String),
}

/// The changes that wait, and the one under way.
#[derive(Default)]
pub struct Changes {
    waiting: VecDeque<(Change, oneshot::Sender<Reply>)>,
    under_way: Option<UnderWay>,
}

/// What came of writing the file: what it says now.
type Written = Result<Loaded, SaveError>;

struct UnderWay {
    work: JoinHandle<Written>,
    named: Named,
    reply: oneshot::Sender<Reply>,
}

type Writer = Box<dyn FnOnce(&Path) -> Result<(), SaveError> + Send>;

/// A change that has ended.
pub struct Changed {
    result: Result<Written, tokio::task::JoinError>,
    named: Named,
    reply: oneshot::Sender<Reply>,
}

impl Changes {
    pub fn push(&mut self, change: Change, reply: oneshot::Sender<Reply>) {
        self.waiting.push_back((change, reply));
    }

    /// The end of the change under way; waits for ever if there is none.
    pub async fn ended(&mut self) -> Changed {
        let Some(under_way) = &mut self.under_way else { return std::future::pending().await };
        let result = (&mut under_way.work).await;
        match self.under_way.take() {
            Some(UnderWay { named, reply, .. }) => Changed { result, named, reply },
            None => std::future::pending().await,
        }
    }
}

impl Run {
    /// Begins the next change, unless one is under way. It is checked against what counts by then.
    pub(super) fn begin_change(&mut self) {
        while self.changes.under_way.is_none() {
            let Some((change, reply)) = self.changes.waiting.pop_front() else { return };
            match self.start_change(change) {
                Ok((work, named)) => self.changes.under_way = Some(UnderWay { work, named, reply }),
                // Who asked may have gone away meanwhile.
                Err(refusal) => drop(reply.send(refusal)),
            }
        }
    }

    fn start_change(&self, change: Change) -> Result<(JoinHandle<Written>, Named), Reply> {
        let Source::Files { paths, environment } = &self.state.source else {
            return Err(Reply::Failed {
                code: FailCode::SettingsFile,
                message: "these settings were given on the command line and cannot be changed here".to_owned(),
            });
        };
        let mut named = Named::Nothing;
        let write: Writer = match change {
            Change::Save { replaces, form, answers } => {
                let form =
                    self.checked(replaces.as_deref(), *form, &answers).map_err(|errors| Reply::Invalid { errors })?;
                if let (Some(from), Some(to)) = (&replaces, &form.name)
                    && from != to
                {
                    named = Named::Renamed { from: from.clone(), to: to.trim().to_owned() };
                }
                Box::new(move |path| settings_file::save_connection(path, replaces.as_deref(), &form))
            }
            Change::Remove(name) => {
                if !self.state.settings.forms.iter().any(|form| form.name.as_deref() == Some(&name)) {
                    return Err(super::requests::unknown(&name));
                }
                named = Named::Removed(name.clone());
                Box::new(move |path| settings_file::remove_connection(path, &name))
            }
            Change::General(wanted) => {
                let in_force = self.state.settings.general.clone();
                Box::new(move |path| settings_file::save_general(path, &in_force, &wanted))
            }
        };
        let (paths, environment) = (paths.clone(), environment.clone());
        let work = tokio::task::spawn_blocking(move || {
            write(&paths.settings_file)?;
            Ok(settings_file::load(&paths, &environment))
        });
        Ok((work, named))
    }

    /// Runs what the file says now.
    pub(super) async fn change_ended(&mut self, changed: Changed) {
        let Changed { result, named, reply } = changed;
        let answer = match result {
            Ok(Ok(loaded)) => {
                let in_keyring = self.is_in_keyring(&named);
                self.state.settings = loaded;
                self.popups.settings(&self.state.settings.general);
                let renamed = self.names_changed(&named);
                self.apply(renamed).await;
                if in_keyring {
                    self.move_secret(named);
                }
                self.writes.prune(self.state.settings.general.keep_messages);
                // What was asked for is in the next snapshot before the answer is.
                self.publish();
                Reply::Ok
            }
            Ok(Err(SaveError::NameTaken(error))) => Reply::Invalid { errors: vec![error] },
            Ok(Err(error)) => failed(&error),
            Err(error) => failed(&error),
        };
        let _ = reply.send(answer);
    }

    /// A pause and a cursor belong to the connection, whatever it is called, and go with it.
    fn names_changed<'a>(&mut self, named: &'a Named) -> Option<(&'a str, &'a str)> {
        let (from, to) = match named {
            Named::Nothing => return None,
            Named::Renamed { from, to } => (from, Some(to)),
            Named::Removed(from) => (from, None),
        };
        if self.state.paused.remove(from) {
            self.writes.push(Write::Paused(from.clone(), false));
            if let Some(to) = to {
                self.state.paused.insert(to.clone());
                self.writes.push(Write::Paused(to.clone(), true));
            }
        }
        let to = to?;
        if let Some(known) = self.state.known.remove(from) {
            self.state.known.insert(to.clone(), known);
            self.writes.push_steps([Step::Entry(Entry::Renamed { from: from.clone(), to: to.clone() })]);
        }
        Some((from.as_str(), to.as_str()))
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
        let wrong = |form: &ConnectionForm| {
            settings::resolve(form, &settings.defaults, &settings.presets).err().unwrap_or_default()
        };
        let mut errors = Vec::new();
        let form = match preset {
            Some(preset) if !answers.is_empty() => preset.fill_checked(&form, answers, wrong).unwrap_or_else(|found| {
                errors = found;
                form
            }),
            _ => {
                errors = wrong(&form);
                form
            }
        };
        let name = form.name.as_deref().map(str::trim);
        let mut others = settings.forms.iter().map(|other| other.name.as_deref().map(str::trim));
        if let Some(name) = name
            && others.any(|other| other == Some(name) && other != replaces.map(str::trim))
        {
            errors.push(settings::name_taken(name));
        }
        if errors.is_empty() { Ok(form) } else { Err(errors) }
    }
}

fn failed(error: &dyn std::fmt::Display) -> Reply {
    Reply::Failed { code: FailCode::SettingsFile, message: error.to_string() }
}
