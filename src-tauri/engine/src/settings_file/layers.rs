//! What counts for every connection, and the settings that are no connection's: layer over layer through the `config`
//! crate. A key that cannot count is noted and left out of its layer, so that the layers always make valid settings.

use std::collections::BTreeMap;

use config::{Config, ConfigError, Environment, File, FileFormat};
use heartwire_core::settings::{ConnectionForm, FieldError, General, resolve};
use heartwire_core::view::{Problem, ProblemKind};
use serde_json::{Map, Value};

use super::builtin;
use super::locate::{Step, field, is_there, steps, take_out};
use super::source::Source;
use super::typed::{self, Fault};

/// What every variable's name begins with.
pub(super) const PREFIX: &str = "HEARTWIRE__";

/// The keys of a connection that cannot be the same for all.
const OWN: [&str; 4] = ["name", "url", "sockjs", "preset"];

/// The layers that were accepted, and what they make.
pub(super) struct Layers {
    /// `general` and `connection` of the files, the lowest first.
    files: Vec<Value>,
    environment: BTreeMap<String, String>,
    pub(super) general: General,
    pub(super) defaults: ConnectionForm,
}

impl Layers {
    /// The defaults of the program.
    #[expect(clippy::expect_used, reason = "the file is part of this build, and a test reads it")]
    pub(super) fn new() -> Self {
        let (general, defaults) = build(&[], &BTreeMap::new()).expect("defaults that read");
        Self { files: Vec::new(), environment: BTreeMap::new(), general, defaults }
    }

    /// Puts the file's `[general]` and `[connection]` on top, without what is wrong in them.
    pub(super) fn add_file(&mut self, source: &Source, problems: &mut Vec<Problem>) {
        let mut layer = Map::new();
        for name in ["general", "connection"] {
            let Some(mut table) = source.root.get(name).cloned() else { continue };
            let faults = match (table.is_object(), name) {
                (false, _) => vec![not_a_table(name, &mut table)],
                (true, "general") => self.check_general(&mut table),
                (true, _) => self.check_defaults(&mut table),
            };
            for Fault { path, message, .. } in faults {
                let message = match field(&path) {
                    whole if whole.is_empty() => message,
                    part => format!("[{name}] {part}: {message}"),
                };
                let path: Vec<_> = [Step::Key(name.to_owned())].into_iter().chain(path).collect();
                problems.push(source.problem(&path, message));
            }
            layer.insert(name.to_owned(), table);
        }
        let layer = Value::Object(layer);
        let mut files = self.files.clone();
        hide_below(&mut files, &layer);
        files.push(layer);
        if let Err(error) = self.take(files, self.environment.clone()) {
            problems.push(source.problem(&[], format!("the general settings of this file do not count: {error}")));
        }
    }

    /// Puts the environment's variables on top, each that can count.
    pub(super) fn add_environment(&mut self, environment: &BTreeMap<String, String>, problems: &mut Vec<Problem>) {
        for (variable, value) in environment {
            let Some(key) = variable.get(..PREFIX.len()).filter(|prefix| prefix.eq_ignore_ascii_case(PREFIX)) else {
                continue;
            };
            let key = variable[key.len()..].to_lowercase();
            let key: Vec<_> = key.split("__").collect();
            if let Err(why) = self.add_variable(variable, value, &key) {
                let message = format!("the environment variable {variable} does not count: {why}");
                problems.push(Problem { kind: ProblemKind::Settings, file: None, line: None, message });
            }
        }
    }

    fn add_variable(&mut self, variable: &str, value: &str, key: &[&str]) -> Result<(), String> {
        match key {
            ["connection", own, ..] if OWN.contains(own) => return Err(own_key(own)),
            ["general" | "connection", _, ..] => {}
            _ => return Err(format!("name a key of {PREFIX}GENERAL__… or {PREFIX}CONNECTION__…, or unset it")),
        }
        let private = key[0] == "connection" && typed::is_private(key[1]);
        let one = BTreeMap::from([(variable.to_owned(), value.to_owned())]);
        let given: ConnectionForm = if key[0] == "connection" {
            let alone = Config::builder().add_source(environment_source(&one)).build();
            alone.and_then(|alone| alone.get(key[0])).map_err(|error| config_words(&error, private))?
        } else {
            ConnectionForm::default()
        };
        if let Some(error) =
            errors(&given, &self.defaults).into_iter().find(|error| key[1..].join(".").starts_with(&error.field))
        {
            return Err(error.message);
        }
        let mut files = self.files.clone();
        hide_below(&mut files, &nested(key, value));
        let environment =
            self.environment.iter().map(|(name, value)| (name.clone(), value.clone())).chain(one).collect();
        self.take(files, environment).map_err(|error| config_words(&error, private))
    }

