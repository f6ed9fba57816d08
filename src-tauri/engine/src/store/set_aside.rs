//! Opening the file of a store, and moving it out of the way when it is no sound database.

use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, ErrorCode};

use super::error::StoreError;
use super::schema::{self, Refusal};

/// After an unclean end the file is checked if it is not larger: a check of this much takes a fraction of a second.
const CHECKED_BYTES: u64 = 64 * 1024 * 1024;

/// A damaged file that was moved away; a new, empty one is in its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetAside {
    /// Where it is now; its `-wal` and `-shm`, if there were any, are beside it.
    pub moved_to: PathBuf,
    /// What was wrong with it.
    pub reason: String,
}

/// Opens the database, or a new one after moving a damaged one aside.
pub(super) fn open_or_replace(path: &Path) -> Result<(Connection, Option<SetAside>), StoreError> {
    make_private(path)?;
    let damage = match schema::open(path, ended_uncleanly(path)) {
        Ok(database) => return Ok((database, None)),
        Err(refusal) => damage(path, refusal)?,
    };
    let moved_to = move_aside(path).map_err(|error| no_access(path, &error))?;
    tracing::warn!(moved_to = %moved_to.display(), reason = %damage, "the database was damaged and is kept aside");
    make_private(path)?;
    let database = schema::open(path, false).map_err(|refusal| match damage_or_error(path, refusal) {
        Ok(reason) => StoreError::Damaged { place: path.display().to_string(), reason },
        Err(error) => error,
    })?;
    Ok((database, Some(SetAside { moved_to, reason: damage })))
}

/// What is damaged, or the error that must not lead to moving the file.
fn damage(path: &Path, refusal: Refusal) -> Result<String, StoreError> {
    damage_or_error(path, refusal)
}

fn damage_or_error(path: &Path, refusal: Refusal) -> Result<String, StoreError> {
    let place = || path.display().to_string();
    match refusal {
        Refusal::Unsound(found) => Ok(found),
        Refusal::Newer(found) => Err(StoreError::Newer { place: place(), found, known: schema::known_version() }),
        Refusal::Foreign => Err(StoreError::Foreign { place: place() }),
        Refusal::Sqlite(error) => match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Ok(error.to_string()),
            _ => Err(StoreError::from_sqlite(&place(), &error)),
        },
    }
}

/// Makes the folder and the file if they are missing, the file for this user only.
fn make_private(path: &Path) -> Result<(), StoreError> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs::create_dir_all(folder).map_err(|error| no_access(folder, &error))?;
    }
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    let file = options.open(path).map_err(|error| no_access(path, &error))?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // SQLite gives its -wal and -shm the mode of the file.
        let found = file.metadata().map_err(|error| no_access(path, &error))?.permissions().mode();
        if found & 0o077 != 0 {
            file.set_permissions(fs::Permissions::from_mode(0o600)).map_err(|error| no_access(path, &error))?;
        }
    }
    drop(file);
    Ok(())
}

/// Whether the last run did not close the database: it left its log behind.
fn ended_uncleanly(path: &Path) -> bool {
    let log_left = fs::metadata(beside(path, "-wal")).is_ok_and(|log| log.len() > 0);
    log_left && fs::metadata(path).is_ok_and(|file| file.len() <= CHECKED_BYTES)
}

fn move_aside(path: &Path) -> io::Result<PathBuf> {
    let time = jiff::Zoned::now().strftime("%Y%m%d-%H%M%S").to_string();
    let mut moved_to = beside(path, &format!(".corrupt-{time}"));
    let mut number = 2;
    while moved_to.exists() {
        moved_to = beside(path, &format!(".corrupt-{time}-{number}"));
        number += 1;
    }
    // The log first: without it the new file could not take the old log for its own.
    for suffix in ["-wal", "-shm"] {
        match fs::rename(beside(path, suffix), beside(&moved_to, suffix)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    fs::rename(path, &moved_to)?;
    Ok(moved_to)
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path.as_os_str());
    name.push(suffix);
    PathBuf::from(name)
}

fn no_access(path: &Path, error: &io::Error) -> StoreError {
    let place = path.display().to_string();
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => StoreError::Full { place },
        _ => StoreError::NoAccess { place, reason: error.to_string() },
    }
}
