//! Changes of a document that leave everything else as it stands: comments, order, spelling, and keys nobody here knows.

use heartwire_core::settings::ConnectionForm;
use serde_json::{Map, Value};
use toml_edit::{Array, ArrayOfTables, DocumentMut, InlineTable, Item, Table, TableLike};

use super::typed::{self, plain};

/// The parts of a connection that are tables of their own.
const SUBTABLES: [&str; 6] = ["heartbeat", "reconnect", "message", "auth", "tls", "proxy"];

/// In this order new keys are written; a table's own keys come before its sub-tables in any case.
const ORDER: [&str; 29] = [
    "name",
    "preset",
    "url",
    "sockjs",
    "dialect",
    "on_open",
    "headers",
    "subprotocols",
    "connect_timeout",
    "kind",
    "send",
    "reply",
    "every",
    "timeout",
    "always",
    "first",
    "cap",
    "fixed",
    "jitter",
    "title",
    "body",
    "id",
    "ignore",
    "user",
    "secret",
    "ca_file",
    "client_certificate",
    "client_key",
    "pin_sha256",
];

/// `connections` is there and is no list of tables.
#[derive(Debug)]
pub(super) struct NotTables;

/// The names of the connections, in order; none where a connection has none.
pub(super) fn names(document: &Table) -> Result<Vec<Option<String>>, NotTables> {
    let name = |table: &dyn TableLike| Some(table.get("name")?.as_str()?.trim().to_owned());
    match document.get("connections") {
        None | Some(Item::None) => Ok(Vec::new()),
        Some(Item::ArrayOfTables(tables)) => Ok(tables.iter().map(|table| name(table)).collect()),
        Some(Item::Value(toml_edit::Value::Array(array))) => {
            let tables = array.iter().map(|value| value.as_inline_table().ok_or(NotTables));
            tables.map(|table| table.map(|table| name(table))).collect()
        }
        Some(_) => Err(NotTables),
    }
}

/// Puts a connection behind the others.
pub(super) fn add(document: &mut DocumentMut, form: &ConnectionForm) -> Result<(), NotTables> {
    let values = values(form);
    let connections = document.as_table_mut().entry("connections").or_insert(Item::ArrayOfTables(ArrayOfTables::new()));
    match connections {
        Item::ArrayOfTables(tables) => {
            let mut table = Table::new();
            change(&mut table, &Map::new(), &values, true);
            tables.push(table);
            Ok(())
        }
        Item::Value(toml_edit::Value::Array(array)) => {
            let mut table = InlineTable::new();
            change(&mut table, &Map::new(), &values, false);
            array.push(table);
            Ok(())
        }
        _ => Err(NotTables),
    }
}

/// Makes the connection at this place say what `form` says.
pub(super) fn set(document: &mut DocumentMut, at: usize, form: &ConnectionForm) -> Result<(), NotTables> {
    let values = values(form);
    let (table, standard): (&mut dyn TableLike, bool) = match document.get_mut("connections") {
        Some(Item::ArrayOfTables(tables)) => (tables.get_mut(at).ok_or(NotTables)?, true),
        Some(Item::Value(toml_edit::Value::Array(array))) => {
            (array.get_mut(at).and_then(toml_edit::Value::as_inline_table_mut).ok_or(NotTables)?, false)
        }
        _ => return Err(NotTables),
    };
    let known = known(table);
    change(table, &known, &values, standard);
    Ok(())
}

/// Takes the connection at this place out.
pub(super) fn remove(document: &mut DocumentMut, at: usize) {
    match document.get_mut("connections") {
        Some(Item::ArrayOfTables(tables)) if at < tables.len() => {
            tables.remove(at);
        }
        Some(Item::Value(toml_edit::Value::Array(array))) if at < array.len() => {
            array.remove(at);
        }
        _ => {}
    }
}

