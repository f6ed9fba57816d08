//! What the store keeps, and that it keeps it: across restarts, crashes, damage and a full disk.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "the helpers are test code too")]

mod common;

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use heartwire_core::cause::CauseView;
use heartwire_core::message::{Message, MessageKind};
use heartwire_core::view::{LastMessage, Span, SpanKind};
use heartwire_engine::store::{BeginSpan, NewMessage, Store, StoreError};
use tempfile::TempDir;

const NOW: i64 = 1_800_000_000_000;
/// Tells the child of the crash test where to write.
const CHILD_DATABASE: &str = "HEARTWIRE_TEST_CHILD_DATABASE";

#[tokio::test]
async fn messages_come_back_as_they_were_committed() {
    let store = Store::in_memory().unwrap();
    let text = NewMessage {
        connection: "crm".to_owned(),
        at_ms: NOW,
        message: Message {
            id: Some("a-1".to_owned()),
            title: "Order 7 — \u{8ba2}\u{5355}".to_owned(),
            body: "two\nlines".to_owned(),
            priority: 5,
            kind: MessageKind::Text,
            size: 4_096,
            caught_up: true,
        },
    };
    let stored = store.commit(vec![text.clone(), binary("crm", 17)]).await.unwrap();
    assert_eq!(stored[0].message, text.message);
    assert!(stored[0].id < stored[1].id);

    let (rows, more) = store.messages(None, None, 10).await.unwrap();
    assert!(!more);
    assert_eq!((rows[0].kind, rows[0].size, rows[0].id), (MessageKind::Binary, 17, stored[1].id));
    assert_eq!((rows[1].title.as_str(), rows[1].body.as_str()), ("Order 7 — \u{8ba2}\u{5355}", "two\nlines"));
    assert_eq!((rows[1].priority, rows[1].size, rows[1].at_ms), (5, 4_096, NOW));
    let last = store.last_message("crm".to_owned()).await.unwrap();
    assert_eq!(last, Some(LastMessage { at_ms: NOW, title: "17 bytes".to_owned() }));
    assert_eq!(store.last_message("other".to_owned()).await.unwrap(), None);
}

#[tokio::test]
async fn a_server_id_is_stored_once_a_connection_also_across_restarts_and_within_one_commit() {
    let (_folder, path) = place();
    let (store, _) = Store::open(&path).unwrap();
    let first = store.commit(vec![with_id("crm", "1"), with_id("crm", "1"), with_id("gate", "1")]).await.unwrap();
    assert_eq!(first.iter().map(|stored| stored.connection.as_str()).collect::<Vec<_>>(), ["crm", "gate"]);
    store.close().await.unwrap();

    let (store, _) = Store::open(&path).unwrap();
    let again = store.commit(vec![with_id("crm", "1"), with_id("crm", "2"), text("crm", "no id")]).await.unwrap();
    assert_eq!(again.len(), 2);
    assert_eq!(
        store.commit(vec![text("crm", "no id")]).await.unwrap().len(),
        1,
        "without an id nothing is a duplicate"
    );
}

#[tokio::test]
async fn pages_follow_each_other_without_gap_or_overlap() {
    let store = Store::in_memory().unwrap();
    let mixed = (0..50).map(|number| text(if number % 2 == 0 { "crm" } else { "gate" }, &number.to_string()));
    store.commit(mixed.collect()).await.unwrap();
    for (connection, expected) in [(None, 50), (Some("crm"), 25), (Some("nobody"), 0)] {
        let mut titles = Vec::new();
        let mut before = None;
        loop {
            let (rows, more) = store.messages(connection.map(str::to_owned), before, 7).await.unwrap();
            before = rows.last().map(|row| row.id);
            titles.extend(rows.into_iter().map(|row| row.title.parse::<i32>().unwrap()));
            if !more {
                break;
            }
        }
        assert_eq!(titles.len(), expected);
        assert!(titles.is_sorted_by(|newer, older| newer > older), "{titles:?}");
    }
    let (rows, more) = store.messages(Some("crm".to_owned()), None, 25).await.unwrap();
    assert_eq!((rows.len(), more), (25, false), "a page that is exactly full has nothing behind it");
}

