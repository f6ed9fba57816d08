//! The settings on disk: read in layers (the program's defaults, the system's file, the person's file, the environment),
//! every error with its file and line, and written so that the person's comments survive. What is wrong is left out and
//! told; what is right counts. The rules themselves are in `heartwire_core::settings`.

mod builtin;
mod edit;
mod layers;
mod locate;
mod save;
mod source;
#[cfg(test)]
mod tests;
mod typed;
mod write;

use std::collections::BTreeMap;
use std::path::Path;

use heartwire_core::settings::{Connection, ConnectionForm, FieldError, General, Preset, names_unique, resolve};
use heartwire_core::view::{Problem, ProblemKind};
use serde_json::Value;

pub use builtin::{defaults, presets};
pub use save::{SaveError, remove_connection, save_connection, save_general};

use crate::paths::Paths;
use layers::Layers;
use locate::{Step, steps};
use source::Source;

/// The settings that count.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The settings that are no connection's.
    pub general: General,
    /// What a connection has that says nothing else.
    pub defaults: ConnectionForm,
    /// Every preset.
    pub presets: Vec<Preset>,
    /// The valid connections: the system's, then the person's, each in the order of its file. A connection of the
    /// person's replaces the system's of the same name.
    pub connections: Vec<Connection>,
    /// The connections as they are written in the person's file, also those that break a rule, without those that have
    /// keys nobody knows or values of a wrong type.
    pub forms: Vec<ConnectionForm>,
    /// What is wrong, where, and what to do.
    pub problems: Vec<Problem>,
}

impl Default for Loaded {
    /// What counts where nothing is written.
    fn default() -> Self {
        assemble(None, None, &Environment::new(), Vec::new())
    }
}

/// Variables by their names, such as `HEARTWIRE__GENERAL__LANGUAGE`; others are passed over.
pub type Environment = BTreeMap<String, String>;

/// The variables of this process that are settings, for [`load`].
pub fn environment() -> Environment {
    let named =
        std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    named.filter(|(name, _)| name.to_uppercase().starts_with(layers::PREFIX)).collect()
}

/// Everything that counts for this installation.
pub fn load(paths: &Paths, environment: &Environment) -> Loaded {
    let mut problems = Vec::new();
    let system = paths.system_settings_file.as_deref().and_then(|path| read(path, &mut problems));
    let person = read(&paths.settings_file, &mut problems);
    assemble(system.as_ref(), person.as_ref(), environment, problems)
}

/// What counts when one file is named instead of the installation's; that it is missing is a problem.
pub fn load_file(path: &Path, environment: &Environment) -> Loaded {
    let mut problems = Vec::new();
    let source = read(path, &mut problems);
    if source.is_none() && problems.is_empty() {
        let message = "there is no such file: give the path of a settings file".to_owned();
        problems.push(Problem {
            kind: ProblemKind::Settings,
            file: Some(path.display().to_string()),
            line: None,
            message,
        });
    }
    assemble(None, source.as_ref(), environment, problems)
}

fn read(path: &Path, problems: &mut Vec<Problem>) -> Option<Source> {
    Source::read(path).unwrap_or_else(|unusable| {
        problems.push(unusable.problem(path));
        None
    })
}

fn assemble(
    system: Option<&Source>,
    person: Option<&Source>,
    environment: &Environment,
    mut problems: Vec<Problem>,
) -> Loaded {
    let mut layers = Layers::new();
    for source in system.into_iter().chain(person) {
        check_top(source, &mut problems);
        layers.add_file(source, &mut problems);
    }
    layers.add_environment(environment, &mut problems);
    let presets = presets();
    let mut written = Vec::new();
    for source in system.into_iter().chain(person) {
        let entries = entries(source, &mut problems);
        written.push((source, entries));
    }
    let own = written.last().filter(|_| person.is_some()).map(|(_, entries)| entries.as_slice()).unwrap_or_default();
    let replaced: Vec<_> = own.iter().filter_map(|entry| entry.name()).map(str::to_owned).collect();
    let forms = own.iter().filter(|entry| entry.typed).map(|entry| entry.form.clone()).collect();
    let mut connections = Vec::new();
    for (source, entries) in &written {
        let is_persons = person.is_some_and(|person| std::ptr::eq(*source, person));
        let counting = entries.iter().filter(|entry| {
            is_persons || entry.name().is_none_or(|name| !replaced.iter().any(|replaced| replaced == name))
        });
        connections
            .extend(counting.filter_map(|entry| entry.resolve(source, &layers.defaults, &presets, &mut problems)));
    }
    let lowest = system.map(Source::file);
    problems.sort_by_key(|problem| (problem.file.is_none(), problem.file.as_deref() != lowest, problem.line));
    Loaded { general: layers.general, defaults: layers.defaults, presets, connections, forms, problems }
}

