//! Proxies that say what a test wants: what they are asked, and each way in which they refuse.

use std::time::Duration;

use heartwire_core::settings::Proxy;
use heartwire_engine::dial::DialRequest;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::rig::{accept_tcp, listener, read_to_end, request};
use crate::{cause, fails, serve, through, to};

const TARGET: &str = "ws://crm.example:8080/";

/// Dials `TARGET` through a proxy that plays a part; gives the cause with PROXY in place of the proxy's address.
async fn plays(kind: &str, credentials: &str, play: impl AsyncFnOnce(TcpStream)) -> (String, String) {
    plays_to(TARGET, kind, credentials, play).await
}

async fn plays_to(target: &str, kind: &str, credentials: &str, play: impl AsyncFnOnce(TcpStream)) -> (String, String) {
    let (listener, port) = listener().await;
    let wanted = through(&format!("{kind}://{credentials}127.0.0.1:{port}"), target);
    let acting = async { play(accept_tcp(&listener).await).await };
    let ((code, text), ()) = tokio::join!(fails(&wanted), acting);
    (code, text.replace(&format!("{kind}://127.0.0.1:{port}"), "PROXY"))
}

async fn read(stream: &mut TcpStream, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    stream.read_exact(&mut bytes).await.unwrap();
    bytes
}

#[tokio::test]
async fn a_connect_request_names_the_target_and_carries_the_credentials_to_the_proxy_alone() {
    let (listener, port) = listener().await;
    let wanted = through(&format!("http://me:se%20cret@127.0.0.1:{port}"), TARGET);
    let acting = async {
        let mut stream = accept_tcp(&listener).await;
        let asked = request(&mut stream).await;
        let mut lines: Vec<_> = asked.trim_end().lines().map(str::to_lowercase).collect();
        lines[1..].sort_unstable();
        let expected = [
            "connect crm.example:8080 http/1.1",
            "host: crm.example:8080",
            // "me:se cret"
            "proxy-authorization: basic bwu6c2ugy3jlda==",
        ];
        assert_eq!(lines, expected);
        stream.write_all(b"HTTP/1.0 200 Connection established\r\nVia: x\r\n\r\n").await.unwrap();
        let asked = request(&mut stream).await;
        assert!(asked.starts_with("GET / HTTP/1.1\r\n"), "{asked}");
        assert!(!asked.to_lowercase().contains("authorization"), "{asked}");
        stream.write_all(b"HTTP/1.1 404 No\r\n\r\n").await.unwrap();
    };
    let (seen, ()) = tokio::join!(fails(&wanted), acting);
    let text = format!(
        "the server answered the upgrade request with 404 Not Found (through the proxy http://127.0.0.1:{port})"
    );
    assert_eq!(seen, cause("http-404", &text));
}

#[tokio::test]
async fn what_comes_with_the_proxys_answer_is_not_lost() {
    let part = async |mut stream: TcpStream| {
        request(&mut stream).await;
        // A server that cannot wait. What it says is the answer to the upgrade request.
        let both = b"HTTP/1.1 201 Tunnel\r\n\r\nHTTP/1.1 418 Early\r\n\r\n";
        stream.write_all(both).await.unwrap();
        request(&mut stream).await;
    };
    let seen = plays("http", "", part).await;
    assert_eq!(seen.0, "http-418", "{}", seen.1);
}

#[tokio::test]
async fn each_refusal_of_an_http_proxy_is_told_in_words() {
    let check = async |credentials: &str, answer: &str, words: &str| {
        let part = async |mut stream: TcpStream| {
            request(&mut stream).await;
            stream.write_all(format!("{answer}\r\n\r\n").as_bytes()).await.unwrap();
        };
        assert_eq!(plays("http", credentials, part).await, cause("proxy", &format!("the proxy PROXY {words}")));
    };
    let wants = "wants a user and a password (407 Proxy Authentication Required): write them before its host, as \
                 user:password@";
    check("", "HTTP/1.1 407 No\r\nProxy-Authenticate: Basic realm=x", wants).await;
    let refused = "refused the user and password (407 Proxy Authentication Required)";
    check("me:secret@", "HTTP/1.0 407 No", refused).await;
    check("", "HTTP/1.1 403 No", "does not allow crm.example:8080 (403 Forbidden)").await;
    check("", "HTTP/1.1 502 No", "could not reach crm.example:8080 (502 Bad Gateway)").await;
    check("", "HTTP/1.1 503 No", "could not reach crm.example:8080 (503 Service Unavailable)").await;
    check("", "HTTP/1.1 302 No\r\nLocation: /login", "opened no tunnel to crm.example:8080 (302 Found)").await;
    check("", "HTTP/1.1 418 No", "opened no tunnel to crm.example:8080 (418 I'm a teapot)").await;
    check("", "SSH-2.0-OpenSSH_9.2", "gives no answer in HTTP that can be read").await;
    check("", &format!("HTTP/1.1 200 OK\r\nX: {}", "x".repeat(40_000)), "gives no answer in HTTP that can be read")
        .await;
    let closing = async |mut stream: TcpStream| {
        request(&mut stream).await;
    };
    let closed = plays("http", "", closing).await;
    assert_eq!(closed, cause("proxy", "the proxy PROXY ended the connection before it answered"));
}