#[tokio::test]
async fn ten_thousand_messages_are_one_batch_and_waiting_commits_are_answered_each_with_its_own() {
    let (_folder, path) = place();
    let (store, _) = Store::open(&path).unwrap();
    let flood = (0..10_000).map(|number| with_id("crm", &number.to_string())).collect();
    assert_eq!(store.commit(flood).await.unwrap().len(), 10_000);

    let mut tasks = Vec::new();
    for number in 0..200 {
        let store = store.clone();
        tasks.push(tokio::spawn(async move {
            let title = format!("one of many {number}");
            let stored = store.commit(vec![text("crm", &title)]).await.unwrap();
            assert_eq!(stored.iter().map(|stored| &stored.message.title).collect::<Vec<_>>(), [&title]);
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(store.prune(1_000).await.unwrap(), 9_200);
    let (rows, more) = store.messages(Some("crm".to_owned()), None, 2_000).await.unwrap();
    assert_eq!((rows.len(), more), (1_000, false));
    assert!(rows.iter().any(|row| row.title == "one of many 0"), "the newest stay");
}

#[tokio::test]
async fn pruning_counts_each_connection_for_itself_and_ids_are_never_used_again() {
    let store = Store::in_memory().unwrap();
    store.commit(vec![text("quiet", "old"), text("noisy", "1"), text("noisy", "2")]).await.unwrap();
    let newest = store.commit(vec![text("noisy", "3")]).await.unwrap()[0].id;
    assert_eq!(store.prune(1).await.unwrap(), 2);
    let (rows, _) = store.messages(None, None, 10).await.unwrap();
    assert_eq!(rows.iter().map(|row| row.title.as_str()).collect::<Vec<_>>(), ["3", "old"]);
    assert_eq!(store.prune(0).await.unwrap(), 2);
    assert!(store.commit(vec![text("noisy", "4")]).await.unwrap()[0].id > newest);
}

#[tokio::test]
async fn a_span_ends_when_the_next_one_of_its_connection_begins() {
    let store = Store::in_memory().unwrap();
    let up = store.begin_span(span("crm", NOW, SpanKind::Up)).await.unwrap();
    store.begin_span(span("gate", NOW, SpanKind::Up)).await.unwrap();
    let down = store.begin_span(outage("crm", NOW + 1_000, "heartbeat-timeout")).await.unwrap();
    assert!(up < down);
    store.set_attempts(down, 4).await.unwrap();

    let spans = [
        Span { kind: SpanKind::Up, from_ms: NOW, until_ms: Some(NOW + 1_000) },
        Span { kind: SpanKind::Down, from_ms: NOW + 1_000, until_ms: None },
    ];
    assert_eq!(store.spans_since("crm".to_owned(), NOW).await.unwrap(), spans);
    assert_eq!(store.spans_since("crm".to_owned(), NOW + 1_000).await.unwrap(), spans[1..]);

    let (rows, more) = store.history(Some("crm".to_owned()), None, 10).await.unwrap();
    assert_eq!((rows.len(), more), (1, false));
    assert_eq!((rows[0].until_ms, rows[0].attempts), (None, 4), "an outage that lasts has its row");
    assert_eq!(rows[0].cause.code, "heartbeat-timeout");

    store.begin_span(span("crm", NOW + 9_000, SpanKind::Up)).await.unwrap();
    let (rows, _) = store.history(None, None, 10).await.unwrap();
    assert_eq!((rows[0].from_ms, rows[0].until_ms), (NOW + 1_000, Some(NOW + 9_000)));
}

#[tokio::test]
async fn history_has_only_outages_newest_first_page_by_page() {
    let store = Store::in_memory().unwrap();
    for turn in 0..10 {
        store.begin_span(outage("crm", NOW + turn * 20, "reset")).await.unwrap();
        store.begin_span(span("crm", NOW + turn * 20 + 10, SpanKind::Up)).await.unwrap();
    }
    let (first, more) = store.history(None, None, 6).await.unwrap();
    assert!(more);
    assert_eq!(first[0].from_ms, NOW + 180);
    let (rest, more) = store.history(None, first.last().map(|row| row.id), 6).await.unwrap();
    assert_eq!((rest.len(), more), (4, false));
    assert_eq!(rest[3].from_ms, NOW);
}

#[tokio::test]
async fn a_wall_clock_that_jumps_back_ends_no_span_before_it_began() {
    let store = Store::in_memory().unwrap();
    store.begin_span(span("crm", NOW, SpanKind::Up)).await.unwrap();
    store.begin_span(outage("crm", NOW - 86_400_000, "reset")).await.unwrap();
    store.close_spans(NOW - 2 * 86_400_000).await.unwrap();
    let spans = store.spans_since("crm".to_owned(), i64::MIN).await.unwrap();
    assert_eq!(spans.iter().map(|span| span.until_ms).collect::<Vec<_>>(), [Some(NOW), Some(NOW - 86_400_000)]);
}

#[tokio::test]
async fn an_orderly_end_closes_every_span_and_a_removed_connection_only_its_own() {
    let store = Store::in_memory().unwrap();
    for connection in ["a", "b", "c"] {
        store.begin_span(span(connection, NOW, SpanKind::Up)).await.unwrap();
    }
    store.end_span("a".to_owned(), NOW + 5).await.unwrap();
    store.close_spans(NOW + 7).await.unwrap();
    for (connection, end) in [("a", 5), ("b", 7), ("c", 7)] {
        let spans = store.spans_since(connection.to_owned(), 0).await.unwrap();
        assert_eq!(spans[0].until_ms, Some(NOW + end), "{connection}");
    }
}

#[tokio::test]
async fn spans_that_a_crash_left_open_end_at_the_last_sign_of_life() {
    let (folder, path) = place();
    let (store, _) = Store::open(&path).unwrap();
    store.begin_span(span("long", NOW, SpanKind::Up)).await.unwrap();
    store.alive(NOW + 30_000).await.unwrap();
    store.begin_span(outage("short", NOW + 40_000, "reset")).await.unwrap();
    let crashed = copy_as_after_a_crash(&path, folder.path());

    let (store, set_aside) = Store::open(&crashed).unwrap();
    assert_eq!(set_aside, None);
    assert_eq!(store.spans_since("long".to_owned(), 0).await.unwrap()[0].until_ms, Some(NOW + 30_000));
    let (rows, _) = store.history(None, None, 10).await.unwrap();
    assert_eq!(rows[0].until_ms, Some(NOW + 40_000), "it began after the last sign of life");
}

#[tokio::test]
async fn who_is_paused_is_remembered() {
    let (_folder, path) = place();
    let (store, _) = Store::open(&path).unwrap();
    for (connection, paused) in [("b", true), ("a", true), ("a", true), ("c", true), ("c", false), ("d", false)] {
        store.set_paused(connection.to_owned(), paused).await.unwrap();
    }
    store.close().await.unwrap();
    let (store, _) = Store::open(&path).unwrap();
    assert_eq!(store.paused().await.unwrap(), ["a", "b"]);
}

#[tokio::test]
async fn after_closing_everything_is_in_the_one_file_and_requests_fail() {
    let (folder, path) = place();
    let (store, _) = Store::open(&path).unwrap();
    store.commit(vec![text("crm", "kept")]).await.unwrap();
    store.close().await.unwrap();
    assert_eq!(names(folder.path()), ["heartwire.db"]);
    assert_eq!(store.commit(vec![text("crm", "late")]).await, Err(StoreError::Closed));
    assert_eq!(store.close().await, Err(StoreError::Closed));
}

#[test]
fn a_process_killed_in_the_middle_loses_no_commit_that_was_answered() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    if let Some(path) = std::env::var_os(CHILD_DATABASE) {
        return runtime.block_on(commit_until_killed(Path::new(&path)));
    }
    let (_folder, path) = place();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "a_process_killed_in_the_middle_loses_no_commit_that_was_answered", "--nocapture"])
        .env(CHILD_DATABASE, &path)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut answered = Vec::new();
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        // A line that the kill cut in two is no answer.
        let Ok(line) = line else { break };
        if let Some(id) = line.strip_prefix("answered ").and_then(|line| line.strip_suffix('.')) {
            answered.push(id.parse::<i64>().unwrap());
        }
        if answered.len() == 300 {
            child.kill().unwrap();
        }
    }
    child.wait().unwrap();
    assert!(answered.len() >= 300, "the child ended early: {answered:?}");

    runtime.block_on(async {
        let (store, set_aside) = Store::open(&path).unwrap();
        assert_eq!(set_aside, None);
        let (rows, _) = store.messages(None, None, 1_000_000).await.unwrap();
        let kept: Vec<_> = rows.iter().rev().map(|row| row.id).collect();
        assert!(kept.starts_with(&answered), "answered {answered:?}, kept {kept:?}");
        assert_eq!(store.spans_since("crm".to_owned(), 0).await.unwrap()[0].until_ms, Some(NOW));
    });
}

