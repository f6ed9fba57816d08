//! Fetches: what they ask and by which way, what they make of every answer, and when they ask again. The servers are
//! written here byte by byte, so that they can be cut anywhere and be wrong; one is another project's.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests fail the test")]

mod answers;
mod asked;
mod broken;
#[path = "../common/pki.rs"]
mod pki;
mod retries;
#[path = "../common/rig.rs"]
mod rig;
mod ways;

use std::future::poll_fn;

use heartwire_core::dialect::{Answer, Fetch};
use heartwire_core::settings::Proxy;
use heartwire_engine::dial::DialRequest;
use heartwire_engine::fetch::{Event, Fetching};
use heartwire_engine::tls::TlsConfig;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use rig::{AGES, accept_tcp, connection, request};

const OK: &str = "HTTP/1.1 200 OK\r\n";

/// The dial of the socket beside which something is fetched.
fn dial(url: &str) -> DialRequest {
    let mut connection = connection(1);
    connection.url = url.parse().unwrap();
    connection.connect_timeout = AGES;
    connection.proxy = Proxy::None;
    DialRequest::new(&connection, TlsConfig::platform())
}

fn get(url: &str, answer: Answer) -> Fetch {
    Fetch { url: url.parse().unwrap(), form: None, answer, cut: None }
}

fn post(url: &str, fields: &[(&str, &str)]) -> Fetch {
    let fields = fields.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
    Fetch { form: Some(fields), ..get(url, Answer::Whole) }
}

/// A fetch from this port of this computer, beside a socket there.
fn fetching(port: u16, answer: Answer) -> Fetching {
    Fetching::new(&dial(&format!("ws://127.0.0.1:{port}/ws")), get(&format!("http://127.0.0.1:{port}/log"), answer), 1)
}

async fn next(fetching: &mut Fetching) -> Event {
    timeout(AGES, poll_fn(|cx| fetching.poll_next(cx))).await.expect("something must come of it")
}

/// Nothing comes of it any more.
async fn is_over(fetching: &mut Fetching) {
    for _ in 0..3 {
        assert!(futures_util::poll!(poll_fn(|cx| fetching.poll_next(cx))).is_pending());
        tokio::task::yield_now().await;
    }
}

/// Everything until the end.
async fn parts(fetching: &mut Fetching) -> Vec<String> {
    let mut parts = Vec::new();
    loop {
        match next(fetching).await {
            Event::Part(part) => parts.push(part),
            Event::End => break,
            other => panic!("{other:?} after {parts:?}"),
        }
    }
    is_over(fetching).await;
    parts
}

/// The code and the words of why the next try fails, and the parts before.
async fn breaks(fetching: &mut Fetching) -> (Vec<String>, String, String) {
    let mut parts = Vec::new();
    loop {
        match next(fetching).await {
            Event::Part(part) => parts.push(part),
            Event::Broken(cause) => return (parts, cause.code.to_string(), cause.text),
            other => panic!("{other:?} after {parts:?}"),
        }
    }
}

/// Takes one connection, reads the request, and says this.
async fn answer(listener: &TcpListener, said: &str) -> (TcpStream, String) {
    let mut stream = accept_tcp(listener).await;
    let asked = request(&mut stream).await;
    stream.write_all(said.as_bytes()).await.unwrap();
    (stream, asked)
}

/// The same, and the connection is closed when the client has closed it, or at once.
async fn answer_and_close(listener: &TcpListener, said: &str) -> String {
    let (mut stream, asked) = answer(listener, said).await;
    stream.shutdown().await.unwrap();
    let _ = stream.read_to_end(&mut Vec::new()).await;
    asked
}

/// The value of a field of a request.
fn field<'a>(asked: &'a str, name: &str) -> Option<&'a str> {
    let lines = asked.lines().filter_map(|line| line.split_once(": "));
    let mut values = lines.filter(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value);
    let value = values.next();
    assert_eq!(values.next(), None, "{name} comes twice");
    value
}
