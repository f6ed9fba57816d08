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
#[error("the lock {} cannot be taken: {source}. Check the folder's owner and free space", path.display())]
pub struct LockError {
    path: PathBuf,
    source: io::Error,
}

/// Takes the lock; none if another process holds it.
///
/// # Errors
/// The file cannot be made or locked.
pub fn claim(path: &Path) -> Result<Option<Lock>, LockError> {
    let failed = |source| LockError { path: path.to_owned(), source };
    let file = open(path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(Lock { _file: file })),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}

fn open(path: &Path) -> io::Result<File> {
    File::options().create(true).truncate(false).write(true).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_holds_it_and_it_is_free_when_that_one_ends() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let first = claim(&path).unwrap();
        assert!(first.is_some());
        assert!(claim(&path).unwrap().is_none());
        drop(first);
        assert!(claim(&path).unwrap().is_some());
    }

    #[test]
    fn a_lock_that_cannot_be_made_is_named_in_the_error() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        let error = claim(&file.join("lock")).unwrap_err().to_string();
        assert!(error.contains("file/lock"), "{error}");
    }
}
