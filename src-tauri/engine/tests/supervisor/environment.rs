//! Wakes and changes of the network, told to every link. A told environment takes the place of this computer's.

use std::time::Duration;

use futures_util::future::join_all;
use heartwire_core::control::Request;
use heartwire_core::listen::Event;
use heartwire_core::view::LinkState;
use tokio::time::{Instant, sleep};

use crate::home::{App, Home, connection, state};
use crate::server::Server;

const NAMES: [&str; 3] = ["crm", "news", "mail"];

/// Three links to a server of their own each, all of them connected, that wait for ever before they dial by themselves.
async fn connected() -> (Vec<Server>, Home, App) {
    let mut servers = Vec::new();
    let mut settings = Vec::new();
    for name in NAMES {
        let server = Server::start().await;
        let url = format!("ws://{}/", server.address);
        settings.push(format!("[[connections]]\nname = \"{name}\"\nurl = \"{url}\""));
        settings.push("reconnect = { fixed = \"1h\", jitter = \"none\" }\n".to_owned());
        servers.push(server);
    }
    let home = Home::with(&settings.join("\n"));
    let mut app = home.app().await;
    app.events_until(NAMES.len(), is_connected).await;
    (servers, home, app)
}

/// A night, which is longer than any heartbeat waits.
const NIGHT: Duration = Duration::from_secs(8 * 3600);

fn is_connected(event: &Event) -> bool {
    matches!(event, Event::State { state: LinkState::Connected, .. })
}

async fn all_are(app: &mut App, wanted: LinkState) {
    app.until(|snapshot| NAMES.iter().all(|name| state(snapshot, name) == Some(wanted))).await;
}

#[tokio::test]
async fn links_that_wait_dial_once_when_the_network_changes() {
    let (servers, _home, mut app) = connected().await;
    for server in &servers {
        server.drop_all();
    }
    all_are(&mut app, LinkState::Waiting).await;
    app.around.network_changed().await;
    once_more(&mut app, &servers).await;
    app.handle.stop().await;
}

#[tokio::test]
async fn invariant_23_after_a_night_each_link_dials_once_because_it_slept() {
    let (servers, _home, mut app) = connected().await;
    let before = Instant::now();
    app.around.slept(NIGHT).await;
    let lost = |event: &Event| matches!(event, Event::State { state: LinkState::Waiting, .. });
    for event in app.events_until(NAMES.len(), lost).await {
        let Event::State { connection, cause: Some(cause), .. } = event else { panic!("{event:?}") };
        assert_eq!(cause.code, "slept", "{connection}");
    }
    once_more(&mut app, &servers).await;
    assert!(before.elapsed() < NIGHT, "only the clock of the links slept");
    app.handle.stop().await;
}

#[tokio::test]
async fn invariant_22_a_wake_a_network_change_and_the_person_together_make_one_dial() {
    let (servers, _home, mut app) = connected().await;
    let person = NAMES.map(|name| app.ask(Request::Reconnect { connection: name.to_owned() }));
    // All of it is said before any link has done anything about it.
    tokio::join!(app.around.slept(NIGHT), app.around.network_changed(), join_all(person), app.around.network_changed());
    once_more(&mut app, &servers).await;
    app.handle.stop().await;
}

#[tokio::test]
async fn a_paused_link_stays_paused_whatever_happens_to_the_computer() {
    let (servers, _home, mut app) = connected().await;
    app.ask(Request::Pause { connection: None }).await;
    all_are(&mut app, LinkState::Paused).await;
    app.around.slept(NIGHT).await;
    app.around.network_changed().await;
    sleep(Duration::from_millis(500)).await;
    let snapshot = app.handle.snapshots().borrow().clone();
    for (name, server) in NAMES.into_iter().zip(&servers) {
        assert_eq!((connection(&snapshot, name).state, server.opened_so_far()), (LinkState::Paused, 1));
    }
    app.handle.stop().await;
}

/// Every server was dialled once more, and never while its old socket was open.
async fn once_more(app: &mut App, servers: &[Server]) {
    app.events_until(NAMES.len(), is_connected).await;
    // Longer than two dials of a link are apart at least.
    sleep(Duration::from_millis(600)).await;
    for server in servers {
        assert_eq!((server.opened_so_far(), server.most_open()), (2, 1));
    }
}
