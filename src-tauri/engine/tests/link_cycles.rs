//! Many reconnects, in a process of their own so that its descriptors and memory can be counted.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests fail the test")]

#[path = "common/rig.rs"]
mod rig;
#[path = "common/tcp_table.rs"]
mod tcp_table;

use std::fs;
use std::time::Duration;

use futures_util::StreamExt;
use heartwire_core::view::LinkState;
use heartwire_engine::driver::Command;
use rig::{Link, connection, listener, upgrade_raw};
use tcp_table::{Entry, TcpState};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Mutex;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio_tungstenite::accept_async;

/// What is counted belongs to the whole process.
static ALONE: Mutex<()> = Mutex::const_new(());

#[tokio::test]
async fn invariant_29_reconnects_leave_nothing_behind() {
    cycles(50, 10).await;
}

#[tokio::test]
async fn invariant_29_ten_thousand_reconnects_leave_nothing_behind() {
    cycles(200, 50).await;
}

/// Runs links against a server that ends connections in every way there is, and counts what is left of them.
async fn cycles(links: usize, rounds: usize) {
    let _alone = ALONE.lock().await;
    let (listener, port) = listener().await;
    let server = tokio::spawn(unfriendly(listener));
    let mut running = Vec::new();
    for _ in 0..links {
        let mut connection = connection(port);
        // Silence is one of the ways to end, but a busy machine is not to be taken for it.
        connection.heartbeat.every = Duration::from_millis(300);
        connection.heartbeat.timeout = Duration::from_millis(700);
        running.push(Link::start(connection));
    }
    let mut warm = Counted::default();
    for round in 0..rounds {
        for link in &mut running {
            link.until(LinkState::Connected).await;
            link.forget();
        }
        if round == rounds / 4 {
            warm = Counted::now(links);
        }
    }
    let end = Counted::now(links);
    assert!(end.tasks <= warm.tasks + links, "{warm:?} -> {end:?}");
    assert!(end.resident_kib <= warm.resident_kib + 4 * 1024, "{warm:?} -> {end:?}");

    for link in &running {
        link.handle.command(Command::Stop);
    }
    for link in running {
        link.handle.join().await;
    }
    server.abort();
    let _ = server.await;
    let left = fs::read_dir("/proc/self/fd").unwrap().count();
    assert!(left < 40, "{left} descriptors are left");
    let mut orphans = Entry::to_port(port);
    orphans.retain(|socket| socket.state == TcpState::FinWait1);
    assert_eq!(orphans, [], "nobody will ever answer an orphan's FIN");
}

/// Serves until it is dropped, and every connection goes with it.
async fn unfriendly(listener: TcpListener) {
    let mut connections = JoinSet::new();
    for number in 0_u64.. {
        let stream = listener.accept().await.unwrap().0;
        connections.spawn(end(number, stream));
        while connections.try_join_next().is_some() {}
    }
}

/// Ends a connection in one of five ways.
async fn end(number: u64, stream: TcpStream) {
    if number.is_multiple_of(5) {
        // A goodbye with a handshake.
        if let Ok(mut server) = accept_async(stream).await {
            let _ = server.close(None).await;
            while server.next().await.is_some_and(|message| message.is_ok()) {}
        }
        return;
    }
    let server = upgrade_raw(stream).await;
    match number % 5 {
        1 => {}
        2 => server.set_zero_linger().unwrap(),
        3 => {
            // It reads nothing and answers nothing; the link has to notice.
            sleep(Duration::from_millis(1_500)).await;
        }
        _ => {
            server.try_write(b"this is no frame").unwrap();
            sleep(Duration::from_millis(20)).await;
        }
    }
}

#[derive(Debug, Default)]
struct Counted {
    tasks: usize,
    resident_kib: usize,
}

impl Counted {
    fn now(links: usize) -> Self {
        let descriptors = fs::read_dir("/proc/self/fd").unwrap().count();
        // One here, one at the server, and the server's silent ones that it holds for a while.
        assert!(descriptors < 6 * links + 60, "{descriptors} descriptors for {links} links");
        let pages: usize = fs::read_to_string("/proc/self/statm").unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let tasks = tokio::runtime::Handle::current().metrics().num_alive_tasks();
        Self { tasks, resident_kib: pages * 4 }
    }
}