/// Greets without asking for credentials, and reads the request.
async fn socks_request(stream: &mut TcpStream, length: usize) -> Vec<u8> {
    assert_eq!(read(stream, 3).await, [5, 1, 0]);
    stream.write_all(&[5, 0]).await.unwrap();
    read(stream, length).await
}

#[tokio::test]
async fn socks5h_leaves_the_name_to_the_proxy_and_socks5_does_not() {
    let by_name = async |mut stream: TcpStream| {
        let asked = socks_request(&mut stream, 4 + 1 + 11 + 2).await;
        let expected = [&[5, 1, 0, 3, 11][..], b"crm.example", &8080_u16.to_be_bytes()].concat();
        assert_eq!(asked, expected);
    };
    assert_eq!(plays("socks5h", "", by_name).await.0, "proxy");

    let by_address = async |mut stream: TcpStream| {
        assert_eq!(read(&mut stream, 3).await, [5, 1, 0]);
        stream.write_all(&[5, 0]).await.unwrap();
        let head = read(&mut stream, 4).await;
        assert!([[5, 1, 0, 1], [5, 1, 0, 4]].contains(&head.as_slice().try_into().unwrap()), "{head:?}");
        stream.write_all(&[5, 2, 0, 1, 0, 0, 0, 0, 0, 0]).await.unwrap();
    };
    assert_eq!(plays_to("ws://localhost:8080/", "socks5", "", by_address).await.0, "proxy");

    let address_stays = async |mut stream: TcpStream| {
        let asked = socks_request(&mut stream, 4 + 16 + 2).await;
        assert_eq!((&asked[..4], asked[19]), (&[5, 1, 0, 4][..], 1));
    };
    assert_eq!(plays_to("ws://[::1]:8080/", "socks5h", "", address_stays).await.0, "proxy");
}

#[tokio::test]
async fn a_name_that_this_computer_must_resolve_fails_here_and_not_at_the_proxy() {
    let (_listener, port) = listener().await;
    let (code, text) = fails(&through(&format!("socks5://127.0.0.1:{port}"), "ws://no-such-host.invalid/")).await;
    // Where no name server answers at all, the deadline is what ends it.
    assert!(matches!(code.as_str(), "dns" | "connect-timeout"), "{code}: {text}");
}

#[tokio::test]
async fn each_reply_of_a_socks_proxy_is_told_in_words() {
    let check = async |reply: u8, words: &str| {
        let part = async |mut stream: TcpStream| {
            socks_request(&mut stream, 18).await;
            stream.write_all(&[5, reply, 0, 1, 0, 0, 0, 0, 0, 0]).await.unwrap();
        };
        assert_eq!(plays("socks5h", "", part).await, cause("proxy", &format!("the proxy PROXY {words}")), "{reply}");
    };
    let unreached = "could not reach crm.example:8080:";
    check(1, &format!("{unreached} it failed and does not say why")).await;
    check(2, "does not allow crm.example:8080").await;
    check(3, &format!("{unreached} its network leads there by no way")).await;
    check(4, &format!("{unreached} it finds no way to that host, or no address for its name")).await;
    check(5, &format!("{unreached} nobody listens there")).await;
    check(6, &format!("{unreached} no answer came in time")).await;
    check(7, "makes no connections for others").await;
    check(8, &format!("{unreached} it does not know this kind of address")).await;
    check(99, "gives an answer that SOCKS5 does not know").await;
}

