//! A secret that the keyring does not take at once: who gave it hears why, and what came of it is never lost.

use std::time::Duration;

use heartwire_core::control::{FailCode, Reply, Request};
use heartwire_core::settings::{ConnectionForm, SecretForm};
use heartwire_core::view::{LinkState, ProblemKind};
use heartwire_engine::secrets::Keyring;
use tokio::time::timeout;

use crate::form;
use crate::ring::{Prompter, Ring};
use crate::server::Server;
use crate::stored::{App, in_keyring};

/// The settings may be changed while a person is asked to unlock the keyring.
#[tokio::test]
async fn a_secret_that_is_stored_late_reaches_the_link_that_is_there_by_then() {
    const NAME: &str = "late::a_secret_that_is_stored_late_reaches_the_link_that_is_there_by_then";
    let Some(mut ring) = Ring::open(NAME).await else { return };
    let server = Server::open().await;
    server.accept_only("Bearer token");
    let prompter = Prompter::start(&ring, false).await;
    ring.lock().await;
    let app = App::with_crm(ring.keyring(), &server.address).await;
    app.in_state("crm", LinkState::Blocked).await;
    let giving = async { app.set_secret("crm", "token").await };
    let changing = async {
        while prompter.asked() == 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let changed = ConnectionForm { connect_timeout: Some("9s".to_owned()), ..in_keyring(&server.address) };
        app.save(Some("crm"), changed).await;
        // The new link has looked for the secret and found none.
        app.in_state("crm", LinkState::Blocked).await;
        ring.kill();
        ring.start().await;
        app.in_state("crm", LinkState::Connected).await;
    };
    tokio::join!(giving, changing);
    assert_eq!(server.shown(), [Some("Bearer token".to_owned())]);
    app.handle.stop().await;
}

#[tokio::test]
async fn a_secret_that_is_stored_late_does_not_reach_a_link_whose_secret_is_elsewhere_by_then() {
    const NAME: &str = "late::a_secret_that_is_stored_late_does_not_reach_a_link_whose_secret_is_elsewhere_by_then";
    let Some(mut ring) = Ring::open(NAME).await else { return };
    let server = Server::open().await;
    let prompter = Prompter::start(&ring, false).await;
    ring.lock().await;
    let app = App::with_crm(ring.keyring(), &server.address).await;
    let place = app.home.path().join("token");
    std::fs::write(&place, "of-the-file").unwrap();
    let changing = async {
        while prompter.asked() == 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let place = SecretForm { file: Some(place.to_str().unwrap().to_owned()), ..SecretForm::default() };
        app.save(Some("crm"), form(&server.address, place)).await;
        ring.kill();
        ring.start().await;
    };
    let (reply, ()) = tokio::join!(app.set_secret("crm", "of-the-keyring"), changing);
    assert_eq!(reply, Reply::Ok);
    assert_eq!(app.handle.request(Request::Pause { connection: None }).await, Reply::Ok);
    app.in_state("crm", LinkState::Paused).await;
    assert_eq!(app.handle.request(Request::Resume { connection: None }).await, Reply::Ok);
    app.in_state("crm", LinkState::Connected).await;
    assert_eq!(server.last().as_deref(), Some("Bearer of-the-file"));
    app.handle.stop().await;
}

/// In virtual time. The keyring is looked for longer than a person waits for the answer.
#[tokio::test]
async fn that_a_secret_was_not_stored_after_all_is_told() {
    let nowhere = tempfile::tempdir().unwrap();
    let keyring = Keyring::on_bus("heartwire test", format!("unix:path={}", nowhere.path().join("bus").display()));
    let app = App::with_crm(keyring, "ws://127.0.0.1:1/").await;
    tokio::time::pause();
    let Reply::Failed { code, message } = app.set_secret("crm", "token").await else { panic!("nobody has it") };
    assert_eq!(code, FailCode::Keyring);
    assert_eq!(
        message,
        "the token is not stored yet: there is no session bus and so no keyring; start Heartwire from a desktop \
         session, or keep the secret in a file or behind a command. Heartwire goes on trying; if that fails, its window \
         and `heartwire status` say so"
    );
    let told = app.until(|snapshot| !snapshot.problems.is_empty()).await;
    assert_eq!(told.problems[0].kind, ProblemKind::Keyring);
    assert_eq!(
        told.problems[0].message,
        "the token of crm was not stored (there is no session bus and so no keyring; start Heartwire from a desktop \
         session, or keep the secret in a file or behind a command): enter it again"
    );
    app.handle.stop().await;
}

#[tokio::test]
async fn who_waits_for_a_locked_keyring_hears_that_it_is_locked() {
    const NAME: &str = "late::who_waits_for_a_locked_keyring_hears_that_it_is_locked";
    let Some(ring) = Ring::open(NAME).await else { return };
    let prompter = Prompter::start(&ring, false).await;
    ring.lock().await;
    let app = App::with_crm(ring.keyring(), "ws://127.0.0.1:1/").await;
    let waiting = async {
        while prompter.asked() == 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        // From here on nothing is left but to wait for the person.
        tokio::time::pause();
        tokio::time::advance(Duration::from_secs(20)).await;
        tokio::time::resume();
    };
    let (reply, ()) = tokio::join!(app.set_secret("crm", "token"), waiting);
    let Reply::Failed { code: FailCode::Keyring, message } = reply else { panic!("{reply:?}") };
    assert!(message.starts_with("the token is not stored yet: the keyring is locked; unlock it. "), "{message}");
    assert_eq!(app.handle.snapshots().borrow().problems, []);
    app.handle.stop().await;
}

#[tokio::test]
async fn a_failure_that_nobody_waits_for_any_more_is_told() {
    let Some(ring) = Ring::open("late::a_failure_that_nobody_waits_for_any_more_is_told").await else { return };
    let _prompter = Prompter::start(&ring, true).await;
    ring.lock().await;
    let app = App::with_crm(ring.keyring(), "ws://127.0.0.1:1/").await;
    // Asked, and gone at once.
    timeout(Duration::ZERO, app.set_secret("crm", "token")).await.expect_err("no keyring is that fast");
    let told = app.until(|snapshot| !snapshot.problems.is_empty()).await;
    assert_eq!(
        told.problems[0].message,
        "the token of crm was not stored (the keyring is locked and its prompt was dismissed): enter it again"
    );
    app.handle.stop().await;
}
