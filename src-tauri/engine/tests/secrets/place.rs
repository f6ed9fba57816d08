//! Secrets from the environment, from files and from commands; and whose `Authorization` counts.

use std::fs;
use std::path::Path;
use std::time::Duration;

use heartwire_core::settings::{Auth, SecretSource};
use heartwire_engine::dial::dial;
use tempfile::TempDir;

use crate::server::Server;
use crate::{fails, request, succeeds, token};

/// A variable that Cargo sets for every test.
const VARIABLE: &str = "CARGO_PKG_NAME";

fn command(words: &[&str]) -> SecretSource {
    SecretSource::Command(words.iter().map(|word| (*word).to_owned()).collect())
}

fn file(path: &Path) -> SecretSource {
    SecretSource::File(path.to_str().unwrap().to_owned())
}

fn basic(user: &str, password: SecretSource) -> Auth {
    Auth::Basic { user: user.to_owned(), password }
}

#[tokio::test]
async fn each_place_gives_the_first_line_as_rfc_6750_and_rfc_7617_want_it() {
    let server = Server::open().await;
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("secret");
    fs::write(&path, "open sesame\r\nnot this\n").unwrap();
    for (auth, expected) in [
        (token(SecretSource::Env(VARIABLE.to_owned())), "Bearer heartwire-engine"),
        (token(command(&["printf", "mF_9.B5f-4.1JqM\nnot this\n"])), "Bearer mF_9.B5f-4.1JqM"),
        (basic("Aladdin", file(&path)), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="),
        (basic("test", command(&["printf", "123£"])), "Basic dGVzdDoxMjPCow=="),
    ] {
        succeeds(&request(&server.address, auth)).await;
        assert_eq!(server.last().as_deref(), Some(expected));
    }
}

#[tokio::test]
async fn the_headers_come_first_then_the_credentials_then_the_url() {
    let server = Server::open().await;
    let with_user = server.address.replace("ws://", "ws://ada:pw@");
    let mut all = request(&with_user, token(command(&["printf", "abc"])));
    succeeds(&all).await;
    assert_eq!(server.last().as_deref(), Some("Bearer abc"));
    // A source that would fail is not asked when the headers have what it is for.
    all = request(&with_user, token(command(&["false"])));
    all.headers.insert("authorization".to_owned(), "Own scheme".to_owned());
    succeeds(&all).await;
    assert_eq!(server.last().as_deref(), Some("Own scheme"));
    succeeds(&request(&with_user, Auth::None)).await;
    assert_eq!(server.last().as_deref(), Some("Basic YWRhOnB3"));
    succeeds(&request(&server.address, Auth::None)).await;
    assert_eq!(server.last(), None);
}

#[tokio::test]
async fn each_failure_says_what_where_and_what_to_do_and_the_server_is_not_dialled() {
    let server = Server::open().await;
    let folder = TempDir::new().unwrap();
    let (empty, blank, gone) = (folder.path().join("empty"), folder.path().join("blank"), folder.path().join("gone"));
    fs::write(&empty, "\nsecond\n").unwrap();
    fs::write(&blank, "two words\n").unwrap();
    fs::write(folder.path().join("binary"), b"\xff\xfe\n").unwrap();
    let check = async |auth: Auth, code: &str, parts: &[&str]| {
        let (found, text) = fails(&request(&server.address, auth)).await;
        assert_eq!(found, code, "{text}");
        for part in parts {
            assert!(text.contains(part), "{part:?} is not in {text:?}");
        }
    };
    let env = |name: &str| SecretSource::Env(name.to_owned());
    check(token(env("HW_NOT_SET")), "configuration", &["token", "HW_NOT_SET", "is not set", "change the settings"])
        .await;
    check(basic("a", env("HW_NOT_SET")), "configuration", &["the password is to be in"]).await;
    check(token(file(&gone)), "unauthorized", &["no token: the file", "gone does not exist", "create it"]).await;
    check(token(file(&empty)), "unauthorized", &["empty first line"]).await;
    check(token(file(folder.path())), "unauthorized", &["cannot be read", "no ordinary file"]).await;
    check(token(file(&folder.path().join("binary"))), "unauthorized", &["is no text"]).await;
    check(token(file(&blank)), "unauthorized", &["has a blank", "correct the first line of"]).await;
    check(token(command(&["/nowhere/pass", "x"])), "unauthorized", &["/nowhere/pass cannot be started", "install"])
        .await;
    check(token(command(&["true"])), "unauthorized", &["true printed nothing"]).await;
    check(token(command(&["false"])), "unauthorized", &["false failed (exit status: 1)"]).await;
    let fails = command(&["sh", "-c", "echo canary; echo 'no such entry' >&2; echo more >&2; exit 3"]);
    check(token(fails), "unauthorized", &["sh failed (exit status: 3): no such entry;"]).await;
    assert_eq!(server.shown(), [] as [Option<String>; 0]);
}

#[tokio::test]
async fn what_a_failed_command_printed_or_was_told_is_not_repeated() {
    let server = Server::open().await;
    let telling = command(&["sh", "-c", "echo canary-printed; exit 3", "canary-argument"]);
    let (_, text) = fails(&request(&server.address, token(telling))).await;
    assert!(text.contains("sh failed") && !text.contains("canary"), "{text}");
}

#[tokio::test]
async fn a_command_that_prints_for_ever_is_stopped() {
    let server = Server::open().await;
    let (code, text) = fails(&request(&server.address, token(command(&["yes", ""])))).await;
    assert_eq!(code, "unauthorized");
    assert!(text.contains("yes failed (signal: 13"), "{text}");
}

/// What a command leaves behind, such as an agent, has the same output and keeps it open.
#[tokio::test]
async fn a_command_has_answered_when_it_ends_whatever_it_leaves_behind() {
    let server = Server::open().await;
    succeeds(&request(&server.address, token(command(&["sh", "-c", "sleep 40 & echo tok"])))).await;
    assert_eq!(server.last().as_deref(), Some("Bearer tok"));
    let failing = command(&["sh", "-c", "sleep 40 & echo 'no such entry' >&2; exit 3"]);
    let (_, text) = fails(&request(&server.address, token(failing))).await;
    assert!(text.contains("sh failed (exit status: 3): no such entry;"), "{text}");
}

/// A pipe may hold less than that: it is read while the command runs.
#[tokio::test]
async fn a_command_that_says_much_is_heard_to_its_end() {
    let server = Server::open().await;
    let script = "printf '%060000d' 0 >&2; printf tok; printf '\\n%060000d' 0";
    succeeds(&request(&server.address, token(command(&["sh", "-c", script])))).await;
    assert_eq!(server.last().as_deref(), Some("Bearer tok"));
}

/// In virtual time: a command that asks a person who is not there is ended after two minutes.
#[tokio::test(start_paused = true)]
async fn a_command_that_never_ends_is_killed() {
    let server = Server::open().await;
    let folder = TempDir::new().unwrap();
    let script = format!("echo $$ > '{}/pid'; exec sleep 3600", folder.path().display());
    let mut request = request(&server.address, token(command(&["sh", "-c", &script])));
    request.connect_timeout = Duration::from_secs(200);
    // The clock jumps as soon as nothing is left to do here, so the command begins its life before that.
    let started = async {
        while !fs::read_to_string(folder.path().join("pid")).is_ok_and(|pid| pid.ends_with('\n')) {
            std::thread::sleep(Duration::from_millis(5));
            tokio::task::yield_now().await;
        }
    };
    let (dialled, ()) = tokio::join!(dial(&request), started);
    let cause = dialled.expect_err("it must fail").view();
    assert_eq!(
        (cause.code.as_str(), cause.text.as_str()),
        ("connect-timeout", "the command did not give the token within 120 s")
    );
    let pid = fs::read_to_string(folder.path().join("pid")).unwrap();
    let died = async {
        while is_running(pid.trim()) {
            std::thread::sleep(Duration::from_millis(5));
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(3600), died).await.expect("it lives on");
}

/// Whether there is such a process that is not only waiting to be buried.
fn is_running(pid: &str) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

/// The question outlives the dial that asked it: a person may be answering.
#[tokio::test]
async fn a_slow_command_is_started_once_and_its_answer_serves_a_later_dial() {
    let server = Server::open().await;
    let folder = TempDir::new().unwrap();
    let script = "echo started >> starts; while [ ! -e go ]; do sleep 0.05; done; echo late";
    let script = format!("cd '{}' && {script}", folder.path().display());
    let mut request = request(&server.address, token(command(&["sh", "-c", &script])));
    request.connect_timeout = Duration::from_millis(300);
    for _ in 0..3 {
        let (code, text) = fails(&request).await;
        assert_eq!(code, "connect-timeout");
        assert_eq!(text, "the token was not there within 0.3 s: the command sh has not ended yet");
    }
    fs::write(folder.path().join("go"), "").unwrap();
    request.connect_timeout = Duration::from_secs(20);
    succeeds(&request).await;
    assert_eq!(server.shown(), [Some("Bearer late".to_owned())]);
    assert_eq!(fs::read_to_string(folder.path().join("starts")).unwrap(), "started\n");
}

#[tokio::test]
async fn an_accepted_secret_is_read_once_and_a_refused_one_is_read_again() {
    let server = Server::open().await;
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("secret");
    fs::write(&path, "old").unwrap();
    server.accept_only("Bearer old");
    let request = request(&server.address, token(file(&path)));
    succeeds(&request).await;
    fs::write(&path, "new").unwrap();
    succeeds(&request).await;
    server.accept_only("Bearer new");
    assert_eq!(fails(&request).await.0, "unauthorized");
    succeeds(&request).await;
    let shown: Vec<_> = server.shown().into_iter().flatten().collect();
    assert_eq!(shown, ["Bearer old", "Bearer old", "Bearer old", "Bearer new"]);
}
