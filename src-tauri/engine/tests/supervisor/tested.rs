//! A test of a connection beside its running link.

use heartwire_core::control::{FailCode, Reply, Request};
use heartwire_core::trial::{Outcome, Step};
use heartwire_core::view::LinkState;

use crate::home::{Home, state, with_one};

#[tokio::test]
async fn a_test_has_a_socket_of_its_own_and_leaves_no_trace() {
    let (mut server, _home, mut app) = with_one("crm").await;
    app.until(|snapshot| state(snapshot, "crm") == Some(LinkState::Connected)).await;
    let handle = app.handle.clone();
    let tested =
        tokio::spawn(async move { handle.request(Request::TestConnection { connection: "crm".into() }).await });
    server.opened().await;
    server.send(r#"{"id":"7","title":"Lead","text":"Call Ada"}"#);

    let Reply::Tested { steps } = tested.await.unwrap() else { panic!("it was not tested") };
    assert!(steps.iter().all(|step| step.outcome != Outcome::Failed), "{steps:#?}");
    let message = steps.iter().find(|step| step.step == Step::Message).unwrap();
    assert_eq!(message.detail, "one came: Lead");
    assert_eq!(server.closed().await, Some(1001), "the socket of the test");

    let snapshot = app.until(|snapshot| !snapshot.messages.is_empty()).await;
    assert_eq!(snapshot.messages.len(), 1, "the link's own");
    assert_eq!(state(&snapshot, "crm"), Some(LinkState::Connected));
    assert!(snapshot.history.is_empty(), "{:?}", snapshot.history);
    assert_eq!(server.opened_so_far(), 2);
    app.handle.stop().await;
}

#[tokio::test]
async fn a_connection_that_is_not_there_cannot_be_tested() {
    let home = Home::with("");
    let app = home.app().await;
    match app.handle.request(Request::TestConnection { connection: "crm".into() }).await {
        Reply::Failed { code, .. } => assert_eq!(code, FailCode::UnknownConnection),
        other => panic!("{other:?}"),
    }
    app.handle.stop().await;
}
