//! The demo server, seen by a client of its own; and scripts, good and bad.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests fail the test")]

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use heartwire_engine::demo_server::{Action, Event, Script, Step, What, serve};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

type Socket = WebSocketStream<TcpStream>;
type Log = Arc<Mutex<Vec<Event>>>;

#[tokio::test]
async fn it_sends_heartbeats_back_and_what_the_script_says() {
    let (port, log) = start(
        r#"
        [[steps]]
        after = "50ms"
        do = "send"
        text = ['{"title":"One","id":"{id}"}', '{"title":"Two","id":"{id}"}']
        [[steps]]
        do = "send"
        text = "plain"
        "#,
    )
    .await;
    let mut socket = connect(port).await;
    socket.send(Message::text("HeartBeat")).await.unwrap();
    assert_eq!(text(&mut socket).await, "HeartBeat");
    let first: serde_json::Value = serde_json::from_str(&text(&mut socket).await).unwrap();
    assert_eq!(first["title"], "One");
    assert_eq!(text(&mut socket).await, "plain");

    socket.send(Message::text("good morning")).await.unwrap();
    let answer: serde_json::Value = serde_json::from_str(&text(&mut socket).await).unwrap();
    assert_eq!(answer["text"], "You sent: good morning");
    assert_ne!(answer["id"], first["id"]);

    // Still there after the last step.
    socket.send(Message::text("HeartBeat")).await.unwrap();
    assert_eq!(text(&mut socket).await, "HeartBeat");
    let beats = log.lock().unwrap().iter().filter(|event| event.what == What::Beat).count();
    assert_eq!(beats, 2);
}

#[tokio::test]
async fn its_silence_answers_nothing_and_closes_nothing_and_is_one_clients_alone() {
    let (port, log) = start("[[steps]]\ndo = 'silence'\nfor = '600ms'\n").await;
    // Not before this it falls silent, so the answer cannot come earlier than 600 ms from here.
    let began = Instant::now();
    let mut silent = connect(port).await;
    let fallen = |event: &Event| matches!(event.what, What::Silent(_));
    while !log.lock().unwrap().iter().any(fallen) {
        tokio::task::yield_now().await;
    }
    silent.send(Message::text("HeartBeat")).await.unwrap();
    assert_eq!(text(&mut silent).await, "HeartBeat", "the answer comes when the silence is over");
    assert!(began.elapsed() >= Duration::from_millis(600), "{:?}", began.elapsed());

    let _other_which_is_silent_now = connect(port).await;
    silent.send(Message::text("HeartBeat")).await.unwrap();
    assert_eq!(text(&mut silent).await, "HeartBeat");
}

#[tokio::test]
async fn it_closes_with_a_code_or_drops_without_a_word() {
    let (port, _) = start("[[steps]]\ndo = 'close'\ncode = 1012\n").await;
    match connect(port).await.next().await {
        Some(Ok(Message::Close(Some(frame)))) => assert_eq!(u16::from(frame.code), 1012),
        other => panic!("{other:?}"),
    }
    let (port, _) = start("[[steps]]\nafter = '20ms'\ndo = 'drop'\n").await;
    match connect(port).await.next().await {
        Some(Err(Error::Io(error))) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_script_that_repeats_begins_again_and_no_id_comes_twice() {
    let (port, _) = start("repeat = true\n[[steps]]\nafter = '10ms'\ndo = 'send'\ntext = '{id}'\n").await;
    let (mut one, mut two) = (connect(port).await, connect(port).await);
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.push(text(&mut one).await);
        ids.push(text(&mut two).await);
    }
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 10, "{ids:?}");
}

#[tokio::test]
async fn dropping_the_server_ends_every_connection() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = tokio::spawn(serve(listener, Script::default(), |_| {}));
    let mut socket = connect(port).await;
    server.abort();
    let end = timeout(Duration::from_secs(5), socket.next()).await.unwrap();
    assert!(matches!(end, None | Some(Err(_))), "{end:?}");
    assert!(TcpStream::connect(("127.0.0.1", port)).await.is_err());
}

