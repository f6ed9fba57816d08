//! From the values of a file to the types of the settings, with every wrong key at once: a key that is unknown or of
//! the wrong type is noted and left out.

use heartwire_core::settings::{ConnectionForm, FieldError, FieldErrorCode};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use serde_path_to_error::Segment;
use toml_edit::Item;

use super::locate::{Step, steps, take_out};

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

/// The tables of a connection, with what they may say. A list would be taken for a table by its order.
const TABLES: [(&[&str], &str); 9] = [
    (&["heartbeat"], "{ kind = \"ping\" }"),
    (&["heartbeat", "reply"], "{ equals = \"pong\" }"),
    (&["reconnect"], "{ cap = \"30s\" }"),
    (&["message"], "{ title = \"{{ json.title }}\" }"),
    (&["headers"], "{ X-Tenant = \"blue\" }"),
    (&["auth"], "{ kind = \"token\", secret = { keyring = true } }"),
    (&["auth", "secret"], "{ keyring = true }"),
    (&["tls"], "{ ca_file = \"~/our-ca.pem\" }"),
    (&["proxy"], "{ url = \"system\" }"),
];

/// The keys of a connection below which a secret may stand, by right or by mistake: no value of theirs is repeated.
const PRIVATE: [&str; 6] = ["auth", "headers", "on_open", "proxy", "sockjs", "url"];

/// A connection's table; what is wrong is taken out of `table`.
pub(super) fn connection(table: &mut Value) -> (ConnectionForm, Vec<Fault>) {
    let mut faults = Vec::new();
    for (keys, example) in TABLES {
        let found = keys.iter().try_fold(&*table, |value, key| value.get(key));
        if found.is_some_and(|value| !value.is_object()) {
            let path: Vec<_> = keys.iter().map(|key| Step::Key((*key).to_owned())).collect();
            take_out(table, &path);
            let name = keys.last().unwrap_or(&"");
            let message = format!("a table is needed here: write {name} = {example} or a table of its own");
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
        let serde = error.into_inner().to_string();
        if !take_out(table, &path) {
            return (None, faults);
        }
        let private = matches!(path.first(), Some(Step::Key(key)) if is_private(key));
        faults.push(Fault { path, unknown: serde.starts_with("unknown field"), message: words(&serde, private) });
    }
}

fn step(segment: &Segment) -> Option<Step> {
    match segment {
        Segment::Map { key } => Some(Step::Key(key.clone())),
        Segment::Seq { index } => Some(Step::Index(*index)),
        Segment::Enum { .. } | Segment::Unknown => None,
    }
}

/// Whether a rule is broken only because a wrong value was left out: that it, or the one of several keys, is missing
/// now is no news.
pub(super) fn explains(left_out: &[Step], error: &FieldError) -> bool {
    let path = steps(&error.field);
    path.starts_with(left_out) || (error.code == FieldErrorCode::ExactlyOne && left_out.starts_with(&path))
}

/// Whether what stands at this key of a connection, or below it, may be a secret.
pub(super) fn is_private(key: &str) -> bool {
    PRIVATE.contains(&key)
}

/// What serde says, in the words of the settings; without the value if it is `private`.
pub(super) fn words(serde: &str, private: bool) -> String {
    // What is expected never has these words in it; a value may.
    let parts = |prefix: &str| serde.strip_prefix(prefix)?.rsplit_once(", expected ");
    if let Some((key, known)) = parts("unknown field ") {
        format!("there is no key {key} here: use {known}, or remove it")
    } else if let Some((given, needed)) = parts("invalid type: ").or_else(|| parts("invalid value: ")) {
        format!("here stands {}, but {} is needed: correct it", given_type(given, private), needed_type(needed))
    } else if private {
        "this cannot be used here: correct it".to_owned()
    } else if let Some((given, known)) = parts("unknown variant ") {
        format!("{given} is not known here: use {known}")
    } else {
        serde.to_owned()
    }
}

/// What was given, in words for people; only its type if it is `private`.
fn given_type(given: &str, private: bool) -> &str {
    match given {
        "map" => "a table",
        "sequence" => "a list",
        other if !private => other,
        text if text.starts_with("string") => "a text",
        flag if flag.starts_with("boolean") => "true or false",
        number if number.contains("integer") || number.contains("floating point") => "a number",
        _ => "something else",
    }
}

/// What is needed, in words for people.
fn needed_type(needed: &str) -> &str {
    match needed {
        "a string" | "string or map" => "a text in quotes",
        "a boolean" => "true or false",
        "a sequence" | "an array" => "a list",
        "a map" => "a table",
        "u32" => "a whole number from 0 to 4294967295",
        table if table.starts_with("struct ") => "a table",
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
