//! When what was missed is told.

use std::time::Duration;

use heartwire_core::link::LinkStatus;
use heartwire_core::settings::{ConnectionForm, resolve};
use heartwire_core::view::LinkState;
use tokio::sync::mpsc;

use super::*;
use crate::driver::{DriverEvent, DriverEventKind};
use crate::environment::{Environment, EnvironmentSource};
use crate::secrets::Keyring;
use crate::settings_file::{Loaded, defaults, presets};
use crate::supervisor::writes::{Done, Outcome};
use crate::supervisor::{Options, Source};

/// With one connection, to where nobody is.
async fn with_a_connection() -> (Run, ConnectionId) {
    let (name, url) = (Some("crm".to_owned()), Some("ws://127.0.0.1:9/".to_owned()));
    let form = ConnectionForm { name, url, ..ConnectionForm::default() };
    let connections = vec![resolve(&form, &defaults(), &presets()).unwrap()];
    let (environment, _around) = Environment::told();
    let options = Options {
        settings: Source::Given(Box::new(Loaded { connections, ..Loaded::default() })),
        database: None,
        keyring: Keyring::session("test"),
        notify: None,
        demo: false,
        events: None,
        environment: EnvironmentSource::Told(environment),
    };
    let (run, _) = Run::new(options, mpsc::channel(1).1).await.unwrap();
    let id = run.state.find("crm").unwrap();
    (run, id)
}

fn missed() -> Item {
    Item::Message(Message { arrival: Arrival::CaughtUp, ..Message::new("", "crm", "", 0) })
}

/// What of the steps is told, and how many messages were stored before each word.
async fn told(run: &mut Run) -> Vec<(usize, String)> {
    let (mut told, mut stored) = (Vec::new(), 0);
    loop {
        run.writes.launch();
        if run.writes.idle() {
            return told;
        }
        let Outcome::Committed(done, _) = run.writes.outcome().await else { continue };
        for done in done {
            match done {
                Done::Written(crate::store::Written::Stored(_)) => stored += 1,
                Done::Then(Then::Told(name) | Then::CaughtUp(name, ..)) => told.push((stored, name)),
                Done::Written(_) | Done::Then(_) => {}
            }
        }
    }
}

#[tokio::test]
async fn what_is_given_as_missed_behind_the_word_is_told() {
    let (mut run, id) = with_a_connection().await;
    let word = || Item::CaughtUp(CaughtUp::Recovered { keeps: None });
    run.received(id, Generation(1), vec![missed(), word()]);
    run.received(id, Generation(1), vec![missed(), missed()]);
    run.received(id, Generation(1), vec![Item::Message(Message::new("", "crm", "", 0))]);
    // The next socket has yet to give its word.
    run.received(id, Generation(2), vec![missed()]);
    let crm = "crm".to_owned();
    assert_eq!(told(&mut run).await, [(1, crm.clone()), (3, crm)]);
}

#[tokio::test]
async fn what_is_held_of_a_removed_connection_is_told() {
    let (mut run, id) = with_a_connection().await;
    run.received(id, Generation(1), vec![missed()]);
    assert_eq!(told(&mut run).await, []);
    run.retire(id, None);
    run.received(id, Generation(1), vec![missed()]);
    run.ended(id);
    assert_eq!(told(&mut run).await, [(1, "crm".to_owned())]);
}

#[tokio::test]
async fn what_a_lossy_link_still_gives_does_not_come_twice_and_moves_no_cursor() {
    for changed in [false, true] {
        let (mut run, id) = with_a_connection().await;
        if changed {
            // The one that lost something gave way before that was known.
            let connection = run.state.links[&id].connection.clone();
            let new = run.add(connection, Some((id, GivesWay::Changed)));
            run.state.order = vec![new];
        }
        run.redial_lossy(vec![lossy(0)]);
        let message = || Item::Message(Message { id: Some("7".to_owned()), ..Message::new("", "crm", "", 0) });
        run.received(id, Generation(1), vec![message(), Item::Cursor(ResumeData("passes".to_owned()))]);
        assert_eq!(run.state.known["crm"].cursor, Some(ResumeData("kept".to_owned())), "changed: {changed}");
        let new = run.state.find("crm").unwrap();
        run.received(new, Generation(1), vec![message()]);
        told(&mut run).await;
        assert_eq!(run.writes.store().messages(None, None, 10).await.unwrap().0.len(), 1);
    }
}

#[tokio::test]
async fn a_link_that_begins_again_after_a_full_disk_says_why_and_since_when() {
    let (mut run, id) = with_a_connection().await;
    run.driver_event(DriverEvent { id, kind: DriverEventKind::Status(connected(), None) });
    run.redial_lossy(vec![lossy(5)]);
    told(&mut run).await;
    let rows = run.writes.store().history(None, None, 10).await.unwrap().0;
    let causes: Vec<_> = rows.iter().map(|row| row.cause.code.as_str()).collect();
    assert_eq!(causes, ["not-stored"]);
    let new = run.state.find("crm").unwrap();
    assert_eq!(run.state.links[&new].past.gaps.since_ms(), Some(5));
}

#[tokio::test]
async fn a_link_that_has_nothing_to_go_on_from_stays() {
    let (mut run, id) = with_a_connection().await;
    run.driver_event(DriverEvent { id, kind: DriverEventKind::Status(connected(), None) });
    run.redial_lossy(vec![Lossy { cursor: None, ..lossy(5) }]);
    assert_eq!(run.state.find("crm"), Some(id));
}

fn lossy(since_ms: i64) -> Lossy {
    Lossy { connection: "crm".to_owned(), since_ms, cursor: Some(ResumeData("kept".to_owned())) }
}

fn connected() -> LinkStatus {
    LinkStatus {
        state: LinkState::Connected,
        generation: Generation(1),
        attempt: 0,
        retry_at: None,
        cause: None,
        silent_for: Duration::ZERO,
    }
}
