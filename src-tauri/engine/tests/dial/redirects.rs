//! Redirects of the upgrade request. Which of them are followed is decided by a table that has tests of its own; here they
//! are followed on sockets.

use tokio::io::AsyncWriteExt;

use crate::rig::{accept_tcp, listener, request};
use crate::{cause, fails, serve, to};

#[tokio::test]
async fn a_redirect_within_the_host_is_followed_with_headers_and_credentials() {
    let (listener, port) = listener().await;
    let mut wanted = to(&format!("ws://me:secret@localhost:{port}/old"));
    wanted.headers.insert("X-Tenant".to_owned(), "blue".to_owned());
    let acting = async {
        for (status, path, next) in [(301, "/old", "/a"), (307, "/a", "new?x=1")] {
            let mut stream = accept_tcp(&listener).await;
            let asked = request(&mut stream).await;
            assert!(asked.starts_with(&format!("GET {path} HTTP/1.1\r\n")), "{asked}");
            let answer = format!("HTTP/1.1 {status} Moved\r\nLocation: {next}\r\n\r\n");
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
        let mut stream = accept_tcp(&listener).await;
        let mut head = vec![0; 4096];
        let length = stream.peek(&mut head).await.unwrap();
        let asked = String::from_utf8_lossy(&head[..length]).to_lowercase();
        assert!(asked.starts_with("get /new?x=1 http/1.1\r\n"), "{asked}");
        assert!(asked.contains("authorization: basic bwu6c2vjcmv0\r\n"), "{asked}");
        assert!(asked.contains("x-tenant: blue\r\n"), "{asked}");
        serve(&mut stream).await;
    };
    let (dialled, ()) = tokio::join!(crate::heard(&wanted), acting);
    dialled.unwrap();
}

#[tokio::test]
async fn another_host_hears_nothing_of_us() {
    let (listener, port) = listener().await;
    let (other, other_port) = crate::rig::listener().await;
    let wanted = to(&format!("ws://me:secret@localhost:{port}/"));
    let acting = async {
        let mut stream = accept_tcp(&listener).await;
        request(&mut stream).await;
        let answer = format!("HTTP/1.1 302 Found\r\nLocation: ws://127.0.0.1:{other_port}/?x=secret\r\n\r\n");
        stream.write_all(answer.as_bytes()).await.unwrap();
    };
    let (seen, ()) = tokio::join!(fails(&wanted), acting);
    let text = "the server redirects to another host, 127.0.0.1 (302 Found), which is not followed";
    assert_eq!(seen, cause("http-302", text));
    assert!(futures_util::FutureExt::now_or_never(other.accept()).is_none(), "nobody dials it");
}

#[tokio::test]
async fn a_circle_of_redirects_ends_after_five() {
    let (listener, port) = listener().await;
    let wanted = to(&format!("ws://localhost:{port}/"));
    let acting = async {
        for _ in 0..6 {
            let mut stream = accept_tcp(&listener).await;
            request(&mut stream).await;
            stream.write_all(b"HTTP/1.1 308 Moved\r\nLocation: /\r\n\r\n").await.unwrap();
        }
    };
    let (seen, ()) = tokio::join!(fails(&wanted), acting);
    let text = "the server redirects more than 5 times (308 Permanent Redirect), which is not followed";
    assert_eq!(seen, cause("http-308", text));
}
