//! Who is the resident: whoever holds the lock on one file. The kernel gives it back when the process ends, however it
//! ends.

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

/// The lock, as long as it lives.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

/// Why it cannot be known who is the resident.
#[derive(Debug, thiserror::Error)]
#[error("the lock {} cannot be taken: {source}. Check the folder's owner and that it can be written", path.display())]
pub struct LockError {
    path: PathBuf,
    source: io::Error,
}

/// Takes the lock; none if another process holds it. Where the file cannot be had, as on a disk that has become
/// read-only, the other one is used.
///
/// # Errors
/// Neither file can be made or locked.
pub fn claim(path: &Path, other: &Path) -> Result<Option<Lock>, LockError> {
    let failed = |source| LockError { path: path.to_owned(), source };
    // The first error is the one that matters: what was tried instead is the exception.
    let file = open(path).or_else(|error| open(other).map_err(|_| error)).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(Lock { _file: file })),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}

/// A file that is there is locked as well by a reader.
fn open(path: &Path) -> io::Result<File> {
    if let Some(folder) = path.parent() {
        let mut private = std::fs::DirBuilder::new();
        private.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut private, 0o700);
        // If this fails, so does opening the file, and says why.
        let _ = private.create(folder);
    }
    let made = File::options().create(true).truncate(false).write(true).open(path);
    made.or_else(|error| File::open(path).map_err(|_| error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_holds_it_and_it_is_free_when_that_one_ends() {
        let folder = tempfile::tempdir().unwrap();
        let claimed = || claim(&folder.path().join("lock"), &folder.path().join("other")).unwrap();
        let first = claimed();
        assert!(first.is_some());
        assert!(claimed().is_none());
        drop(first);
        assert!(claimed().is_some());
    }

    #[test]
    fn a_place_that_cannot_be_written_is_replaced_by_the_other() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        let (nowhere, other) = (file.join("lock"), folder.path().join("run").join("other"));
        let first = claim(&nowhere, &other).unwrap();
        assert!(first.is_some());
        assert!(claim(&nowhere, &other).unwrap().is_none());
    }

    #[test]
    fn a_lock_that_cannot_be_made_is_named_in_the_error() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        let error = claim(&file.join("lock"), &file.join("other")).unwrap_err().to_string();
        assert!(error.contains("file/lock"), "{error}");
    }
}
