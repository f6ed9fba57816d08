//! Answers that are given: in pieces, in chunks, as they come, and no faster than they are taken.

use std::process::Stdio;
use std::time::Duration;

use heartwire_core::dialect::{Answer, Fetch};
use heartwire_engine::fetch::{Event, Fetching};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::Command;
use tokio::time::{sleep, timeout};

use crate::rig::{accept_tcp, listener, read_to_end, request};
use crate::{OK, answer, answer_and_close, dial, fetching, get, is_over, next, parts};

async fn given(said: &str, wanted: Answer) -> Vec<String> {
    let (listener, port) = listener().await;
    let mut fetching = fetching(port, wanted);
    tokio::join!(parts(&mut fetching), answer_and_close(&listener, said)).0
}

#[tokio::test]
async fn each_way_to_say_how_long_a_body_is_is_understood() {
    let check = async |head: &str, body: &str| {
        let said = format!("{head}\r\n{body}");
        assert_eq!(given(&said, Answer::Lines).await, ["one", "two", "drei"], "{head}");
        assert_eq!(given(&said, Answer::Whole).await, ["one\r\ntwo\n\ndrei"], "{head}");
    };
    let text = "one\r\ntwo\n\ndrei";
    check(&format!("{OK}Content-Length: 14\r\n"), text).await;
    check(&format!("{OK}Content-Length: 14\r\nContent-Encoding: identity\r\n"), text).await;
    check(&format!("{OK}Connection: close\r\n"), text).await;
    check("HTTP/1.0 200 OK\r\n", text).await;
    let chunks = "3;name=value\r\none\r\nA\r\n\r\ntwo\n\ndre\r\n1\r\ni\r\n0\r\nTrailer: x\r\n\r\n";
    check(&format!("{OK}Transfer-Encoding: chunked\r\n"), chunks).await;
    check(&format!("HTTP/1.1 100 Continue\r\n\r\n{OK}Content-Length: 14\r\n"), text).await;
}

#[tokio::test]
async fn an_empty_answer_has_no_lines_and_is_one_empty_whole() {
    for head in [format!("{OK}Content-Length: 0"), "HTTP/1.1 204 No Content".to_owned()] {
        let said = format!("{head}\r\n\r\n");
        assert!(given(&said, Answer::Lines).await.is_empty(), "{head}");
        assert_eq!(given(&said, Answer::Whole).await, [""], "{head}");
    }
}

#[tokio::test]
async fn no_cut_of_the_stream_changes_what_is_given() {
    let said =
        format!("{OK}Transfer-Encoding: chunked\r\n\r\n5\r\na\nb\r\n\r\n4\r\nc\u{e9}\n\r\n2\r\nd\n\r\n0\r\n\r\n");
    let (listener, port) = listener().await;
    for cut in 0..=said.len() {
        let mut fetching = fetching(port, Answer::Lines);
        let serving = async {
            let mut stream = accept_tcp(&listener).await;
            request(&mut stream).await;
            stream.write_all(&said.as_bytes()[..cut]).await.unwrap();
            // What lies before the cut is read by itself.
            sleep(Duration::from_millis(2)).await;
            stream.write_all(&said.as_bytes()[cut..]).await.unwrap();
            read_to_end(&mut stream).await
        };
        let (given, (more, reset)) = tokio::join!(
            async {
                let given = parts(&mut fetching).await;
                drop(fetching);
                given
            },
            serving
        );
        assert_eq!(given, ["a", "b", "c\u{e9}", "d"], "cut at {cut}");
        assert!(more.is_empty() && !reset, "the connection ends in good order");
    }
}

#[tokio::test]
async fn a_line_is_given_as_soon_as_it_is_there() {
    let (listener, port) = listener().await;
    let mut fetching = fetching(port, Answer::Lines);
    let said = format!("{OK}Transfer-Encoding: chunked\r\n\r\n6\r\none\ntw\r\n");
    let (first, (mut stream, _)) = tokio::join!(next(&mut fetching), answer(&listener, &said));
    assert_eq!(first, Event::Part("one".to_owned()));
    is_over(&mut fetching).await;
    stream.write_all(b"2\r\no\n\r\n").await.unwrap();
    assert_eq!(next(&mut fetching).await, Event::Part("two".to_owned()));
    stream.write_all(b"0\r\n\r\n").await.unwrap();
    assert_eq!(next(&mut fetching).await, Event::End);
}