#[tokio::test]
async fn a_socks_proxy_that_wants_other_credentials_or_is_none_is_told_in_words() {
    let check = async |credentials: &str, answers: &[&[u8]], words: &str| {
        let part = async |mut stream: TcpStream| {
            for answer in answers {
                let mut asked = [0; 512];
                assert!(stream.read(&mut asked).await.unwrap() > 0);
                stream.write_all(answer).await.unwrap();
            }
        };
        let seen = plays("socks5h", credentials, part).await;
        assert_eq!(seen, cause("proxy", &format!("the proxy PROXY {words}")));
    };
    check("", &[&[5, 255]], "wants a user and a password: write them before its host, as user:password@").await;
    check("me:secret@", &[&[5, 255]], "takes neither user and password nor none").await;
    check("me:secret@", &[&[5, 2], &[1, 1]], "refused the user and password").await;
    check("", &[b"HTTP/1.1 400 Bad Request\r\n\r\n"], "does not answer in SOCKS5").await;
    check("", &[&[5, 0], b""], "ended the connection before it answered").await;
}

#[tokio::test]
async fn credentials_for_socks_are_sent_decoded_and_the_tunnel_carries_a_websocket() {
    let (listener, port) = listener().await;
    let wanted = through(&format!("socks5h://me:se%3Acret@127.0.0.1:{port}"), TARGET);
    let acting = async {
        let mut stream = accept_tcp(&listener).await;
        assert_eq!(read(&mut stream, 4).await, [5, 2, 0, 2]);
        stream.write_all(&[5, 2]).await.unwrap();
        assert_eq!(read(&mut stream, 12).await, b"\x01\x02me\x07se:cret");
        stream.write_all(&[1, 0]).await.unwrap();
        read(&mut stream, 18).await;
        stream.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).await.unwrap();
        serve(stream).await;
    };
    let (dialled, ()) = tokio::join!(crate::heard(&wanted), acting);
    dialled.unwrap();
}

#[tokio::test]
async fn a_socks_proxy_is_asked_for_every_address_of_the_server() {
    // `localhost` is 127.0.0.1 and, on most systems, ::1 too.
    let (listener, port) = listener().await;
    let wanted = through(&format!("socks5://127.0.0.1:{port}"), "ws://localhost:8080/");
    let acting = tokio::spawn(async move {
        let mut asked = 0;
        loop {
            let mut stream = accept_tcp(&listener).await;
            read(&mut stream, 3).await;
            stream.write_all(&[5, 0]).await.unwrap();
            let kind = read(&mut stream, 4).await[3];
            asked += 1;
            stream.write_all(&[5, if kind == 1 { 0 } else { 4 }, 0, 1, 0, 0, 0, 0, 0, 0]).await.unwrap();
            if kind == 1 {
                read(&mut stream, 6).await;
                serve(stream).await;
                return asked;
            }
        }
    });
    crate::heard(&wanted).await.unwrap();
    let addresses = tokio::net::lookup_host("localhost:8080").await.unwrap().count();
    assert!((1..=addresses).contains(&acting.await.unwrap()));
}

#[tokio::test]
async fn a_proxy_that_cannot_be_reached_is_the_proxys_fault() {
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    for kind in ["http", "socks5h"] {
        let seen = fails(&through(&format!("{kind}://me:secret@{closed}"), TARGET)).await;
        let text = format!("the proxy {kind}://{closed} cannot be reached: nobody listens at {closed}");
        assert_eq!(seen, cause("proxy", &text));
    }
    let (code, text) = fails(&through("http://no-such-proxy.invalid:3128", TARGET)).await;
    assert_eq!(code, "proxy", "{text}");
    assert!(text.starts_with("the proxy http://no-such-proxy.invalid:3128 cannot be reached: the name"), "{text}");
}

#[tokio::test]
async fn invariant_13_a_silent_proxy_is_ended_by_the_one_deadline() {
    let check = async |kind: &str, words: &str| {
        let (listener, port) = listener().await;
        let proxy = format!("{kind}://127.0.0.1:{port}");
        let wanted = DialRequest { connect_timeout: Duration::from_millis(200), ..through(&proxy, TARGET) };
        let acting = async {
            let mut silent = accept_tcp(&listener).await;
            let (_, reset) = read_to_end(&mut silent).await;
            assert!(reset, "it leaves nothing behind");
        };
        let (seen, ()) = tokio::join!(fails(&wanted), acting);
        let text = format!("the proxy {proxy} did not {words} within 0.2 s");
        assert_eq!(seen, cause("connect-timeout", &text));
    };
    check("http", "answer the CONNECT request").await;
    check("socks5h", "finish the SOCKS handshake").await;
}

#[tokio::test]
async fn without_a_proxy_none_is_asked() {
    let (listener, port) = listener().await;
    let url = format!("ws://127.0.0.1:{port}/");
    crate::reaches(&to(&url), &listener).await;
    // A server on this computer is reached straight, whatever the system's settings say.
    crate::reaches(&crate::by(Proxy::System, &url), &listener).await;
}
