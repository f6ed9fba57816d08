//! Steps of a dialect that has a handshake, a heartbeat and a fetch of its own.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use heartwire_core::cause::{Cause, CauseCode};
use heartwire_core::dialect::{
    Answer, Beat, Context, Dialect, Effects, Fetch, Incoming, Item, KeepAlive, LONGEST_MESSAGE, Login, Opening,
    Outgoing, Spec,
};
use heartwire_core::message::Message;
use heartwire_core::settings::Connection;
use heartwire_core::trial::{Outcome, Step, StepView};
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio_tungstenite::tungstenite::Message as Wire;

use crate::rig::{accept, accept_tcp, listener, request};
use crate::{connection, step, walk, words};

static SHY: Spec = Spec {
    name: "shy",
    beat: Beat::Own,
    sends: false,
    longest_text: None,
    longest_message: LONGEST_MESSAGE,
    login: Login::InFrames,
    cursor_in_handshake: false,
    one_socket: true,
    subscribe: None,
    subprotocols: &[],
    presets: &[],
    address: |url, _| url.clone(),
    make: |context| Box::new(Shy(context.clone())),
    check_url: |_| None,
};

/// It logs in with its secret and is ready with "welcome"; "silent" agrees on no heartbeat, "fetch" asks for the log, and
/// "message" is one that wants to be acknowledged.
struct Shy(Arc<Context>);

impl Dialect for Shy {
    fn opened(&mut self, opening: &Opening<'_>, effects: &mut Effects) {
        assert!(opening.cursor.is_none());
        effects.send(format!("login {}", opening.secret.unwrap().expose()));
    }

    fn frame(&mut self, frame: Incoming<'_>, effects: &mut Effects) {
        match frame {
            Incoming::Text("welcome") => effects.ready = true,
            Incoming::Text("no") => effects.fatal = Some(Cause::new(CauseCode::Unauthorized, "the login was refused")),
            Incoming::Text("alive") => effects.heartbeat_answered = true,
            Incoming::Text("silent") => {
                let (every, timeout) = (Duration::from_secs(20), Duration::from_secs(5));
                effects.keep_alive = Some(KeepAlive { every, timeout, always: false, ours: false });
            }
            Incoming::Text("fetch") => {
                let url = self.0.url.as_str().replace("ws://", "http://").parse().unwrap();
                effects.fetch = Some(Fetch { url, form: None, answer: Answer::Lines, cut: None });
            }
            Incoming::Text(text) => {
                effects.message(Message::new("", "", text, text.len()));
                effects.items.push(Item::Mark(1));
            }
            Incoming::Binary(_) => {}
        }
    }

    fn committed(&mut self, _: u64, _: &mut Effects) {
        panic!("a test keeps nothing, so it acknowledges nothing");
    }

    fn heartbeat(&mut self) -> Option<Outgoing> {
        Some(Outgoing::Text("beat".to_owned()))
    }
}

fn shy(port: u16) -> Connection {
    let mut connection = connection(json!({
        "url": format!("ws://127.0.0.1:{port}/"),
        "connect_timeout": "3s",
        "heartbeat": { "timeout": "3s" },
        "auth": { "kind": "token", "secret": { "command": ["echo", "hunter2"] } },
    }));
    connection.dialect.spec = &SHY;
    connection.heartbeat.kind = heartwire_core::link::HeartbeatKind::Own;
    connection
}

/// A server that says these words to a login, and answers heartbeats.
async fn speaks(listener: &TcpListener, words: &[&str]) {
    let mut socket = accept(listener).await;
    while let Some(Ok(message)) = socket.next().await {
        match message {
            Wire::Text(text) if text == "login hunter2" => {
                for &word in words {
                    socket.send(word.into()).await.unwrap();
                }
            }
            Wire::Text(text) => {
                assert_eq!(text, "beat");
                socket.send("alive".into()).await.unwrap();
            }
            _ => {}
        }
    }
}

