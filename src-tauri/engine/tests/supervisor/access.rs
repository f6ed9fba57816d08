//! What the settings say of the way to a server reaches its dials.

use heartwire_core::view::LinkState;
use tokio::net::TcpListener;

use crate::home::{Home, connection};

#[tokio::test]
async fn the_tls_and_the_proxy_of_the_settings_are_those_of_the_dials() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let home = Home::with(&format!(
        "[[connections]]\nname = 'tls'\nurl = 'wss://{}/'\ntls = {{ ca_file = '/nowhere/ca.pem' }}\n\
         [[connections]]\nname = 'proxy'\nurl = 'ws://crm.invalid/'\nproxy = {{ url = 'http://me:secret@{closed}' }}\n",
        listener.local_addr().unwrap()
    ));
    let mut app = home.app().await;
    let check = async |app: &mut crate::home::App, name: &str, state: LinkState, code: &str, words: String| {
        let snapshot = app.until(|snapshot| crate::state(snapshot, name) == Some(state)).await;
        let cause = connection(&snapshot, name).cause.clone().unwrap();
        assert_eq!((cause.code.as_str(), cause.text), (code, words));
    };
    let words = "the CA file /nowhere/ca.pem cannot be read (No such file or directory (os error 2))".to_owned();
    check(&mut app, "tls", LinkState::Blocked, "configuration", words).await;
    let words = format!("the proxy http://{closed} cannot be reached: nobody listens at {closed}");
    check(&mut app, "proxy", LinkState::Waiting, "proxy", words).await;
    app.handle.stop().await;
}
