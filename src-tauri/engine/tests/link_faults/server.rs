//! A WebSocket server that answers heartbeats, may say something by itself, and keeps count.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};
use tokio_tungstenite::accept_async;
use tokio_tungstenite::tungstenite::Message;

/// A text that begins with this is sent back.
pub const ECHO: &str = "echo ";

/// What a server has seen so far.
#[derive(Debug, Default)]
pub struct Seen {
    /// TCP connections, whatever became of them.
    pub dials: AtomicUsize,
    /// Heartbeats, over all connections.
    pub beats: AtomicUsize,
    /// Bytes of texts that are no heartbeats.
    pub bytes: AtomicUsize,
    spoke: Mutex<Option<Instant>>,
}

impl Seen {
    /// A moment before it last began to write. Whatever a client has heard, it heard after this.
    pub fn spoke(&self) -> Instant {
        self.spoke.lock().unwrap().expect("it has said nothing yet")
    }

    fn speaks(&self) {
        *self.spoke.lock().unwrap() = Some(Instant::now());
    }
}

/// Serves whoever comes until it is dropped, and every connection goes with it. With `talks`, each connection gets the
/// messages `connection number`, both counted from 0, that far apart.
pub async fn serve(listener: TcpListener, seen: &'static Seen, talks: Option<Duration>) {
    let mut connections = JoinSet::new();
    loop {
        let stream = listener.accept().await.unwrap().0;
        stream.set_nodelay(true).unwrap();
        let number = seen.dials.fetch_add(1, Ordering::Relaxed);
        connections.spawn(converse(stream, number, seen, talks));
        while connections.try_join_next().is_some() {}
    }
}

/// One connection, until it ends in whatever way.
pub async fn converse(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    connection: usize,
    seen: &Seen,
    talks: Option<Duration>,
) -> Option<()> {
    seen.speaks();
    let mut stream = accept_async(stream).await.ok()?;
    // Without anything to say the clock ticks, for nobody.
    let mut clock = interval(talks.unwrap_or(Duration::from_secs(3600)));
    clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for number in 0.. {
        loop {
            tokio::select! {
                _ = clock.tick() => break,
                message = stream.next() => match message?.ok()? {
                    Message::Text(text) if text == "beat" => {
                        seen.beats.fetch_add(1, Ordering::Relaxed);
                        seen.speaks();
                        stream.send(Message::text("beat")).await.ok()?;
                    }
                    Message::Text(text) if text.starts_with(ECHO) => {
                        seen.speaks();
                        stream.send(Message::Text(text)).await.ok()?;
                    }
                    Message::Text(text) => {
                        seen.bytes.fetch_add(text.len(), Ordering::Relaxed);
                    }
                    _ => {}
                },
            }
        }
        if talks.is_some() {
            seen.speaks();
            stream.send(Message::text(format!("{connection} {number}"))).await.ok()?;
        }
    }
    Some(())
}

/// What a test's server writes its count to; it lives as long as the process, as the threads of servers may.
pub fn seen() -> &'static Seen {
    Box::leak(Box::default())
}