async fn tested(says: &[&str]) -> Vec<StepView> {
    let (listener, port) = listener().await;
    tokio::join!(walk(shy(port)), speaks(&listener, says)).0
}

#[tokio::test]
async fn a_login_that_is_taken() {
    let steps = tested(&["welcome", "an order"]).await;
    let mut made = words(&steps);
    made[7..].sort_unstable();
    let wanted = ["secret", "proxy", "dns", "tcp", "(tls)", "upgrade", "subscription", "heartbeat", "message"];
    assert_eq!(made, wanted);
    let detail = &step(&steps, Step::Subscription).detail;
    assert!(detail.contains("\"shy\"") && detail.contains("does not come back"), "{detail}");
    assert_eq!(step(&steps, Step::Message).detail, "one came: an order");
}

#[tokio::test]
async fn a_login_that_is_refused_and_one_that_nobody_answers() {
    let check = async |says: &[&str], code: &str, part: &str, advice: &str| {
        let steps = tested(says).await;
        let wanted = ["secret", "proxy", "dns", "tcp", "(tls)", "upgrade", "subscription FAILED"];
        assert_eq!(words(&steps), wanted);
        let last = steps.last().unwrap();
        assert_eq!(last.cause.as_ref().unwrap().code, code);
        assert!(last.detail.contains(part) && last.advice.as_ref().unwrap().contains(advice), "{last:?}");
    };
    check(&["no"], "unauthorized", "the login was refused", "token or password").await;
    check(&[], "connect-timeout", "within 3 s", "dialect").await;
}

#[tokio::test]
async fn what_both_sides_agree_on_counts_for_the_heartbeat() {
    let (listener, port) = listener().await;
    let mut connection = shy(port);
    connection.dialect.auto_heartbeat = true;
    let steps = tokio::join!(walk(connection), speaks(&listener, &["silent", "welcome", "an order"])).0;
    let heartbeat = step(&steps, Step::Heartbeat);
    assert_eq!(heartbeat.outcome, Outcome::Skipped);
    assert_eq!(heartbeat.detail, "none is sent: the server is dead when it is silent for 25 s");
}

#[tokio::test]
async fn a_fetch_is_a_step_where_the_dialect_has_one() {
    let check = async |answer: &str, outcome: Outcome, detail: &str, advice: Option<&str>| {
        let (listener, port) = listener().await;
        let serving = async {
            let fetched = async {
                // The socket is the first connection, the fetch the second.
                let mut stream = accept_tcp(&listener).await;
                let asked = request(&mut stream).await;
                assert!(asked.starts_with("GET / HTTP/1.1"), "{asked}");
                assert!(!asked.contains("hunter2"), "{asked}");
                stream
                    .write_all(format!("HTTP/1.1 {answer}\r\nContent-Length: 3\r\n\r\nabc").as_bytes())
                    .await
                    .unwrap();
                stream
            };
            let mut socket = accept(&listener).await;
            for word in ["welcome", "fetch", "an order"] {
                socket.send(word.into()).await.unwrap();
            }
            let _stream = fetched.await;
            while let Some(Ok(message)) = socket.next().await {
                if message == Wire::text("beat") {
                    socket.send("alive".into()).await.unwrap();
                }
            }
        };
        let steps = tokio::join!(walk(shy(port)), serving).0;
        let fetch = step(&steps, Step::Fetch);
        assert_eq!((fetch.outcome, fetch.detail.as_str()), (outcome, detail));
        assert_eq!(fetch.advice.as_deref().map(|given| given.contains(advice.unwrap())), advice.map(|_| true));
        assert_eq!(step(&steps, Step::Heartbeat).outcome, Outcome::Ok, "it does not depend on the fetch");
    };
    check("200 OK", Outcome::Ok, "it was given", None).await;
    let words = "the server answered the request for messages with 404";
    check("404 Not Found", Outcome::Failed, words, Some("log of the server")).await;
    let words = "the server refused the credentials (401 Unauthorized)";
    check("401 Unauthorized", Outcome::Failed, words, Some("read messages")).await;
}
