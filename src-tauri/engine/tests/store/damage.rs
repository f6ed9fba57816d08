//! Files that are no sound database, or not Heartwire's.

use std::fs;
use std::path::Path;

use heartwire_engine::store::{Store, StoreError};

use super::{commit, place, text, with_id, with_suffix};

#[tokio::test]
async fn a_file_that_is_no_sound_database_is_kept_aside_and_said() {
    let garbage = b"this is no database at all".repeat(1_000);
    check_set_aside(|path| fs::write(path, &garbage).unwrap()).await;
    check_set_aside(|path| fs::write(path, b"").unwrap()).await;
    // The first page is sound, so only the check after an unclean end finds it.
    check_set_aside(|path| {
        damage(path, 4_096);
        fs::write(with_suffix(path, "-wal"), b"left by a crash").unwrap();
    })
    .await;
    // The header itself.
    check_set_aside(|path| damage(path, 18)).await;
}

/// Spoils the file of a closed store and opens it.
async fn check_set_aside(spoil: impl FnOnce(&Path)) {
    let (folder, path) = place();
    let (store, _) = Store::open(&path).unwrap();
    commit(&store, (0..200).map(|number| with_id("crm", &number.to_string())).collect()).await;
    store.close().await.unwrap();
    spoil(&path);
    let spoilt = fs::read(&path).unwrap();
    let log_left = fs::read(with_suffix(&path, "-wal")).ok();

    let (store, set_aside) = Store::open(&path).unwrap();
    let set_aside = set_aside.expect("the file was not sound");
    assert!(!set_aside.reason.is_empty());
    assert_eq!(fs::read(&set_aside.moved_to).unwrap(), spoilt, "kept as it was");
    let name = set_aside.moved_to.file_name().unwrap().to_string_lossy().into_owned();
    assert!(name.starts_with("heartwire.db.corrupt-"), "{name}");
    assert_eq!(fs::read(with_suffix(&set_aside.moved_to, "-wal")).ok(), log_left, "and its log");

    assert_eq!(commit(&store, vec![with_id("crm", "1")]).await.len(), 1, "the new one works and is empty");
    store.close().await.unwrap();
    let (_, again) = Store::open(&path).unwrap();
    assert_eq!(again, None);
    drop(folder);
}

#[tokio::test]
async fn damage_found_while_running_is_said_and_found_again_at_the_next_start() {
    let (_folder, path) = place();
    let (store, _) = Store::open(&path).unwrap();
    let long = "x".repeat(1_000);
    commit(&store, (0..500).map(|_| text("crm", &long)).collect()).await;
    store.close().await.unwrap();
    let size = fs::metadata(&path).unwrap().len();
    for page in 20..size / 4_096 {
        damage(&path, usize::try_from(page * 4_096).unwrap());
    }
    let (store, set_aside) = Store::open(&path).unwrap();
    assert_eq!(set_aside, None, "after a clean end the file is not searched");
    let error = store.messages(None, None, 1_000).await.unwrap_err();
    assert!(matches!(error, StoreError::Damaged { .. }), "{error:?}");
    store.close().await.unwrap();
    let (_, set_aside) = Store::open(&path).unwrap();
    assert!(set_aside.is_some());
}

#[tokio::test]
async fn the_database_of_a_newer_version_or_another_program_is_refused_and_left_as_it_was() {
    let (_folder, path) = place();
    let (store, _) = Store::open(&path).unwrap();
    store.close().await.unwrap();
    let raw = rusqlite::Connection::open(&path).unwrap();
    raw.pragma_update(None, "user_version", 99).unwrap();
    drop(raw);
    let before = fs::read(&path).unwrap();
    let error = Store::open(&path).unwrap_err();
    assert!(matches!(error, StoreError::Newer { found: 99, .. }), "{error:?}");
    assert_eq!(fs::read(&path).unwrap(), before);

    let (_folder, path) = place();
    let raw = rusqlite::Connection::open(&path).unwrap();
    raw.execute_batch("CREATE TABLE other (a); INSERT INTO other VALUES (1)").unwrap();
    drop(raw);
    let before = fs::read(&path).unwrap();
    assert!(matches!(Store::open(&path).unwrap_err(), StoreError::Foreign { .. }));
    assert_eq!(fs::read(&path).unwrap(), before);
}

/// Overwrites a hundred bytes of a file.
fn damage(path: &Path, offset: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[offset..offset + 100].fill(0xA5);
    fs::write(path, bytes).unwrap();
}
