//! A server process that is stopped: its kernel still answers for it. The process is this test program once more.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use heartwire_core::link::{CONNECT_GRACE, DIAL_GAP};
use heartwire_core::view::LinkState;
use rustix::process::{Pid, Signal, kill_process};
use tokio::net::TcpListener;

use crate::rig::{AGES, EVERY, Link, TIMEOUT, connection};
use crate::server::{seen, serve};

/// Set for the process that is the server.
const ROLE: &str = "HEARTWIRE_TEST_SERVER";

/// What the server says before its port.
const PORT: &str = "its port is ";

const CONNECT: Duration = Duration::from_millis(500);

/// How late a busy machine may be.
const BUSY: Duration = Duration::from_secs(3);

#[tokio::test]
async fn a_stopped_server_is_noticed_and_found_again_when_it_goes_on() {
    let server = Server::start();
    let mut connection = connection(server.port);
    connection.connect_timeout = CONNECT;
    let mut link = Link::start(connection);
    for _ in 0..2 {
        link.round_trip().await;
        server.tell(Signal::STOP);
        let stopped = Instant::now();
        let status = link.until(LinkState::Waiting).await;
        assert_eq!(status.cause.unwrap().view().code, "heartbeat-timeout");
        assert!(status.silent_for >= EVERY + TIMEOUT, "{:?}", status.silent_for);
        assert!(stopped.elapsed() <= EVERY + TIMEOUT + BUSY, "{:?}", stopped.elapsed());
        // Its kernel takes the connection, and that is all.
        assert_eq!(link.lost().await.0, "connect-timeout");
        server.tell(Signal::CONT);
        let going_on = Instant::now();
        link.until(LinkState::Connected).await;
        assert!(going_on.elapsed() <= CONNECT + CONNECT_GRACE + DIAL_GAP + BUSY, "{:?}", going_on.elapsed());
        link.forget();
    }
}

#[tokio::test]
async fn a_killed_server_is_noticed_at_once() {
    let server = Server::start();
    let mut connection = connection(server.port);
    connection.heartbeat.timeout = AGES;
    let mut link = Link::start(connection);
    link.round_trip().await;
    server.tell(Signal::KILL);
    let killed = Instant::now();
    assert_eq!(link.lost().await.0, "reset");
    assert!(killed.elapsed() <= BUSY, "{:?}", killed.elapsed());
    assert_eq!(link.lost().await.0, "refused");
}

/// Not a test: what the server's process runs, until it is killed.
#[tokio::test]
async fn the_server_process() {
    if std::env::var_os(ROLE).is_none() {
        return;
    }
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    writeln!(std::io::stdout(), "{PORT}{port}").unwrap();
    serve(listener, seen(), None).await;
}

struct Server {
    process: Child,
    port: u16,
}

impl Server {
    fn start() -> Self {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args(["stopped::the_server_process", "--exact", "--nocapture"])
            .env(ROLE, "1")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let port = lines.map_while(Result::ok).find_map(|line| line.split_once(PORT)?.1.parse().ok());
        Self { process, port: port.expect("the server's process has not started") }
    }

    fn tell(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.process), signal).unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may be dead already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