    fn take(&mut self, files: Vec<Value>, environment: BTreeMap<String, String>) -> Result<(), ConfigError> {
        let (general, defaults) = build(&files, &environment)?;
        *self = Self { files, environment, general, defaults };
        Ok(())
    }

    fn check_general(&self, table: &mut Value) -> Vec<Fault> {
        let base = serde_json::to_value(&self.general).unwrap_or_default();
        typed::settle::<General>(table, &base).1
    }

    fn check_defaults(&self, table: &mut Value) -> Vec<Fault> {
        let mut faults = Vec::new();
        for own in OWN {
            let path = vec![Step::Key(own.to_owned())];
            if take_out(table, &path) {
                faults.push(Fault { path, unknown: true, message: own_key(own) });
            }
        }
        let (form, more) = typed::connection(table);
        faults.extend(more);
        for error in errors(&form, &self.defaults) {
            let path = steps(&error.field);
            // What is missing here, such as the text of a heartbeat, may be given by each connection.
            if is_there(table, &path) {
                take_out(table, &path);
                if !faults.iter().any(|fault| typed::explains(&fault.path, &error)) {
                    faults.push(Fault { path, unknown: false, message: error.message });
                }
            }
        }
        faults
    }
}

/// The layers from the program's defaults to the environment.
fn build(files: &[Value], environment: &BTreeMap<String, String>) -> Result<(General, ConnectionForm), ConfigError> {
    let mut builder = Config::builder().add_source(File::from_str(builtin::DEFAULTS, FileFormat::Toml));
    for layer in files {
        let text = toml_edit::ser::to_string(layer).map_err(|error| ConfigError::Foreign(Box::new(error)))?;
        builder = builder.add_source(File::from_str(&text, FileFormat::Toml));
    }
    let whole = builder.add_source(environment_source(environment)).build()?;
    Ok((whole.get("general")?, whole.get("connection")?))
}

fn environment_source(variables: &BTreeMap<String, String>) -> Environment {
    let variables = variables.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
    Environment::with_prefix(PREFIX.trim_end_matches('_'))
        .prefix_separator("__")
        .separator("__")
        .source(Some(variables))
}

/// What is wrong with `form` as the defaults of a connection.
fn errors(form: &ConnectionForm, below: &ConnectionForm) -> Vec<FieldError> {
    let probe = ConnectionForm { name: Some("x".to_owned()), url: Some("ws://x".to_owned()), ..form.clone() };
    resolve(&probe, below, &[]).err().unwrap_or_default()
}

/// `config` joins all tables key by key. Where a lower layer's part would not be replaced but mixed in, it is taken out.
fn hide_below(files: &mut [Value], layer: &Value) {
    let path = |keys: &[&str]| keys.iter().map(|key| Step::Key((*key).to_owned())).collect::<Vec<_>>();
    let reply = path(&["connection", "heartbeat", "reply"]);
    if is_there(layer, &reply) {
        for file in files.iter_mut() {
            take_out(file, &reply);
        }
    }
    let Some(headers) = layer.pointer("/connection/headers").and_then(Value::as_object) else { return };
    for below in files.iter_mut().filter_map(|file| file.pointer_mut("/connection/headers")?.as_object_mut()) {
        below.retain(|name, _| !headers.keys().any(|given| given.eq_ignore_ascii_case(name)));
    }
}

fn nested(key: &[&str], value: &str) -> Value {
    key.iter()
        .rev()
        .fold(Value::from(value), |inner, key| Value::Object([((*key).to_owned(), inner)].into_iter().collect()))
}

fn not_a_table(name: &str, given: &mut Value) -> Fault {
    *given = Value::Object(Map::new());
    let message = format!("\"{name}\" must be a table: write its keys below a line [{name}]");
    Fault { path: Vec::new(), unknown: false, message }
}

fn own_key(key: &str) -> String {
    format!("\"{key}\" belongs to one connection: write it below [[connections]] in the settings file")
}

fn config_words(error: &ConfigError, private: bool) -> String {
    match error {
        ConfigError::Type { unexpected, expected, .. } => {
            typed::words(&format!("invalid type: {unexpected}, expected {expected}"), private)
        }
        // Behind it would stand the key, which the variable's name tells.
        ConfigError::At { error, .. } => config_words(error, private),
        other => typed::words(&other.to_string(), private),
    }
}
