//! Opening the file of a store, and moving it out of the way when it is no sound database.

use std::ffi::OsString;
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, ErrorCode};

use super::error::StoreError;
use super::schema::{self, Refusal};

/// After an unclean end the file is checked if it is not larger: a check of this much takes a fraction of a second.
const CHECKED_BYTES: u64 = 64 * 1024 * 1024;
/// The suffix of an empty file that says that damage was found while running.
const SUSPECT: &str = ".suspect";

/// A damaged file that was moved away; a new, empty one is in its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetAside {
    /// Where it is now; its `-wal` and `-shm`, if there were any, are beside it.
    pub moved_to: PathBuf,
    /// What was wrong with it.
    pub reason: String,
}

impl fmt::Display for SetAside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let moved_to = self.moved_to.display();
        write!(f, "the history was damaged ({}) and is kept in {moved_to}; a new one was begun", self.reason)
    }
}

/// What was at the path before it was opened.
#[derive(PartialEq, Eq)]
enum Found {
    Nothing,
    Empty,
    File,
}

/// Opens the database, or a new one after moving a damaged one aside.
pub(super) fn open_or_replace(path: &Path) -> Result<(Connection, Option<SetAside>), StoreError> {
    let found = make_private(path)?;
    let reason = if found == Found::Empty {
        "the file is empty".to_owned()
    } else {
        match open(path, &found) {
            Ok(database) => return Ok((database, None)),
            Err(refusal) => damage(path, refusal)?,
        }
    };
    let moved_to = move_aside(path).map_err(|error| no_access(path, &error))?;
    tracing::warn!(moved_to = %moved_to.display(), reason, "the database was damaged and is kept aside");
    let found = make_private(path)?;
    let database = match open(path, &found) {
        Ok(database) => database,
        Err(refusal) => {
            let reason = damage(path, refusal)?;
            return Err(StoreError::Damaged { place: path.display().to_string(), reason });
        }
    };
    Ok((database, Some(SetAside { moved_to, reason })))
}

/// Has the file checked at the next start, because damage was found while running.
pub(super) fn suspect(path: &Path) {
    if let Err(error) = File::create(beside(path, SUSPECT)) {
        tracing::warn!(%error, "the damaged database could not be marked");
    }
}

fn open(path: &Path, found: &Found) -> Result<Connection, Refusal> {
    let suspect = beside(path, SUSPECT);
    let suspected = suspect.exists();
    let result = schema::open(path, suspected || ended_uncleanly(path));
    match &result {
        Ok(_) if suspected => {
            // A mark that stays costs one more check.
            let _ = fs::remove_file(suspect);
        }
        // An empty file that a failed start leaves would look like a loss to the next one.
        Err(_) if *found == Found::Nothing && fs::metadata(path).is_ok_and(|file| file.len() == 0) => {
            let _ = fs::remove_file(path);
        }
        _ => {}
    }
    result
}

/// What is damaged, or the error that must not lead to moving the file.
fn damage(path: &Path, refusal: Refusal) -> Result<String, StoreError> {
    let place = path.display().to_string();
    match refusal {
        Refusal::Unsound(found) => Ok(found),
        Refusal::Newer(found) => Err(StoreError::Newer { place, found, known: schema::known_version() }),
        Refusal::Foreign => Err(StoreError::Foreign { place }),
        Refusal::Sqlite(error) => match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Ok(error.to_string()),
            _ => Err(StoreError::from_sqlite(&place, &error)),
        },
    }
}

/// Makes the folder and the file if they are missing, the file for this user only. SQLite gives its `-wal` and `-shm`
/// the mode of the file.
fn make_private(path: &Path) -> Result<Found, StoreError> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs::create_dir_all(folder).map_err(|error| no_access(folder, &error))?;
    }
    let found = match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Found::Nothing,
        Err(error) => return Err(no_access(path, &error)),
        Ok(file) if file.len() == 0 => Found::Empty,
        Ok(_) => Found::File,
    };
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path).map_err(|error| no_access(path, &error))?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = file.metadata().map_err(|error| no_access(path, &error))?.permissions().mode();
        if mode & 0o077 != 0 {
            file.set_permissions(fs::Permissions::from_mode(0o600)).map_err(|error| no_access(path, &error))?;
        }
    }
    drop(file);
    Ok(found)
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
    // The log first: the new file must not meet the old log.
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