/// What the process does that is to be killed.
async fn commit_until_killed(path: &Path) {
    let (store, _) = Store::open(path).unwrap();
    store.begin_span(span("crm", NOW, SpanKind::Up)).await.unwrap();
    loop {
        let batch = (0..3).map(|_| text("crm", "a title")).collect();
        for stored in store.commit(batch).await.unwrap() {
            println!("answered {}.", stored.id);
        }
    }
}

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
    store.commit((0..200).map(|number| with_id("crm", &number.to_string())).collect()).await.unwrap();
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

    assert_eq!(store.commit(vec![with_id("crm", "1")]).await.unwrap().len(), 1, "the new one works and is empty");
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
    store.commit((0..500).map(|_| text("crm", &long)).collect()).await.unwrap();
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
    store.commit(vec![text("crm", "secret")]).await.unwrap();
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
    store.commit(vec![text("crm", "before")]).await.unwrap();
    let ballast = disk.path().join("ballast");
    fill(&ballast);

    let long = "x".repeat(4_000);
    let error = loop {
        match store.commit(vec![text("crm", &long), text("crm", &long)]).await {
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    assert!(matches!(error, StoreError::Full { .. }), "{error:?}");
    let before = store.messages(None, None, 10_000).await.unwrap().0.len();
    assert_eq!(before % 2, 1, "of each commit all or nothing");

    fs::remove_file(&ballast).unwrap();
    store.commit(vec![text("crm", "after")]).await.unwrap();
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

/// A tmpfs of a few KiB, unmounted at the end.
#[cfg(target_os = "linux")]
struct SmallDisk(TempDir);

#[cfg(target_os = "linux")]
impl SmallDisk {
    /// None, and a word on it, where mounting is not allowed.
    fn mount(test: &str, kib: u32) -> Option<Self> {
        let folder = TempDir::new().unwrap();
        let options = format!("size={kib}k");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &options, "tmpfs"])
            .arg(folder.path())
            .stderr(Stdio::null())
            .status();
        if mounted.is_ok_and(|status| status.success()) {
            Some(Self(folder))
        } else {
            common::skip(test, "only root may mount a disk of its own");
            None
        }
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn remount(&self, mode: &str) {
        let options = format!("remount,{mode}");
        assert!(Command::new("mount").args(["-o", &options]).arg(self.path()).status().unwrap().success());
    }
}

#[cfg(target_os = "linux")]
impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.path()).status();
    }
}

