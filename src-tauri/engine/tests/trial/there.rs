//! Steps on the socket: the handshake, the heartbeat, a message, a fetch; and that nothing else hears of a test.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use heartwire_core::trial::{Outcome, Step};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

use crate::rig::{accept, listener, read_to_end};
use crate::{connection, step, walk, within, words};

const WAY: [&str; 7] = ["(secret)", "proxy", "dns", "tcp", "(tls)", "upgrade", "subscription"];

fn after(steps: &[&str]) -> Vec<String> {
    WAY.iter().chain(steps).map(ToString::to_string).collect()
}

/// A server that upgrades one client and plays a part.
async fn plays<F: Future<Output = ()> + Send>(
    play: impl FnOnce(WebSocketStream<TcpStream>) -> F + Send + 'static,
) -> u16 {
    let (listener, port) = listener().await;
    tokio::spawn(async move { play(accept(&listener).await).await });
    port
}

/// Says this whenever it hears something, until the client goes away.
async fn answers(mut socket: WebSocketStream<TcpStream>, answer: &'static str) {
    while let Some(Ok(Message::Text(_))) = socket.next().await {
        socket.send(answer.into()).await.unwrap();
    }
}

fn texts(port: u16, more: &Value) -> Value {
    let mut keys = json!({
        "url": format!("ws://127.0.0.1:{port}/"),
        "heartbeat": { "kind": "text", "send": "beat", "reply": { "equals": "alive" }, "every": "1h", "timeout": "2s" },
    });
    keys.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    keys
}

#[tokio::test]
async fn a_heartbeat_that_is_answered_and_a_message() {
    let port = plays(|mut socket| async move {
        socket.send(r#"{"title":"Order\u202e","text":"Two lamps"}"#.into()).await.unwrap();
        answers(socket, "alive").await;
    })
    .await;
    let steps = walk(connection(texts(port, &json!({})))).await;
    let mut made = words(&steps);
    made[7..].sort_unstable();
    assert_eq!(made, after(&["heartbeat", "message"]));
    assert_eq!(step(&steps, Step::Upgrade).detail, "101 Switching Protocols");
    assert_eq!(step(&steps, Step::Heartbeat).detail, "it was answered");
    assert_eq!(step(&steps, Step::Message).detail, "one came: Order");
}

#[tokio::test]
async fn no_message_is_no_failure() {
    let port = plays(|socket| answers(socket, "alive")).await;
    let steps = walk(connection(texts(port, &json!({})))).await;
    assert_eq!(words(&steps), after(&["heartbeat", "(message)"]));
    let last = steps.last().unwrap();
    assert_eq!(last.detail, "none came within 10 s, which may be as it should");
    assert!((10_000.0..12_000.0).contains(&last.took_ms), "{last:?}");
}

#[tokio::test]
async fn a_heartbeat_that_nobody_answers() {
    let port = plays(|mut socket| async move { while let Some(Ok(_)) = socket.next().await {} }).await;
    let steps = walk(connection(texts(port, &json!({})))).await;
    assert_eq!(words(&steps), after(&["heartbeat FAILED"]));
    let last = steps.last().unwrap();
    assert_eq!(last.cause.as_ref().unwrap().code, "heartbeat-timeout");
    assert!(last.advice.as_ref().unwrap().contains("heartbeat.kind"), "{last:?}");
}

#[tokio::test]
async fn a_server_that_says_something_else_is_alive() {
    let port = plays(|socket| answers(socket, r#"{"title":"what?"}"#)).await;
    let steps = walk(connection(texts(port, &json!({})))).await;
    assert_eq!(words(&steps), after(&["message", "heartbeat"]));
    assert_eq!(steps.last().unwrap().detail, "the server is alive; no answer to it was recognised");
}

#[tokio::test]
async fn only_silence_is_watched() {
    let port = plays(|mut socket| async move {
        socket.send(Message::binary(vec![1, 2, 3])).await.unwrap();
        while let Some(Ok(message)) = socket.next().await {
            assert!(message.is_close(), "{message:?}");
        }
    })
    .await;
    let none = json!({ "heartbeat": { "kind": "none", "every": "20s", "timeout": "10s" } });
    let steps = walk(connection(texts(port, &none))).await;
    assert_eq!(words(&steps), after(&["(heartbeat)", "message"]));
    assert_eq!(steps[7].detail, "none is sent: the server is dead when it is silent for 30 s");
    assert_eq!(steps[8].detail, "one came: 3 bytes");
}

#[tokio::test]
async fn a_server_that_closes_at_once() {
    let port = plays(|mut socket| async move {
        let _ = socket.close(None).await;
        while let Some(Ok(_)) = socket.next().await {}
    })
    .await;
    let steps = walk(connection(texts(port, &json!({})))).await;
    assert_eq!(words(&steps), after(&["heartbeat FAILED"]));
    assert_eq!(steps.last().unwrap().cause.as_ref().unwrap().code, "closed-1005");
}

#[tokio::test]
async fn a_test_with_a_limit_ends_by_then() {
    let port = plays(|socket| answers(socket, "alive")).await;
    let steps = within(connection(texts(port, &json!({}))), Some(Duration::from_secs(3))).await;
    assert_eq!(words(&steps), after(&["heartbeat", "message FAILED"]));
    assert_eq!(steps.last().unwrap().detail, "it was not done when the test had taken 3 s");
}

#[tokio::test]
async fn the_socket_is_closed_in_good_order_and_what_is_sent_on_opening_is_sent() {
    let (listener, port) = listener().await;
    let serving = tokio::spawn(async move {
        let mut socket = accept(&listener).await;
        let mut heard = Vec::new();
        while let Some(Ok(message)) = socket.next().await {
            if let Message::Text(text) = message {
                heard.push(text.to_string());
                socket.send("alive".into()).await.unwrap();
                socket.send("{}".into()).await.unwrap();
            }
        }
        let (more, reset) = read_to_end(socket.get_mut()).await;
        assert!(more.is_empty() && !reset);
        assert!(futures_util::FutureExt::now_or_never(listener.accept()).is_none(), "it is dialled once");
        heard
    });
    let steps = walk(connection(texts(port, &json!({ "on_open": ["hello"] })))).await;
    assert!(steps.iter().all(|step| step.outcome != Outcome::Failed), "{steps:#?}");
    assert_eq!(serving.await.unwrap(), ["hello", "beat"]);
}
