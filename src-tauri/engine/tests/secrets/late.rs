//! A secret that the keyring does not take at once: who gave it hears why, and what came of it is never lost.

use std::time::Duration;

use heartwire_core::settings::ConnectionForm;
use heartwire_core::view::LinkState;

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
