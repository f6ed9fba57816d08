//! Where in a file a field stands: from the path of a field to the line of its key.

use serde_json::Value;
use toml_edit::{Array, ArrayOfTables, Document, Item, TableLike};

/// A step into a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Key(String),
    Index(usize),
}

/// The steps of a field's path, as errors carry it: `heartbeat.every`, `on_open[0]`. What follows `headers.` is one
/// name, whatever is in it.
pub(super) fn steps(field: &str) -> Vec<Step> {
    if let Some(name) = field.strip_prefix("headers.") {
        return vec![Step::Key("headers".to_owned()), Step::Key(name.to_owned())];
    }
    let mut steps = Vec::new();
    for part in field.split('.') {
        let (key, index) = match part.split_once('[') {
            Some((key, index)) => (key, index.trim_end_matches(']').parse().ok()),
            None => (part, None),
        };
        steps.push(Step::Key(key.to_owned()));
        steps.extend(index.map(Step::Index));
    }
    steps
}

/// The path in words, as `steps` reads it.
pub(super) fn field(steps: &[Step]) -> String {
    let mut field = String::new();
    for step in steps {
        match step {
            Step::Key(key) if field.is_empty() => field.push_str(key),
            Step::Key(key) => field = format!("{field}.{key}"),
            Step::Index(index) => field = format!("{field}[{index}]"),
        }
    }
    field
}

/// The line (from 1) of the deepest step that is there: a key that is missing is missed at its table's heading.
pub(super) fn line(document: &Document<String>, steps: &[Step]) -> Option<u32> {
    let mut node = Node::of(document.as_item());
    let mut start = None;
    for step in steps {
        let Some((span, next)) = node.step(step) else { break };
        start = span.or(start);
        node = next;
    }
    start.map(|start| line_at(document.raw(), start))
}

/// The line (from 1) of a byte of a text.
pub(super) fn line_at(text: &str, byte: usize) -> u32 {
    let before = text.as_bytes().iter().take(byte).filter(|byte| **byte == b'\n').count();
    u32::try_from(before).unwrap_or(u32::MAX).saturating_add(1)
}

/// A place in a document to go on from.
enum Node<'a> {
    Table(&'a dyn TableLike),
    Tables(&'a ArrayOfTables),
    Array(&'a Array),
    Leaf,
}

impl<'a> Node<'a> {
    fn of(item: &'a Item) -> Self {
        match (item.as_table_like(), item) {
            (Some(table), _) => Self::Table(table),
            (None, Item::ArrayOfTables(tables)) => Self::Tables(tables),
            (None, Item::Value(value)) => value.as_array().map_or(Self::Leaf, Self::Array),
            (None, Item::None | Item::Table(_)) => Self::Leaf,
        }
    }

    /// Where the step leads, and the byte at which that begins.
    fn step(&self, step: &Step) -> Option<(Option<usize>, Self)> {
        match (self, step) {
            (Self::Table(table), Step::Key(key)) => {
                let (key, item) = table.get_key_value(key)?;
                let span = key.span().or_else(|| item.span());
                Some((span.map(|span| span.start), Self::of(item)))
            }
            (Self::Tables(tables), Step::Index(index)) => {
                let table = tables.get(*index)?;
                Some((table.span().map(|span| span.start), Self::Table(table)))
            }
            (Self::Array(array), Step::Index(index)) => {
                let value = array.get(*index)?;
                let next = match (value.as_inline_table(), value.as_array()) {
                    (Some(table), _) => Self::Table(table),
                    (None, Some(array)) => Self::Array(array),
                    (None, None) => Self::Leaf,
                };
                Some((value.span().map(|span| span.start), next))
            }
            _ => None,
        }
    }
}

/// Whether there is something at the end of the steps.
pub(super) fn is_there(value: &Value, steps: &[Step]) -> bool {
    let found = steps.iter().try_fold(value, |value, step| match step {
        Step::Key(key) => value.get(key),
        Step::Index(index) => value.get(index),
    });
    found.is_some()
}

/// Takes out the key at the end of the steps; for a part of a list the whole list, which means something only as a whole.
pub(super) fn take_out(value: &mut Value, steps: &[Step]) -> bool {
    let keys = steps.iter().map_while(|step| match step {
        Step::Key(key) => Some(key.as_str()),
        Step::Index(_) => None,
    });
    let keys: Vec<_> = keys.collect();
    let Some((last, above)) = keys.split_last() else { return false };
    let table = above.iter().try_fold(value, |value, key| value.get_mut(key)).and_then(Value::as_object_mut);
    table.is_some_and(|table| table.remove(*last).is_some())
}
