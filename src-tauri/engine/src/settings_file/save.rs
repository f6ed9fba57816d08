//! Saving a change: read the person's file, edit it, replace it. A file that cannot be read whole is never written.

use std::io;
use std::path::{Path, PathBuf};

use heartwire_core::settings::{ConnectionForm, FieldError, General, name_taken};
use serde_json::Value;
use toml_edit::{Document, DocumentMut};

use super::locate::{self, Step};
use super::source::{Unusable, parse, read_text};
use super::{edit, write};

/// Nothing was saved.
#[derive(Debug, thiserror::Error)]
pub enum SaveError {
    /// The file is there and cannot be read.
    #[error("{file} cannot be read ({source}), so nothing was saved: correct that and save again")]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is not TOML; saving would lose what is in it.
    #[error("{file} is not TOML{} ({message}), so nothing was saved: correct it there and save again", at(*.line))]
    Syntax {
        /// The file.
        file: PathBuf,
        /// From 1, if it is known.
        line: Option<u32>,
        /// What is wrong with it.
        message: String,
    },
    /// `connections` in the file is something else than tables.
    #[error(
        "in {file} \"connections\" is no list of tables, so nothing was saved: begin each connection with [[connections]]"
    )]
    NotTables {
        /// The file.
        file: PathBuf,
    },
    /// Another connection of the file has this name.
    #[error("{}", .0.message)]
    NameTaken(FieldError),
    /// The file has no connection of this name.
    #[error("{file} has no connection {name:?}, so nothing was saved: it may have been removed or renamed there")]
    Unknown {
        /// The file.
        file: PathBuf,
        /// The name.
        name: String,
    },
    /// The file has several connections of this name, and which one is meant cannot be known.
    #[error(
        "{file} has {} connections {name:?} ({}), so nothing was saved: correct it there, so that each has a name of its own",
        lines.len(), in_lines(lines)
    )]
    NotUnique {
        /// The file.
        file: PathBuf,
        /// The name.
        name: String,
        /// Where each of them has its name, from 1.
        lines: Vec<u32>,
    },
    /// The new text could not be written; the old one is still there.
    #[error("{file} could not be written ({source}), so nothing was saved: make room or correct its permissions")]
    NotWritten {
        /// The file.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
}

fn at(line: Option<u32>) -> String {
    line.map_or_else(String::new, |line| format!(" in line {line}"))
}

fn in_lines(lines: &[u32]) -> String {
    let lines: Vec<_> = lines.iter().map(|line| format!("line {line}")).collect();
    lines.join(", ")
}

/// Adds a connection, or replaces the one of the name `replaces`, with exactly the keys that `form` has. The form must
/// be valid; only its name is checked again, against the file as it is now.
pub fn save_connection(path: &Path, replaces: Option<&str>, form: &ConnectionForm) -> Result<(), SaveError> {
    let document = read(path)?;
    let names = names(path, &document)?;
    let place = replaces.map(|name| position(path, &document, &names, name)).transpose()?;
    let form = ConnectionForm { name: form.name.as_deref().map(|name| name.trim().to_owned()), ..form.clone() };
    if let Some(name) = &form.name
        && names.iter().enumerate().any(|(at, other)| Some(at) != place && other.as_ref() == Some(name))
    {
        return Err(SaveError::NameTaken(name_taken(name)));
    }
    let mut document = document.into_mut();
    let edited = match place {
        Some(at) => edit::set(&mut document, at, &form),
        None => edit::add(&mut document, &form),
    };
    edited.map_err(|edit::NotTables| SaveError::NotTables { file: path.to_owned() })?;
    write(path, &document)
}

/// Removes a connection.
pub fn remove_connection(path: &Path, name: &str) -> Result<(), SaveError> {
    let document = read(path)?;
    let at = position(path, &document, &names(path, &document)?, name)?;
    let mut document = document.into_mut();
    edit::remove(&mut document, at);
    write(path, &document)
}

/// Saves what differs between the settings in force and those the person wants: a value in force may come from the
/// environment and is not the file's.
pub fn save_general(path: &Path, in_force: &General, wanted: &General) -> Result<(), SaveError> {
    let mut document = read(path)?.into_mut();
    let (in_force, wanted) = (plain(in_force), plain(wanted));
    let changed: Vec<_> =
        wanted.as_object().into_iter().flatten().filter(|(key, value)| in_force.get(key) != Some(value)).collect();
    if changed.is_empty() {
        return Ok(());
    }
    for (key, value) in changed {
        edit::set_general(&mut document, key, value);
    }
    write(path, &document)
}

fn plain(general: &General) -> Value {
    serde_json::to_value(general).unwrap_or_default()
}

fn read(path: &Path) -> Result<Document<String>, SaveError> {
    let text = read_text(path).and_then(|text| parse(&text.unwrap_or_default()));
    text.map_err(|unusable| match unusable {
        Unusable::Unreadable(source) => SaveError::Unreadable { file: path.to_owned(), source },
        Unusable::Syntax { line, message } => SaveError::Syntax { file: path.to_owned(), line, message },
    })
}

fn names(path: &Path, document: &Document<String>) -> Result<Vec<Option<String>>, SaveError> {
    edit::names(document).map_err(|edit::NotTables| SaveError::NotTables { file: path.to_owned() })
}

/// The place of the only connection of this name.
fn position(
    path: &Path,
    document: &Document<String>,
    names: &[Option<String>],
    name: &str,
) -> Result<usize, SaveError> {
    let wanted = name.trim();
    let found: Vec<_> = (0..names.len()).filter(|at| names[*at].as_deref() == Some(wanted)).collect();
    match found[..] {
        [] => Err(SaveError::Unknown { file: path.to_owned(), name: name.to_owned() }),
        [at] => Ok(at),
        [..] => {
            let lines = found.into_iter().filter_map(|at| line_of_name(document, at)).collect();
            Err(SaveError::NotUnique { file: path.to_owned(), name: wanted.to_owned(), lines })
        }
    }
}

fn line_of_name(document: &Document<String>, at: usize) -> Option<u32> {
    let key = |key: &str| Step::Key(key.to_owned());
    locate::line(document, &[key("connections"), Step::Index(at), key("name")])
}

fn write(path: &Path, document: &DocumentMut) -> Result<(), SaveError> {
    let text = document.to_string();
    // The text that replaces the person's is read once more before it does.
    parse(&text).map_err(|unusable| match unusable {
        Unusable::Syntax { line, message } => SaveError::Syntax { file: path.to_owned(), line, message },
        Unusable::Unreadable(source) => SaveError::NotWritten { file: path.to_owned(), source },
    })?;
    write::replace(path, &text).map_err(|source| SaveError::NotWritten { file: path.to_owned(), source })
}