/// Writes until there is no room.
#[cfg(target_os = "linux")]
fn fill(path: &Path) {
    let mut file = fs::File::create(path).unwrap();
    while std::io::Write::write_all(&mut file, &[0; 1_024]).is_ok() {}
}

/// Copies the database and its log while it is open: what a crash at this moment would leave.
fn copy_as_after_a_crash(path: &Path, folder: &Path) -> PathBuf {
    let copy = folder.join("crashed.db");
    fs::copy(path, &copy).unwrap();
    fs::copy(with_suffix(path, "-wal"), with_suffix(&copy, "-wal")).unwrap();
    copy
}

/// Overwrites a hundred bytes of a file.
fn damage(path: &Path, offset: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[offset..offset + 100].fill(0xA5);
    fs::write(path, bytes).unwrap();
}

fn place() -> (TempDir, PathBuf) {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("heartwire.db");
    (folder, path)
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    PathBuf::from(format!("{}{suffix}", path.display()))
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

fn text(connection: &str, title: &str) -> NewMessage {
    NewMessage {
        connection: connection.to_owned(),
        at_ms: NOW,
        message: Message {
            id: None,
            title: title.to_owned(),
            body: "a body".to_owned(),
            priority: 3,
            kind: MessageKind::Text,
            size: 6,
            caught_up: false,
        },
    }
}

fn with_id(connection: &str, id: &str) -> NewMessage {
    let mut message = text(connection, "with an id");
    message.message.id = Some(id.to_owned());
    message
}

fn binary(connection: &str, size: u64) -> NewMessage {
    let mut message = text(connection, "");
    message.message = Message { body: String::new(), kind: MessageKind::Binary, size, ..message.message };
    message
}

fn span(connection: &str, at_ms: i64, kind: SpanKind) -> BeginSpan {
    BeginSpan { connection: connection.to_owned(), at_ms, kind, cause: None, attempts: 0 }
}

fn outage(connection: &str, at_ms: i64, code: &str) -> BeginSpan {
    let cause = CauseView { code: code.to_owned(), text: "it was lost".to_owned() };
    BeginSpan { cause: Some(cause), attempts: 1, ..span(connection, at_ms, SpanKind::Down) }
}