#[tokio::test]
async fn a_script_by_the_clock_is_one_for_all_and_a_newcomer_joins_in_the_middle() {
    let began = Instant::now();
    let steps = "every = '900ms'\n[[steps]]\nafter = '400ms'\ndo = 'silence'\nfor = '300ms'\n\
                 [[steps]]\nafter = '100ms'\ndo = 'send'\ntext = 'after'\n";
    let (port, log) = start(steps).await;
    let mut first = connect(port).await;
    let silences = || log.lock().unwrap().iter().filter(|event| matches!(event.what, What::Silent(_))).count();
    while silences() == 0 {
        tokio::task::yield_now().await;
    }
    assert!(began.elapsed() >= Duration::from_millis(400));
    // The silence is not the newcomer's, whose next step is the message. That it comes before the next silence is the
    // clock's doing: from its opening on, a silence would be first.
    let mut newcomer = connect(port).await;
    newcomer.send(Message::text("HeartBeat")).await.unwrap();
    assert_eq!(text(&mut newcomer).await, "HeartBeat");
    assert_eq!(text(&mut newcomer).await, "after");
    assert_eq!(text(&mut first).await, "after");
    assert!(began.elapsed() >= Duration::from_millis(800));
    assert_eq!(text(&mut first).await, "after");
    assert!(began.elapsed() >= Duration::from_millis(1700));
    assert!(silences() >= 2);
}

#[test]
fn the_demo_talks_every_quarter_minute_and_is_silent_once_a_minute() {
    let script = Script::default();
    let (mut at, mut sends, mut silences) = (Duration::ZERO, Vec::new(), Vec::new());
    for Step { after, action } in &script.steps {
        at += *after;
        match action {
            Action::Send(texts) => {
                assert!(texts.iter().all(|text| text.contains("{id}") && text.contains("title")));
                sends.push(at.as_secs());
            }
            Action::Silence(time) => {
                silences.push((at.as_secs(), time.as_secs()));
                at += *time;
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(script.every, Some(Duration::from_secs(60)));
    assert_eq!(sends, [2, 17, 32, 47]);
    // Early enough for whoever watches for a minute only, the return and what comes after it included.
    assert_eq!(silences, [(18, 12)]);
}

#[test]
fn a_bad_script_is_refused_with_its_line() {
    let check = |script: &str, line: usize, expected: &str| {
        let error = Script::parse(script).unwrap_err();
        assert_eq!(error.line, Some(line), "{error} in {script}");
        assert!(error.message.contains(expected), "{error}");
        assert!(error.to_string().starts_with(&format!("{line}: ")), "{error}");
    };
    let good = "[[steps]]\nafter = '1s'\ndo = 'drop'\n\n";
    check("steps = 3", 1, "invalid type");
    check("[[steps]\n", 1, "");
    check("color = 'red'\nsteps = []", 1, "color");
    check(&format!("{good}[[steps]]\ndo = 'dance'\n"), 5, "\"dance\" is nothing a step can do");
    check(&format!("{good}[[steps]]\ndo = 'send'\n"), 5, "has a `text`");
    check(&format!("{good}[[steps]]\ndo = 'send'\ntext = []\n"), 5, "empty list");
    check(&format!("{good}[[steps]]\ndo = 'silence'\nfor = 'a while'\n"), 5, "\"a while\"");
    check(&format!("{good}[[steps]]\ndo = 'close'\ncode = 1005\n"), 5, "1005 cannot be sent");
    check(&format!("{good}[[steps]]\nafter = '-3s'\ndo = 'drop'\n"), 5, "-3s");
    check(&format!("{good}[[steps]]\nafter = '1s'\n"), 5, "no `do`");
    check(&format!("{good}[[steps]]\ndo = 'drop'\nfrom = '1s'\n"), 7, "from");

    let endless = Script::parse("repeat = true\n[[steps]]\ndo = 'send'\ntext = 'x'\n").unwrap_err();
    assert!(endless.to_string().contains("without taking any time"), "{endless}");
    for every in ["1s", "0s"] {
        let written = format!("every = '{every}'\n[[steps]]\nafter = '2s'\ndo = 'send'\ntext = 'x'\n");
        let error = Script::parse(&written).unwrap_err().to_string();
        assert!(error.contains("the steps take 2 s"), "{error}");
    }
}

#[test]
fn a_script_that_cannot_be_read_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("missing.toml");
    let error = Script::load(&file).unwrap_err().to_string();
    assert!(error.starts_with(&format!("{}: the script cannot be read", file.display())), "{error}");
    std::fs::write(&file, "steps = []\nrepeat = 7\n").unwrap();
    let error = Script::load(&file).unwrap_err().to_string();
    assert!(error.starts_with(&format!("{}:2: ", file.display())), "{error}");
}

async fn start(script: &str) -> (u16, Log) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let log = Log::default();
    let kept = Arc::clone(&log);
    tokio::spawn(serve(listener, Script::parse(script).unwrap(), move |event| kept.lock().unwrap().push(event)));
    (port, log)
}

async fn connect(port: u16) -> Socket {
    let stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    client_async(format!("ws://127.0.0.1:{port}/"), stream).await.unwrap().0
}

async fn text(socket: &mut Socket) -> String {
    let next = timeout(Duration::from_secs(10), socket.next()).await.expect("nothing comes");
    next.unwrap().unwrap().into_text().unwrap().to_string()
}