/// Sets a key of `[general]`.
pub(super) fn set_general(document: &mut DocumentMut, key: &str, value: &Value) {
    let general = document.as_table_mut().entry("general").or_insert(Item::Table(Table::new()));
    if !general.is_table_like() {
        *general = Item::Table(Table::new());
    }
    if let Some(table) = general.as_table_like_mut() {
        set_value(table, key, value);
    }
}

fn values(form: &ConnectionForm) -> Map<String, Value> {
    let mut values = match serde_json::to_value(form) {
        Ok(Value::Object(values)) => values,
        Ok(_) | Err(_) => Map::new(),
    };
    // A table in which nothing stands says nothing.
    values.retain(|key, value| !(SUBTABLES.contains(&key.as_str()) && value.as_object().is_some_and(Map::is_empty)));
    values
}

/// What stands in the table and is a setting, also of a wrong type: what a form without it takes out.
fn known(table: &dyn TableLike) -> Map<String, Value> {
    let all: Map<_, _> = table.iter().map(|(key, item)| (key.to_owned(), plain(item))).collect();
    let mut known = Value::Object(all);
    let mut rest = known.clone();
    let (_, faults) = typed::connection(&mut rest);
    for fault in faults.iter().filter(|fault| fault.unknown) {
        super::locate::take_out(&mut known, &fault.path);
    }
    known.as_object().cloned().unwrap_or_default()
}

/// Makes the known keys of `table` be those of `new`. What is equal already is not touched.
fn change(table: &mut dyn TableLike, known: &Map<String, Value>, new: &Map<String, Value>, standard: bool) {
    for key in known.keys().filter(|key| !new.contains_key(*key)) {
        table.remove(key);
    }
    // How the map is ordered depends on how the JSON library was built.
    let mut ordered: Vec<_> = new.iter().collect();
    ordered.sort_by_key(|(key, _)| (ORDER.iter().position(|known| known == key).unwrap_or(ORDER.len()), *key));
    for (key, value) in ordered {
        if known.get(key) == Some(value) {
            continue;
        }
        match value {
            Value::Object(inner) if SUBTABLES.contains(&key.as_str()) => {
                let below = known.get(key).and_then(Value::as_object).cloned().unwrap_or_default();
                change_subtable(table, key, &below, inner, standard);
            }
            _ => set_value(table, key, value),
        }
    }
}

fn change_subtable(
    table: &mut dyn TableLike,
    key: &str,
    known: &Map<String, Value>,
    new: &Map<String, Value>,
    standard: bool,
) {
    if table.get(key).is_none_or(|item| !item.is_table_like()) {
        let empty = if standard { Item::Table(Table::new()) } else { toml_edit::value(InlineTable::new()) };
        table.insert(key, empty);
    }
    if let Some(inner) = table.get_mut(key).and_then(Item::as_table_like_mut) {
        change(inner, known, new, false);
    }
}

/// Sets a value where the old one stood, with the comment behind it.
fn set_value(table: &mut dyn TableLike, key: &str, value: &Value) {
    let mut value = toml(value);
    if let Some(old) = table.get(key).and_then(Item::as_value) {
        *value.decor_mut() = old.decor().clone();
        if let Some(item) = table.get_mut(key) {
            *item = Item::Value(value);
        }
    } else {
        table.insert(key, Item::Value(value));
    }
}

fn toml(value: &Value) -> toml_edit::Value {
    match value {
        Value::Null => toml_edit::Value::from(""),
        Value::Bool(flag) => toml_edit::Value::from(*flag),
        Value::Number(number) => match number.as_i64() {
            Some(number) => toml_edit::Value::from(number),
            None => toml_edit::Value::from(number.as_f64().unwrap_or_default()),
        },
        Value::String(text) => toml_edit::Value::from(text.as_str()),
        Value::Array(list) => toml_edit::Value::Array(list.iter().map(toml).collect::<Array>()),
        Value::Object(map) => {
            toml_edit::Value::InlineTable(map.iter().map(|(key, value)| (key.as_str(), toml(value))).collect())
        }
    }
}
