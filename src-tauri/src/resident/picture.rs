//! The app's picture for notifications: a file beside the database, because a program that was not installed has none
//! that the desktop knows.

use std::path::Path;

const PICTURE: &[u8] = include_bytes!("../../../icons/heartwire-128.png");

/// The picture's path, or the name under which an installed one is known.
pub fn for_notifications(database: &Path) -> String {
    let file = database.with_file_name("heartwire.png");
    let is_there = std::fs::read(&file).is_ok_and(|found| found == PICTURE);
    match if is_there { Ok(()) } else { std::fs::write(&file, PICTURE) } {
        Ok(()) => file.display().to_string(),
        Err(error) => {
            tracing::debug!(%error, "the notifications' picture could not be written");
            "heartwire".to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_written_once_and_a_damaged_one_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("heartwire.db");
        let file = for_notifications(&database);
        assert!(file.ends_with("heartwire.png"));
        std::fs::write(&file, "half").unwrap();
        assert_eq!(std::fs::read(for_notifications(&database)).unwrap(), PICTURE);
        assert_eq!(for_notifications(&folder.path().join("none").join("heartwire.db")), "heartwire");
    }
}
