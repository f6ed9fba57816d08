//! Why the store could not do something, named after what the person can do about it.

use rusqlite::ErrorCode;

/// Why the store could not be opened or asked. Each says where and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The folder or the file cannot be read and written by this user.
    #[error("{place} cannot be used: {reason}; make its folder one that this user may read and write")]
    NoAccess {
        /// The file or folder.
        place: String,
        /// The system's words.
        reason: String,
    },
    /// There is no room left.
    #[error("there is no room left for {place}; free some space on its disk")]
    Full {
        /// The file.
        place: String,
    },
    /// A later version wrote it.
    #[error(
        "{place} was written by a newer Heartwire (format {found}, this one knows {known}); start that one, or move \
         the file away"
    )]
    Newer {
        /// The file.
        place: String,
        /// Its format.
        found: i64,
        /// The newest known format.
        known: i64,
    },
    /// It is a sound database of some other program.
    #[error("{place} is a database of another program; move it away")]
    Foreign {
        /// The file.
        place: String,
    },
    /// Another process holds it.
    #[error("{place} is held by another program: {reason}; end that program")]
    Busy {
        /// The file.
        place: String,
        /// SQLite's words.
        reason: String,
    },
    /// It is no sound database.
    #[error("{place} is damaged: {reason}; restart Heartwire, which will keep the file aside and begin a new one")]
    Damaged {
        /// The file.
        place: String,
        /// SQLite's words.
        reason: String,
    },
    /// Something else.
    #[error("{place} could not be read or written: {reason}")]
    Failed {
        /// The file.
        place: String,
        /// SQLite's words.
        reason: String,
    },
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
}

impl StoreError {
    pub(super) fn from_sqlite(place: &str, error: &rusqlite::Error) -> Self {
        let place = place.to_owned();
        let reason = error.to_string();
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::Full { place },
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Self::Damaged { place, reason },
            Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied | ErrorCode::ReadOnly) => {
                Self::NoAccess { place, reason }
            }
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Busy { place, reason },
            _ => Self::Failed { place, reason },
        }
    }
}
