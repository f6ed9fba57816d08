//! Connections that are renamed, removed and added while their sockets are open.

use heartwire_core::control::Request;
use heartwire_core::settings::ConnectionForm;
use heartwire_core::view::LinkState;

use crate::home::{Home, state};
use crate::server::Server;

fn form(name: &str, url: String) -> ConnectionForm {
    ConnectionForm { name: Some(name.to_owned()), url: Some(url), ..ConnectionForm::default() }
}

#[tokio::test]
async fn a_renamed_connection_never_has_two_sockets() {
    let mut server = Server::start().await;
    let home = Home::with(&server.connection("old"));
    let mut app = home.app().await;
    server.opened().await;
    app.save(Some("old"), form("new", format!("ws://{}/", server.address))).await;
    server.opened().await;
    app.until(|snapshot| state(snapshot, "new") == Some(LinkState::Connected)).await;
    assert_eq!(server.most_open(), 1);
    app.handle.stop().await;
}

#[tokio::test]
async fn what_is_removed_and_added_again_at_once_never_has_two_sockets() {
    let mut server = Server::start().await;
    let home = Home::with(&server.connection("crm"));
    let mut app = home.app().await;
    server.opened().await;
    app.ask(Request::RemoveConnection { connection: "crm".into() }).await;
    app.save(None, form("crm", format!("ws://{}/again", server.address))).await;
    server.opened().await;
    app.until(|snapshot| state(snapshot, "crm") == Some(LinkState::Connected)).await;
    assert_eq!(server.most_open(), 1);
    app.handle.stop().await;
}

#[tokio::test]
async fn a_pause_goes_where_its_connection_goes() {
    let mut server = Server::start().await;
    let home = Home::with(&server.connection("old"));
    let mut app = home.app().await;
    server.opened().await;
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
    let mut server = Server::start().await;
    let home = Home::with(&server.connection("crm"));
    let mut app = home.app().await;
    server.opened().await;
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
