//! Replacing a file as a whole: whoever reads it, also after a crash or on a full disk, finds the old or the new text.

use std::fs::{self, Permissions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::paths::create_parent;

/// Writes `text` to a temporary file beside the file, has the disk confirm it, and renames it. The file keeps its
/// permissions; a new one is for this user only. Where the path is a symbolic link, the file it leads to is replaced.
///
/// # Errors
/// The file is as it was.
pub(super) fn replace(path: &Path, text: &str) -> io::Result<()> {
    replace_and(path, text, sync_folder)
}

fn replace_and(path: &Path, text: &str, confirm: impl FnOnce(&Path) -> io::Result<()>) -> io::Result<()> {
    let target = target(path)?;
    create_parent(&target)?;
    let folder = target.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new().prefix(".config-").suffix(".toml").tempfile_in(folder)?;
    file.write_all(text.as_bytes())?;
    if let Some(permissions) = permissions(&target)? {
        file.as_file().set_permissions(permissions)?;
    }
    file.as_file().sync_all()?;
    file.persist(&target).map_err(|error| error.error)?;
    // The new text is in force from here on: to call this a failure would be wrong.
    if let Err(error) = confirm(folder) {
        tracing::warn!(%error, file = %target.display(), "saved, but the disk did not confirm it: a power cut may undo it");
    }
    Ok(())
}

/// How many links may lead to the file.
const LINKS_MAX: usize = 16;

/// The end of the links, also where nothing is there yet.
fn target(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..LINKS_MAX {
        match fs::read_link(&path) {
            // A relative link is relative to the folder it lies in; an absolute one replaces the path.
            Ok(link) => path = path.parent().unwrap_or(Path::new("")).join(link),
            Err(_) => return Ok(path),
        }
    }
    Err(io::Error::new(io::ErrorKind::InvalidInput, "too many symbolic links lead to the file"))
}

fn permissions(path: &Path) -> io::Result<Option<Permissions>> {
    match fs::metadata(path) {
        Ok(found) => Ok(Some(found.permissions())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// The rename itself is on the disk only when its folder is.
#[cfg(unix)]
fn sync_folder(folder: &Path) -> io::Result<()> {
    fs::File::open(folder)?.sync_all()
}

#[cfg(not(unix))]
fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_save_that_only_the_folder_did_not_confirm_has_happened() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("config.toml");
        fs::write(&file, "old").unwrap();
        let asked = std::cell::Cell::new(false);
        let refused = |folder: &Path| {
            assert_eq!((folder, fs::read_to_string(&file).unwrap().as_str()), (home.path(), "new"));
            asked.set(true);
            Err(io::Error::from_raw_os_error(5))
        };
        replace_and(&file, "new", refused).unwrap();
        assert!(asked.get());
        assert_eq!(fs::read_to_string(&file).unwrap(), "new");
    }
}
