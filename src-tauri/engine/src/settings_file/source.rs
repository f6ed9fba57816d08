//! One settings file: read with limits, parsed with the place of every key.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use heartwire_core::view::{Problem, ProblemKind};
use serde_json::Value;
use toml_edit::{Document, TomlError};

use super::locate::{self, Step};
use super::typed::plain;

/// The largest settings file, in bytes.
const SIZE_MAX: u64 = 1024 * 1024;

/// A file that parsed.
pub(super) struct Source {
    file: String,
    document: Document<String>,
    /// The values, without their places.
    pub(super) root: Value,
}

/// Why a file is no [`Source`].
#[derive(Debug)]
pub(super) enum Unusable {
    /// It cannot be read.
    Unreadable(io::Error),
    /// It is not TOML.
    Syntax {
        /// From 1, if it is known.
        line: Option<u32>,
        /// What is wrong.
        message: String,
    },
}

impl Unusable {
    pub(super) fn problem(&self, path: &Path) -> Problem {
        let file = Some(path.display().to_string());
        let (line, message) = match self {
            Self::Unreadable(error) => {
                (None, format!("the settings file cannot be read ({error}), so nothing in it counts: correct that"))
            }
            Self::Syntax { line, message } => {
                (*line, format!("the file is not TOML ({message}), so nothing in it counts: correct this line"))
            }
        };
        Problem { kind: ProblemKind::Settings, file, line, message }
    }
}

/// The text of a file; none if there is no such file.
pub(super) fn read_text(path: &Path) -> Result<Option<String>, Unusable> {
    let bytes = match read_bytes(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Unusable::Unreadable(error)),
    };
    String::from_utf8(bytes).map(Some).map_err(|error| {
        let good = error.utf8_error().valid_up_to();
        let line = locate::line_at(&String::from_utf8_lossy(&error.as_bytes()[..good]), usize::MAX);
        Unusable::Syntax { line: Some(line), message: "here are bytes that are not UTF-8".to_owned() }
    })
}

fn read_bytes(path: &Path) -> io::Result<Vec<u8>> {
    // Opening a pipe that nobody writes to would wait for ever.
    if !std::fs::metadata(path)?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a file"));
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(SIZE_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > SIZE_MAX {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "it is larger than 1 MiB"));
    }
    Ok(bytes)
}

impl Source {
    /// The parsed file; none if there is no such file.
    pub(super) fn read(path: &Path) -> Result<Option<Self>, Unusable> {
        let Some(text) = read_text(path)? else { return Ok(None) };
        let document = parse(&text)?;
        let root = plain(document.as_item());
        Ok(Some(Self { file: path.display().to_string(), document, root }))
    }

    /// The file's path, as problems carry it.
    pub(super) fn file(&self) -> &str {
        &self.file
    }

    /// A problem at the deepest of these steps that is in the file.
    pub(super) fn problem(&self, steps: &[Step], message: String) -> Problem {
        let line = locate::line(&self.document, steps);
        Problem { kind: ProblemKind::Settings, file: Some(self.file.clone()), line, message }
    }
}

/// A text with the place of every key.
pub(super) fn parse(text: &str) -> Result<Document<String>, Unusable> {
    Document::parse(text.to_owned()).map_err(|error| {
        let line = error.span().map(|span| locate::line_at(text, span.start));
        Unusable::Syntax { line, message: one_sentence(&error) }
    })
}

fn one_sentence(error: &TomlError) -> String {
    error.message().trim().replace('\n', ", ")
}
