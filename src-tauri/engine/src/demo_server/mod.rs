//! The built-in demo server: a small WebSocket server that beats, talks, and now and then falls silent without closing,
//! so that everything a link does can be watched. It shares nothing with the link but the protocol.

mod client;
mod event;
mod script;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use jiff::Timestamp;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use client::Client;
pub use event::{Event, What};
pub use script::{Action, Script, ScriptError, Step};

/// Serves every client that comes, each with its own run of the script, until the future is dropped: then every
/// connection goes with it. What happens is told to `log`, which must not wait.
pub async fn serve(listener: TcpListener, script: Script, log: impl Fn(Event) + Send + Sync + 'static) {
    let house = Arc::new(House {
        script,
        log: Box::new(log),
        started: Instant::now(),
        run: Timestamp::now().as_millisecond(),
        told: AtomicU64::new(0),
    });
    let mut clients = JoinSet::new();
    for number in 1.. {
        let accepted = loop {
            tokio::select! {
                accepted = listener.accept() => break accepted,
                Some(_) = clients.join_next() => {}
            }
        };
        match accepted {
            Ok((stream, from)) => {
                let client = Client::new(number, from, Arc::clone(&house));
                clients.spawn(client.serve(stream));
            }
            Err(error) => {
                // Out of descriptors, most likely: it passes when a client leaves.
                house.tell(number, What::NotAccepted(error.to_string()));
                sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

/// What all clients of a server share.
struct House {
    script: Script,
    log: Box<dyn Fn(Event) + Send + Sync>,
    /// The clock of a script that is played by it.
    started: Instant,
    /// Told apart from other runs of the server, so that the ids of its messages are never used twice.
    run: i64,
    /// How many messages were told so far.
    told: AtomicU64,
}

impl House {
    fn tell(&self, client: u64, what: What) {
        (self.log)(Event { client, what });
    }
}
