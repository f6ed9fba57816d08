//! A secret in a file of the person's own.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use zeroize::Zeroizing;

use heartwire_core::cause::Cause;
use heartwire_core::secret::Secret;

use super::{READ_MOST, line_of, missing, shown};
use crate::paths::at_home;

/// The first line of the file; `~/` is this person's own folder.
pub(super) async fn first_line(path: &str, word: &str) -> Result<Secret, Cause> {
    let name = shown(path);
    let wrong = |what: String| missing(format!("no {word}: the file {name} {what}"));
    let whole = at_home(path).ok_or_else(|| wrong("cannot be found: this user has no home folder".to_owned()))?;
    // A disk may make us wait.
    let read = tokio::task::spawn_blocking(move || read(&whole)).await;
    let read = read.unwrap_or_else(|error| Err(io::Error::other(error)));
    let (content, open_to_others) = read.map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => wrong(format!("does not exist: create it with the {word} in its first line")),
        _ => wrong(format!("cannot be read ({error}): correct that, or change the settings")),
    })?;
    if open_to_others {
        tracing::warn!("the file {name} holds a {word} and others on this computer can read it: `chmod 600` it");
    }
    match line_of(&content) {
        Ok(Some(secret)) => Ok(secret),
        Ok(None) => Err(wrong(format!("has an empty first line: put the {word} there"))),
        Err(_) => Err(wrong(format!("is no text: put the {word} in its first line"))),
    }
}

/// What is in it, and whether others can read it.
fn read(path: &Path) -> io::Result<(Zeroizing<Vec<u8>>, bool)> {
    // Whoever opens a pipe waits for its writer, perhaps for ever.
    if !std::fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is no ordinary file"));
    }
    let file = File::open(path)?;
    let open_to_others = is_open_to_others(&file)?;
    let mut content = Zeroizing::new(Vec::with_capacity(4096));
    file.take(READ_MOST).read_to_end(&mut content)?;
    Ok((content, open_to_others))
}

#[cfg(unix)]
fn is_open_to_others(file: &File) -> io::Result<bool> {
    use std::os::unix::fs::PermissionsExt;
    Ok(file.metadata()?.permissions().mode() & 0o044 != 0)
}

/// Who may read a file lies in its folder's access list there, which a person's own folder keeps to that person.
#[cfg(not(unix))]
fn is_open_to_others(_: &File) -> io::Result<bool> {
    Ok(false)
}
