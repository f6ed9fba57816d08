//! Connections that are renamed, removed and added while their sockets are open, and what that makes of their gaps.

use heartwire_core::control::Request;
use heartwire_core::settings::ConnectionForm;
use heartwire_core::view::{GapView, LinkState, Snapshot};

use crate::home::{Home, state, with_one};
use crate::server::Server;

fn form(name: &str, url: String) -> ConnectionForm {
    ConnectionForm { name: Some(name.to_owned()), url: Some(url), ..ConnectionForm::default() }
}

#[tokio::test]
async fn a_renamed_connection_never_has_two_sockets() {
    let (mut server, _home, mut app) = with_one("old").await;
    app.save(Some("old"), form("new", format!("ws://{}/", server.address))).await;
    server.opened().await;
    app.until(|snapshot| state(snapshot, "new") == Some(LinkState::Connected)).await;
    assert_eq!(server.most_open(), 1);
    app.handle.stop().await;
}

#[tokio::test]
async fn what_is_removed_and_added_again_at_once_never_has_two_sockets() {
    let (mut server, _home, mut app) = with_one("crm").await;
    app.ask(Request::RemoveConnection { connection: "crm".into() }).await;
    app.save(None, form("crm", format!("ws://{}/again", server.address))).await;
    server.opened().await;
    app.until(|snapshot| state(snapshot, "crm") == Some(LinkState::Connected)).await;
    assert_eq!(server.most_open(), 1);
    app.handle.stop().await;
}

#[tokio::test]
async fn a_pause_goes_where_its_connection_goes() {
    let (mut server, _home, mut app) = with_one("old").await;
    app.ask(Request::Pause { connection: Some("old".into()) }).await;
    server.closed().await;
    let url = format!("ws://{}/", server.address);
    app.save(Some("old"), form("new", url.clone())).await;
    app.until(|snapshot| state(snapshot, "new") == Some(LinkState::Paused)).await;

    app.ask(Request::RemoveConnection { connection: "new".into() }).await;
    app.save(None, form("new", url)).await;
    server.opened().await;
    app.until(|snapshot| state(snapshot, "new") == Some(LinkState::Connected)).await;
    app.handle.stop().await;
}