#[tokio::test]
async fn that_something_was_left_out_is_told_before_the_rest() {
    let (listener, port) = listener().await;
    let url = format!("http://127.0.0.1:{port}/log");
    let given = async |cut: Option<&'static str>, field: &str| {
        let dial = dial(&format!("ws://127.0.0.1:{port}/ws"));
        let mut fetching = Fetching::new(&dial, Fetch { cut, ..get(&url, Answer::Lines) }, 1);
        let said = format!("{OK}{field}Content-Length: 4\r\n\r\none\n");
        let taking = async { [next(&mut fetching).await, next(&mut fetching).await] };
        tokio::join!(taking, answer_and_close(&listener, &said)).0
    };
    let one = || Event::Part("one".to_owned());
    assert_eq!(given(Some("x-cut"), "X-Cut: 1\r\n").await, [Event::Cut, one()]);
    assert_eq!(given(Some("x-cut"), "").await, [one(), Event::End]);
    assert_eq!(given(None, "X-Cut: 1\r\n").await, [one(), Event::End]);
}

#[tokio::test]
async fn what_is_no_utf_8_is_replaced() {
    let (listener, port) = listener().await;
    for wanted in [Answer::Lines, Answer::Whole] {
        let mut fetching = fetching(port, wanted);
        let serving = async {
            let mut stream = accept_tcp(&listener).await;
            request(&mut stream).await;
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\na\xffb").await.unwrap();
            stream
        };
        assert_eq!(tokio::join!(parts(&mut fetching), serving).0, ["a\u{fffd}b"]);
    }
}

#[tokio::test]
async fn nothing_is_read_ahead_of_what_is_taken_and_a_drop_closes() {
    let (listener, port) = listener().await;
    let mut fetching = fetching(port, Answer::Lines);
    let head = format!("{OK}Connection: close\r\n\r\n1\n");
    let (first, (mut stream, _)) = tokio::join!(next(&mut fetching), answer(&listener, &head));
    assert_eq!(first, Event::Part("1".to_owned()));
    // The kernel's two buffers take some, and then the server has to wait.
    let lines = vec![b'\n'; 64 * 1024];
    let mut sent = 0;
    while let Ok(written) = timeout(Duration::from_millis(300), stream.write(&lines)).await {
        sent += written.unwrap();
        assert!(sent < 64 * 1024 * 1024, "somebody takes everything");
    }
    // Once it is taken there is room again.
    let pull = async { timeout(Duration::from_millis(300), next(&mut fetching)).await };
    let (_, more) = tokio::join!(pull, timeout(Duration::from_secs(5), stream.write(&lines)));
    assert!(more.unwrap().unwrap() > 0);
    drop(fetching);
    read_to_end(&mut stream).await;
}

/// Python's own server: 100,000 lines of it, one by one and whole.
#[tokio::test]
async fn a_server_of_another_project_is_understood() {
    let folder = tempfile::tempdir().unwrap();
    let lines: Vec<_> = (0..100_000).map(|number| format!("{{\"id\":\"{number}\"}}")).collect();
    std::fs::write(folder.path().join("log"), lines.join("\n")).unwrap();
    let mut server = Command::new("python3");
    server.args(["-u", "-m", "http.server", "0", "--bind", "127.0.0.1"]).current_dir(folder.path());
    let Ok(mut server) = server.stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true).spawn() else {
        return xtask::test::skip("answers::a_server_of_another_project_is_understood", "there is no python3");
    };
    let mut says = BufReader::new(server.stdout.take().unwrap()).lines();
    let said = says.next_line().await.unwrap().unwrap();
    let port = said.split_once(" port ").unwrap().1.split(' ').next().unwrap().parse().unwrap();
    assert_eq!(parts(&mut fetching(port, Answer::Lines)).await, lines);
    assert_eq!(parts(&mut fetching(port, Answer::Whole)).await, [lines.join("\n")]);
}
