//! Folders and disks that cannot be used or are full.

use std::fs;

use heartwire_engine::store::{Entry, Store, StoreError, Unwritten};

#[cfg(target_os = "linux")]
use super::small_disk::{SmallDisk, fill};
use super::{commit, names, place, text};

#[tokio::test]
async fn a_folder_that_cannot_be_used_is_an_error_that_names_it() {
    let (folder, path) = place();
    fs::write(&path, b"a file").unwrap();
    let error = Store::open(&path.join("deeper/heartwire.db")).unwrap_err();
    assert!(matches!(error, StoreError::NoAccess { .. }), "{error:?}");
    assert!(error.to_string().contains(&*path.display().to_string()), "{error}");
    assert_eq!(fs::read(&path).unwrap(), b"a file");
    let error = Store::open(folder.path()).unwrap_err();
    assert!(matches!(error, StoreError::NoAccess { .. }), "a folder in the file's place: {error:?}");
}

#[cfg(unix)]
#[tokio::test]
async fn the_files_are_for_this_user_only() {
    use std::os::unix::fs::PermissionsExt;
    let (folder, path) = place();
    let (store, _) = Store::open(&path).unwrap();
    store.close().await.unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
    let (store, _) = Store::open(&path).unwrap();
    commit(&store, vec![text("crm", "secret")]).await;
    assert!(fs::metadata(&path).unwrap().len() > 0, "an empty file is never what a crash leaves of committed messages");
    let files = names(folder.path());
    assert!(files.contains(&"heartwire.db-wal".to_owned()), "{files:?}");
    for name in &files {
        let mode = fs::metadata(folder.path().join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_full_disk_fails_the_commit_and_nothing_else_and_there_is_room_again_later() {
    let Some(disk) =
        SmallDisk::mount("a_full_disk_fails_the_commit_and_nothing_else_and_there_is_room_again_later", 2_048)
    else {
        return;
    };
    let path = disk.path().join("heartwire.db");
    let (store, _) = Store::open(&path).unwrap();
    commit(&store, vec![text("crm", "before")]).await;
    let ballast = disk.path().join("ballast");
    fill(&ballast);

    let long = "x".repeat(4_000);
    let error = loop {
        match store.commit([text("crm", &long), text("crm", &long)].map(Entry::from).to_vec()).await {
            Ok(_) => {}
            Err(Unwritten { error, entries }) => {
                assert_eq!(entries.len(), 2, "nothing is lost by it");
                break error;
            }
        }
    };
    assert!(matches!(error, StoreError::Full { .. }), "{error:?}");
    let before = store.messages(None, None, 10_000).await.unwrap().0.len();
    assert_eq!(before % 2, 1, "of each commit all or nothing");

    fs::remove_file(&ballast).unwrap();
    commit(&store, vec![text("crm", "after")]).await;
    assert_eq!(store.messages(None, None, 10_000).await.unwrap().0.len(), before + 1);
    store.close().await.unwrap();
    let (_, set_aside) = Store::open(&path).unwrap();
    assert_eq!(set_aside, None);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_disk_that_is_full_at_the_start_is_said_and_nothing_is_set_aside() {
    let Some(disk) = SmallDisk::mount("a_disk_that_is_full_at_the_start_is_said_and_nothing_is_set_aside", 256) else {
        return;
    };
    fill(&disk.path().join("ballast"));
    let error = Store::open(&disk.path().join("heartwire.db")).unwrap_err();
    assert!(matches!(error, StoreError::Full { .. }), "{error:?}");
    assert!(!error.to_string().contains("by itself"), "nobody tries again: {error}");
    fs::remove_file(disk.path().join("ballast")).unwrap();
    let (_, set_aside) = Store::open(&disk.path().join("heartwire.db")).unwrap();
    assert_eq!(set_aside, None, "what the failed start left is no damage");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_read_only_disk_is_an_error_at_the_start() {
    let Some(disk) = SmallDisk::mount("a_read_only_disk_is_an_error_at_the_start", 1_024) else { return };
    let path = disk.path().join("heartwire.db");
    let (store, _) = Store::open(&path).unwrap();
    store.close().await.unwrap();
    disk.remount("ro");
    let error = Store::open(&path).unwrap_err();
    assert!(matches!(error, StoreError::NoAccess { .. }), "{error:?}");
    disk.remount("rw");
    assert!(Store::open(&path).is_ok());
}
