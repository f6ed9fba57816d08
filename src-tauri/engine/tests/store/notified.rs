//! How far messages were notified: what is still owed after a restart or a crash, and that nothing else is.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use heartwire_core::message::Arrival;
use heartwire_engine::store::{NewMessage, Store, Stored};

use super::{binary, commit, place, text, with_id};

/// Tells the child of the crash test where to write.
const CHILD_DATABASE: &str = "HEARTWIRE_TEST_NOTIFIED_DATABASE";
/// How many messages the child has committed and not shown at any time.
const BEHIND: usize = 5;

#[tokio::test]
async fn what_is_owed_are_the_text_messages_after_the_mark_oldest_first() {
    let store = Store::in_memory().unwrap();
    assert_eq!(store.notified_up_to().await.unwrap(), 0);
    assert_eq!(store.due_after(0, 10).await.unwrap(), (Vec::new(), 0));

    let mut rich = with_id("gate", "server's");
    rich.message.arrival = Arrival::CaughtUp;
    rich.message.priority = 5;
    let stored = commit(&store, vec![text("crm", "1"), binary("crm", 9), rich, text("crm", "4")]).await;
    let expected: Vec<Stored> = [&stored[0], &stored[2], &stored[3]].into_iter().cloned().collect();
    assert_eq!(store.due_after(0, 10).await.unwrap(), (expected.clone(), 3), "as they were committed");
    assert_eq!(store.due_after(0, 2).await.unwrap(), (expected[..2].to_vec(), 3), "the rest is counted");
    assert_eq!(store.due_after(0, 0).await.unwrap(), (Vec::new(), 3));
    assert_eq!(store.due_after(stored[0].id, 10).await.unwrap(), (expected[1..].to_vec(), 2));
    assert_eq!(store.due_after(stored[3].id, 10).await.unwrap(), (Vec::new(), 0));
    store.prune(1).await.unwrap();
    assert_eq!(store.due_after(0, 10).await.unwrap(), (expected[1..].to_vec(), 2), "what is pruned is owed no more");
}

#[tokio::test]
async fn the_mark_never_goes_back_and_survives_a_restart() {
    let (_folder, path) = place();
    let (store, _) = Store::open(&path).unwrap();
    for (set, expected) in [(7, 7), (3, 7), (7, 7), (0, 7), (-1, 7), (8, 8)] {
        store.set_notified_up_to(set).await.unwrap();
        assert_eq!(store.notified_up_to().await.unwrap(), expected, "after setting {set}");
    }
    store.close().await.unwrap();
    let (store, _) = Store::open(&path).unwrap();
    assert_eq!(store.notified_up_to().await.unwrap(), 8);
}

#[tokio::test]
async fn messages_committed_before_the_mark_was_ever_set_are_owed() {
    let (_folder, path) = place();
    let (store, _) = Store::open(&path).unwrap();
    commit(&store, vec![text("crm", "first of all")]).await;
    store.close().await.unwrap();
    let (store, _) = Store::open(&path).unwrap();
    let mark = store.notified_up_to().await.unwrap();
    assert_eq!((mark, store.due_after(mark, 10).await.unwrap().1), (0, 1));
}

#[tokio::test]
async fn a_database_that_lost_its_mark_does_not_tell_everything_again() {
    let (_folder, path) = place();
    let (store, _) = Store::open(&path).unwrap();
    let old = commit(&store, (0..50).map(|_| text("crm", "old")).collect()).await;
    store.close().await.unwrap();
    rusqlite::Connection::open(&path).unwrap().execute("DELETE FROM notified", []).unwrap();

    let (store, _) = Store::open(&path).unwrap();
    let mark = store.notified_up_to().await.unwrap();
    assert_eq!(mark, old[49].id);
    store.set_notified_up_to(mark).await.unwrap();
    let new = commit(&store, vec![text("crm", "new")]).await;
    assert_eq!(store.notified_up_to().await.unwrap(), mark);
    assert_eq!(store.due_after(mark, 10).await.unwrap(), (new, 1));
}

#[test]
fn whatever_moment_the_process_is_killed_every_committed_message_was_shown_or_is_owed() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    if let Some(path) = std::env::var_os(CHILD_DATABASE) {
        return runtime.block_on(show_until_killed(Path::new(&path)));
    }
    for kill_after in [0, 1, 100, 700] {
        let (_folder, path) = place();
        let told = run_and_kill(&path, kill_after);
        let ids =
            |word: &str| -> Vec<i64> { told.iter().filter_map(|line| line.strip_prefix(word)?.parse().ok()).collect() };
        let (committed, shown, noted) = (ids("committed "), ids("shown "), ids("noted "));
        runtime.block_on(async {
            let (store, set_aside) = Store::open(&path).unwrap();
            // One that is killed before it has written anything may leave an empty file.
            assert!(set_aside.is_none() || told.is_empty(), "{set_aside:?}");
            let mark = store.notified_up_to().await.unwrap();
            assert!(mark >= noted.last().copied().unwrap_or(0), "noted {noted:?}, but only {mark} was kept");
            assert!(mark <= shown.last().copied().unwrap_or(0), "{mark} was not shown: {shown:?}");
            let (due, total) = store.due_after(mark, 1_000_000).await.unwrap();
            let due: Vec<_> = due.iter().map(|stored| stored.id).collect();
            assert_eq!(due.len() as u64, total);
            let lost: Vec<_> = committed.iter().filter(|id| !shown.contains(id) && !due.contains(id)).collect();
            assert!(lost.is_empty(), "neither shown nor owed: {lost:?}");
            let repeated = due.iter().filter(|id| shown.contains(id)).count();
            assert!(repeated <= 1, "only what was being noted is shown again: {repeated}");
        });
    }
}

/// What the child said until it was killed.
fn run_and_kill(path: &Path, after: usize) -> Vec<String> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "notified::whatever_moment_the_process_is_killed_every_committed_message_was_shown_or_is_owed",
        ])
        .arg("--nocapture")
        .env(CHILD_DATABASE, path)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut told = Vec::new();
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        // Lines end with a full stop: one that the kill cut in two says nothing.
        let Ok(line) = line else { break };
        told.extend(line.strip_suffix('.').filter(|line| line.contains(' ')).map(str::to_owned));
        if told.len() == after {
            child.kill().unwrap();
        }
    }
    child.wait().unwrap();
    assert!(told.len() >= after, "the child ended early: {told:?}");
    told
}

/// Commits, shows what is a little older and notes that: what Heartwire does, in little.
async fn show_until_killed(path: &Path) {
    let (store, _) = Store::open(path).unwrap();
    let mut waiting = std::collections::VecDeque::new();
    loop {
        let batch: Vec<NewMessage> = (0..2).map(|_| text("crm", "a title")).collect();
        for stored in commit(&store, batch).await {
            println!("committed {}.", stored.id);
            waiting.push_back(stored.id);
        }
        while waiting.len() > BEHIND {
            let id = waiting.pop_front().unwrap();
            println!("shown {id}.");
            store.set_notified_up_to(id).await.unwrap();
            println!("noted {id}.");
        }
    }
}
