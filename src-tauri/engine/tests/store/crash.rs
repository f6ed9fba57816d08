//! What a crash leaves, and that no answered commit is lost by it.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use heartwire_core::view::SpanKind;
use heartwire_engine::store::Store;

use super::{NOW, commit, outage, place, span, text, with_suffix};

/// Tells the child of the crash test where to write.
const CHILD_DATABASE: &str = "HEARTWIRE_TEST_CHILD_DATABASE";

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

#[test]
fn a_process_killed_in_the_middle_loses_no_commit_that_was_answered() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    if let Some(path) = std::env::var_os(CHILD_DATABASE) {
        return runtime.block_on(commit_until_killed(Path::new(&path)));
    }
    let (_folder, path) = place();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "crash::a_process_killed_in_the_middle_loses_no_commit_that_was_answered", "--nocapture"])
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
        for stored in commit(&store, batch).await {
            println!("answered {}.", stored.id);
        }
    }
}

/// Copies the database and its log while it is open: what a crash at this moment would leave.
fn copy_as_after_a_crash(path: &Path, folder: &Path) -> PathBuf {
    let copy = folder.join("crashed.db");
    fs::copy(path, &copy).unwrap();
    fs::copy(with_suffix(path, "-wal"), with_suffix(&copy, "-wal")).unwrap();
    copy
}
