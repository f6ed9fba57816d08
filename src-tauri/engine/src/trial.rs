//! A test of a connection, step by step: a driver like any other dials on a socket of its own, and whatever comes is looked
//! at and thrown away. Nothing is stored or shown, no cursor goes in and none comes out, and nothing is acknowledged to the
//! server.

mod note;
mod walk;

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use heartwire_core::dialect::Dialects;
use heartwire_core::settings::Connection;
use heartwire_core::trial::StepView;

use crate::clock::Clock;
use crate::dial::{DialRequest, Watch};
use crate::driver::{self, Command, ConnectionId, DriverOptions};
use note::Note;
use walk::Walk;

/// Walks the steps until the first message, or the first that fails. Each is told as soon as it is made, and all are
/// given at the end, which comes within `limit` if there is one.
pub async fn run(
    connection: Connection,
    mut request: DialRequest,
    limit: Option<Duration>,
    told: impl FnMut(&StepView),
) -> Vec<StepView> {
    let (sender, mut notes) = mpsc::unbounded_channel();
    request.watch = Watch::new(move |passed| {
        // Who stopped listening knows enough.
        let _ = sender.send((Instant::now(), Note::from(passed)));
    });
    let (events_sender, mut events) = mpsc::channel(16);
    let mut walk = Walk::new(&connection, limit, told);
    let options = DriverOptions {
        id: ConnectionId(0),
        request,
        clock: Clock::system(),
        seed: rand::random(),
        dialect: Box::new(Dialects::default().of(&connection)),
        cursor: None,
        passing: true,
        connection,
    };
    let driver = driver::spawn(options, events_sender);
    driver.command(Command::Start);
    while let Some(due) = walk.due() {
        tokio::select! {
            // What was passed comes before what failed after it.
            biased;
            Some((at, note)) = notes.recv() => walk.note(at, note),
            event = events.recv() => {
                if walk.event(event.map(|event| event.kind)) {
                    // As after a wake: the heartbeat is sent at once.
                    driver.command(Command::Resumed(Duration::ZERO));
                }
            }
            () = sleep_until(due) => walk.timeout(),
        }
    }
    drop(events);
    driver.join().await;
    walk.steps
}
