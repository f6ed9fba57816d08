//! When a fetch is tried again, how long it waits for a server that says nothing, and what it says in the log.

use std::future::poll_fn;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use heartwire_core::cause::{Cause, CauseCode};
use heartwire_core::dialect::Answer;
use heartwire_engine::fetch::{Event, Fetching};
use tokio::io::AsyncWriteExt;
use tokio::time::{Instant, advance, pause, timeout};

use crate::rig::{accept_tcp, listener, request};
use crate::{OK, answer, breaks, dial, fetching, get, next, parts};

#[tokio::test]
async fn a_failed_try_is_followed_by_another_from_the_beginning() {
    let (listener, port) = listener().await;
    let mut fetching = fetching(port, Answer::Lines);
    let serving = async {
        let (_, first) = answer(&listener, &format!("{OK}Content-Length: 9\r\n\r\na\nb\nc")).await;
        let (_, second) = answer(&listener, "HTTP/1.1 503 Later\r\nRetry-After: 1\r\n\r\n").await;
        let asked_to_wait = Instant::now();
        let (stream, third) = answer(&listener, &format!("{OK}Content-Length: 6\r\n\r\na\nb\nc\n")).await;
        assert!(asked_to_wait.elapsed() >= Duration::from_secs(1), "{:?}", asked_to_wait.elapsed());
        assert_eq!(first, second);
        assert_eq!(first, third);
        stream
    };
    let trying = async {
        let (lines, code, _) = breaks(&mut fetching).await;
        assert_eq!((lines, code.as_str()), (vec!["a".to_owned(), "b".to_owned()], "reset"));
        assert_eq!(broken(&mut fetching).await.retry_after, Some(Duration::from_secs(1)));
        parts(&mut fetching).await
    };
    assert_eq!(tokio::join!(trying, serving).0, ["a", "b", "c"]);
}

#[tokio::test(start_paused = true)]
async fn a_fetch_that_is_to_wait_is_asked_when_its_time_has_come() {
    let (refusing, port) = listener().await;
    drop(refusing);
    let wait = Duration::from_secs(2);
    let mut fetching = fetching(port, Answer::Lines).after(wait);
    let before = Instant::now();
    broken(&mut fetching).await;
    assert!((wait..wait + Duration::from_millis(2)).contains(&before.elapsed()), "{:?}", before.elapsed());
}

#[tokio::test(start_paused = true)]
async fn tries_become_ever_rarer_and_never_stop() {
    let (refusing, port) = listener().await;
    drop(refusing);
    let mut fetching = fetching(port, Answer::Lines);
    let mut bound = Duration::from_secs(1);
    broken(&mut fetching).await;
    let mut waited = Vec::new();
    for _ in 0..200 {
        let before = Instant::now();
        broken(&mut fetching).await;
        let took = before.elapsed();
        // Timers have a millisecond's grain.
        assert!(took <= bound + Duration::from_millis(2), "{took:?} of {bound:?}");
        waited.push(took);
        bound = Duration::from_secs(60).min(bound * 2);
    }
    let mean = waited[10..].iter().sum::<Duration>() / 190;
    assert!((Duration::from_secs(24)..Duration::from_secs(36)).contains(&mean), "{mean:?}");
}

#[tokio::test]
async fn a_server_that_says_nothing_is_given_up_after_half_a_minute() {
    let (listener, port) = listener().await;
    let mut fetching = fetching(port, Answer::Lines);
    let asking = async {
        let mut polled = Box::pin(broken(&mut fetching));
        // Real time until it has asked.
        assert!(timeout(Duration::from_millis(300), &mut polled).await.is_err());
        pause();
        polled.await
    };
    let silent = async {
        let mut stream = accept_tcp(&listener).await;
        request(&mut stream).await;
        stream
    };
    let (cause, _stream) = tokio::join!(asking, silent);
    let words = "no answer to the request for messages within 30 s";
    assert_eq!((cause.code, cause.text.as_str()), (CauseCode::ConnectTimeout, words));
}

#[tokio::test]
async fn silence_within_an_answer_counts_only_while_somebody_waits_for_it() {
    let (listener, port) = listener().await;
    let mut fetching = fetching(port, Answer::Lines);
    let head = format!("{OK}Content-Length: 100\r\n\r\na\n");
    let (first, (mut stream, _)) = tokio::join!(next(&mut fetching), answer(&listener, &head));
    assert_eq!(first, Event::Part("a".to_owned()));
    pause();
    advance(Duration::from_secs(100)).await;
    stream.write_all(b"b\n").await.unwrap();
    assert_eq!(poll_fn(|cx| fetching.poll_next(cx)).await, Event::Part("b".to_owned()));
    advance(Duration::from_secs(100)).await;
    let before = Instant::now();
    let cause = broken(&mut fetching).await;
    let words = "nothing more of the answer to the request for messages came for 30 s";
    assert_eq!((cause.code, cause.text.as_str()), (CauseCode::ConnectTimeout, words));
    let took = before.elapsed();
    assert!((Duration::from_secs(30)..Duration::from_secs(31)).contains(&took), "{took:?}");
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        io::Write::write(&mut *self.0.lock().unwrap(), bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_told_once_a_minute_and_without_anything_that_may_be_secret() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let (refusing, port) = listener().await;
    drop(refusing);
    let socket = dial(&format!("ws://me:secret@127.0.0.1:{port}/secret"));
    let fetch = get(&format!("http://127.0.0.1:{port}/secret?token=secret"), Answer::Lines);
    let mut fetching = Fetching::new(&socket, fetch, 1);
    let start = Instant::now();
    let mut failures = 0;
    while start.elapsed() < Duration::from_secs(600) {
        broken(&mut fetching).await;
        failures += 1;
    }
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(!log.contains("secret"), "{log}");
    let told: Vec<_> = log.lines().collect();
    assert!(told.len() < failures && (6..=11).contains(&told.len()), "{failures} failures: {log}");
    let words = format!(
        "WARN heartwire_engine::fetch: messages could not be fetched from 127.0.0.1, which is tried again: nobody \
         listens at 127.0.0.1:{port}"
    );
    assert!(told.iter().all(|line| line.ends_with(&words)), "{log}");
}

/// The next try fails, whenever that is.
async fn broken(fetching: &mut Fetching) -> Cause {
    match poll_fn(|cx| fetching.poll_next(cx)).await {
        Event::Broken(cause) => cause,
        other => panic!("{other:?}"),
    }
}