fn check_top(source: &Source, problems: &mut Vec<Problem>) {
    const KNOWN: [&str; 3] = ["general", "connection", "connections"];
    let keys = source.root.as_object().into_iter().flat_map(|root| root.keys());
    for key in keys.filter(|key| !KNOWN.contains(&key.as_str())) {
        let message = format!(
            "there is no {key:?} here: use [general], [connection] (what every connection has) or [[connections]], or remove it"
        );
        problems.push(source.problem(&[Step::Key(key.clone())], message));
    }
}

/// A table of `connections`.
struct Entry {
    at: usize,
    form: ConnectionForm,
    /// Whether every key is known and has a value of the right type.
    typed: bool,
    /// Fields that were noted already.
    noted: Vec<Vec<Step>>,
    /// The name belongs to an earlier entry.
    taken: Option<FieldError>,
}

fn entries(source: &Source, problems: &mut Vec<Problem>) -> Vec<Entry> {
    let top = Step::Key("connections".to_owned());
    let list = match source.root.get("connections") {
        None => return Vec::new(),
        Some(Value::Array(list)) => list,
        Some(_) => {
            let message = "\"connections\" must be a list of tables: begin each connection with a line [[connections]]";
            problems.push(source.problem(&[top], message.to_owned()));
            return Vec::new();
        }
    };
    let mut entries = Vec::new();
    for (at, value) in list.iter().enumerate() {
        let mut table = value.clone();
        if !table.is_object() {
            let message = format!("connection number {} must be a table: begin it with a line [[connections]]", at + 1);
            problems.push(source.problem(&[top.clone(), Step::Index(at)], message));
            continue;
        }
        let (form, faults) = typed::connection(&mut table);
        let mut entry = Entry { at, form, typed: faults.is_empty(), noted: Vec::new(), taken: None };
        for fault in faults {
            problems.push(entry.problem(source, &fault.path, &fault.message));
            entry.noted.push(fault.path);
        }
        entries.push(entry);
    }
    let named: Vec<_> = (0..entries.len()).filter(|at| entries[*at].name().is_some()).collect();
    let twice = names_unique(named.iter().filter_map(|at| entries[*at].name()));
    for (at, error) in twice {
        entries[named[at]].taken = Some(error);
    }
    entries
}

impl Entry {
    fn name(&self) -> Option<&str> {
        self.form.name.as_deref().map(str::trim).filter(|name| !name.is_empty())
    }

    /// The connection, if nothing is wrong with it.
    fn resolve(
        &self,
        source: &Source,
        defaults: &ConnectionForm,
        presets: &[Preset],
        problems: &mut Vec<Problem>,
    ) -> Option<Connection> {
        let (connection, mut errors) = match resolve(&self.form, defaults, presets) {
            Ok(connection) => (Some(connection), Vec::new()),
            Err(errors) => (None, errors),
        };
        errors.extend(self.taken.clone());
        for error in &errors {
            let path = steps(&error.field);
            if !self.noted.iter().any(|noted| typed::explains(noted, error)) {
                let message = format!("{}: {}", error.field, error.message);
                problems.push(self.problem_in_words(source, &path, &message));
            }
        }
        connection.filter(|_| errors.is_empty() && self.typed)
    }

    fn problem(&self, source: &Source, path: &[Step], message: &str) -> Problem {
        self.problem_in_words(source, path, &format!("{}: {message}", locate::field(path)))
    }

    fn problem_in_words(&self, source: &Source, path: &[Step], message: &str) -> Problem {
        let subject = match self.name() {
            Some(name) => format!("connection \"{}\"", heartwire_core::text::one_line(name, 80)),
            None => format!("connection number {}", self.at + 1),
        };
        let whole: Vec<_> = [Step::Key("connections".to_owned()), Step::Index(self.at)]
            .into_iter()
            .chain(path.iter().cloned())
            .collect();
        source.problem(&whole, format!("{subject}: {message}"))
    }
}
