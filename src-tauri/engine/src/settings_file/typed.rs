//! From the values of a file to the types of the settings, with every wrong key at once: a key that is unknown or of
//! the wrong type is noted and left out.

use heartwire_core::settings::ConnectionForm;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use serde_path_to_error::Segment;
use toml_edit::Item;

use super::locate::{Step, take_out};

/// A key that cannot be used.
#[derive(Debug)]
pub(super) struct Fault {
    /// Where it stands.
    pub(super) path: Vec<Step>,
    /// Whether no key of that name exists.
    pub(super) unknown: bool,
    /// What is wrong and what to do.
    pub(super) message: String,
}

/// The tables of a connection. A list would be taken for a table by its order.
const TABLES: [&[&str]; 5] = [&["heartbeat"], &["heartbeat", "reply"], &["reconnect"], &["message"], &["headers"]];

/// A connection's table; what is wrong is taken out of `table`.
pub(super) fn connection(table: &mut Value) -> (ConnectionForm, Vec<Fault>) {
    let mut faults = Vec::new();
    for keys in TABLES {
        let found = keys.iter().try_fold(&*table, |value, key| value.get(key));
        if found.is_some_and(|value| !value.is_object()) {
            let path: Vec<_> = keys.iter().map(|key| Step::Key((*key).to_owned())).collect();
            take_out(table, &path);
            let name = keys.last().unwrap_or(&"");
            let message = format!("a table is needed here: write {name} = {{ … }} or a table of its own");
            faults.push(Fault { path, unknown: false, message });
        }
    }
    let (form, more) = settle(table, &Value::Object(Map::new()));
    faults.extend(more);
    (form.unwrap_or_default(), faults)
}

/// `table` over `base` as a `T`; what is wrong is taken out of `table`. None only if `base` itself is no `T`.
pub(super) fn settle<T: DeserializeOwned>(table: &mut Value, base: &Value) -> (Option<T>, Vec<Fault>) {
    let mut faults = Vec::new();
    loop {
        let mut whole = base.clone();
        if let (Some(whole), Some(table)) = (whole.as_object_mut(), table.as_object()) {
            whole.extend(table.clone());
        }
        let error = match serde_path_to_error::deserialize(whole) {
            Ok(read) => return (Some(read), faults),
            Err(error) => error,
        };
        let path: Vec<_> = error.path().iter().filter_map(step).collect();
        let message = error.into_inner().to_string();
        if !take_out(table, &path) {
            return (None, faults);
        }
        faults.push(Fault { path, unknown: message.starts_with("unknown field"), message: words(&message) });
    }
}

fn step(segment: &Segment) -> Option<Step> {
    match segment {
        Segment::Map { key } => Some(Step::Key(key.clone())),
        Segment::Seq { index } => Some(Step::Index(*index)),
        Segment::Enum { .. } | Segment::Unknown => None,
    }
}

/// What serde says, in the words of the settings.
pub(super) fn words(serde: &str) -> String {
    let parts = |prefix: &str| serde.strip_prefix(prefix)?.split_once(", expected ");
    if let Some((key, known)) = parts("unknown field ") {
        format!("there is no key {key} here: use {known}, or remove it")
    } else if let Some((given, known)) = parts("unknown variant ") {
        format!("{given} is not known here: use {known}")
    } else if let Some((given, needed)) = parts("invalid type: ").or_else(|| parts("invalid value: ")) {
        format!("here stands {}, but {} is needed: correct it", given_type(given), needed_type(needed))
    } else {
        serde.to_owned()
    }
}

fn given_type(given: &str) -> &str {
    match given {
        "map" => "a table",
        "sequence" => "a list",
        other => other,
    }
}

fn needed_type(needed: &str) -> &str {
    match needed {
        "a string" | "string or map" => "a text in quotes",
        "a boolean" => "true or false",
        "a sequence" => "a list",
        "a map" => "a table",
        "u32" => "a whole number from 0 to 4294967295",
        other => other,
    }
}

/// An item as plain values. What JSON does not have becomes a table, so that no setting takes it.
pub(super) fn plain(item: &Item) -> Value {
    match item {
        Item::None => Value::Null,
        Item::Value(value) => plain_value(value),
        Item::Table(table) => table.iter().map(|(key, item)| (key.to_owned(), plain(item))).collect(),
        Item::ArrayOfTables(tables) => tables
            .iter()
            .map(|table| table.iter().map(|(key, item)| (key.to_owned(), plain(item))).collect::<Value>())
            .collect(),
    }
}

fn plain_value(value: &toml_edit::Value) -> Value {
    match value {
        toml_edit::Value::String(text) => Value::from(text.value().as_str()),
        toml_edit::Value::Integer(number) => Value::from(*number.value()),
        toml_edit::Value::Float(number) => Value::from(*number.value()),
        toml_edit::Value::Boolean(flag) => Value::from(*flag.value()),
        toml_edit::Value::Datetime(time) => {
            Value::Object([("time".to_owned(), time.value().to_string().into())].into_iter().collect())
        }
        toml_edit::Value::Array(array) => array.iter().map(plain_value).collect(),
        toml_edit::Value::InlineTable(table) => {
            table.iter().map(|(key, value)| (key.to_owned(), plain_value(value))).collect()
        }
    }
}