#[tokio::test]
async fn a_connection_loses_no_message_by_being_changed() {
    const SENT: usize = 50;
    let (mut server, _home, mut app) = with_one("crm").await;
    app.until(|snapshot| state(snapshot, "crm") == Some(LinkState::Connected)).await;
    for number in 0..SENT {
        server.send(&format!(r#"{{"id":"{number}","text":"{number}"}}"#));
    }
    app.save(Some("crm"), form("crm", format!("ws://{}/other", server.address))).await;
    server.opened().await;
    // The server had written them all before it saw the close frame.
    app.until(|snapshot| snapshot.messages.len() == SENT).await;
    app.handle.stop().await;
}

#[tokio::test]
async fn what_a_new_name_may_have_missed_is_a_row() {
    let (server, _home, mut app) = with_one("old").await;
    app.until(|snapshot| state(snapshot, "old") == Some(LinkState::Connected)).await;
    app.save(Some("old"), form("new", format!("ws://{}/", server.address))).await;
    // Its server keeps nothing for those who are not there.
    let snapshot =
        app.until(|snapshot| gaps(snapshot).iter().any(|(name, gap)| name == "new" && is_missing(*gap))).await;
    assert_eq!(gaps(&snapshot).len(), 1);
    app.handle.stop().await;
}

#[tokio::test]
async fn the_gap_of_what_is_renamed_or_removed_while_down_does_not_stay_open() {
    for renamed in [true, false] {
        let mut server = Server::start().await;
        let slow = "reconnect = { fixed = \"1h\", jitter = \"none\" }\n";
        let url = format!("ws://{}/", server.address);
        let home = Home::with(&format!("[[connections]]\nname = \"old\"\nurl = \"{url}\"\n{slow}"));
        let mut app = home.app().await;
        server.opened().await;
        app.until(|snapshot| state(snapshot, "old") == Some(LinkState::Connected)).await;
        server.drop_all();
        app.until(|snapshot| gaps(snapshot) == [("old".to_owned(), GapView::Open)]).await;
        if renamed {
            app.save(Some("old"), form("new", url)).await;
            app.until(|snapshot| state(snapshot, "new") == Some(LinkState::Connected)).await;
        } else {
            app.ask(Request::RemoveConnection { connection: "old".into() }).await;
        }
        app.until(|snapshot| gaps(snapshot).iter().all(|(_, gap)| is_missing(*gap))).await;
        app.handle.stop().await;
    }
}

#[tokio::test]
async fn the_gap_of_what_was_removed_while_heartwire_did_not_run_does_not_stay_open() {
    let mut server = Server::start().await;
    let slow = "reconnect = { fixed = \"1h\", jitter = \"none\" }\n";
    let home = Home::with(&format!("[[connections]]\nname = \"old\"\nurl = \"ws://{}/\"\n{slow}", server.address));
    let mut app = home.app().await;
    server.opened().await;
    app.until(|snapshot| state(snapshot, "old") == Some(LinkState::Connected)).await;
    server.drop_all();
    app.until(|snapshot| gaps(snapshot) == [("old".to_owned(), GapView::Open)]).await;
    app.handle.stop().await;
    let file = home.paths().settings_file;
    // What cannot be read may be meant to be there.
    for (settings, ends) in [
        ("[[connections]]\nname = \"old\"\nurl = \"gopher://h/\"\n".to_owned(), false),
        (server.connection("new"), true),
    ] {
        std::fs::write(&file, settings).unwrap();
        let mut app = home.app().await;
        assert_eq!(gaps(&app.handle.snapshots().borrow()), [("old".to_owned(), GapView::Open)]);
        app.until(|snapshot| is_missing(gaps(snapshot)[0].1) == ends).await;
        app.handle.stop().await;
    }
}

#[tokio::test]
async fn a_time_without_the_connection_says_so_and_one_without_heartwire_too() {
    let mut server = Server::start().await;
    let other = Server::start().await;
    let home = Home::with(&(server.connection("crm") + &other.connection("kept")));
    let url = format!("ws://{}/", server.address);
    let connected =
        |snapshot: &Snapshot| ["crm", "kept"].iter().all(|name| state(snapshot, name) == Some(LinkState::Connected));
    let known = |snapshot: &Snapshot| gaps(snapshot).iter().all(|(_, gap)| is_missing(*gap));
    let mut app = home.app().await;
    app.until(connected).await;
    app.ask(Request::RemoveConnection { connection: "crm".into() }).await;
    server.closed().await;
    app.save(None, form("crm", url.clone())).await;
    let snapshot = app.until(|snapshot| connected(snapshot) && !snapshot.history.is_empty() && known(snapshot)).await;
    assert_eq!(causes(&snapshot), [("crm", "not-configured")], "in one run");

    app.ask(Request::RemoveConnection { connection: "crm".into() }).await;
    app.handle.stop().await;
    let mut app = home.app().await;
    app.until(|snapshot| state(snapshot, "kept") == Some(LinkState::Connected)).await;
    app.save(None, form("crm", url)).await;
    let snapshot = app.until(|snapshot| connected(snapshot) && causes(snapshot).len() == 3 && known(snapshot)).await;
    assert_eq!(causes(&snapshot)[..2], [("crm", "not-configured"), ("kept", "not-running")], "over a restart");
    app.handle.stop().await;
}

#[tokio::test]
async fn an_outage_before_the_first_contact_does_not_stay_open() {
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let reconnect = "reconnect = { fixed = \"300ms\", jitter = \"none\" }\n";
    let home = Home::with(&format!("[[connections]]\nname = \"crm\"\nurl = \"ws://{address}/\"\n{reconnect}"));
    let mut app = home.app().await;
    app.until(|snapshot| gaps(snapshot) == [("crm".to_owned(), GapView::Open)]).await;
    let _server = Server::on(tokio::net::TcpListener::bind(address).await.unwrap());
    app.until(|snapshot| gaps(snapshot) == [("crm".to_owned(), GapView::Complete { recovered: 0 })]).await;
    app.handle.stop().await;
}

fn gaps(snapshot: &Snapshot) -> Vec<(String, GapView)> {
    snapshot.history.iter().map(|row| (row.connection.clone(), row.gap)).collect()
}

fn causes(snapshot: &Snapshot) -> Vec<(&str, &str)> {
    snapshot.history.iter().map(|row| (row.connection.as_str(), row.cause.code.as_str())).collect()
}

fn is_missing(gap: GapView) -> bool {
    matches!(gap, GapView::Incomplete { .. })
}
