//! How often an idle connection wakes the processor: the voluntary context switches of all threads of a process that holds
//! one connection with a heartbeat every 30 s, over some minutes, told for an hour. The whole engine is measured, as
//! `heartwire listen` runs it; the peers are measured beside it, at the same time.

use std::thread;
use std::time::Duration;

use xtask::bench::{Row, Target};

use super::{Failure, Measure, show};
use crate::child::Server;
use crate::client::{Client, Way};
use crate::process::wakeups as wakeups_of;
use crate::stats::float64;

const TARGET: f64 = 250.0;
/// Threads that were only needed at the start are gone after this.
const SETTLE: Duration = Duration::from_secs(15);
const SHORT: Duration = Duration::from_secs(180);
const LONG: Duration = Duration::from_secs(600);
const HOUR: Duration = Duration::from_secs(3_600);
const WAYS: [Way; 3] = [Way::Engine, Way::Link, Way::Ezsockets];

pub fn wakeups(how: Measure) -> Result<(), Failure> {
    let window = if how.long { LONG } else { SHORT };
    let server = Server::friendly()?;
    let mut clients = Vec::new();
    for way in WAYS {
        let mut client = Client::start(way, server.port)?;
        client.open(1)?;
        clients.push(client);
    }
    thread::sleep(SETTLE);
    let before = clients.iter().map(|client| wakeups_of(client.id())).collect::<Result<Vec<_>, _>>()?;
    thread::sleep(window);
    let mut seen = Vec::new();
    for (client, before) in clients.iter_mut().zip(before) {
        // Counted before it is asked, which wakes it.
        let woken = wakeups_of(client.id())?.saturating_sub(before);
        let state = client.state()?;
        if state.up != 1 || state.lost > 0 {
            return Err(format!("the connection did not stay: {state:?}").into());
        }
        seen.push(float64(woken) * HOUR.as_secs_f64() / window.as_secs_f64());
    }
    let [engine, link, ezsockets] = seen[..] else { return Err("three ways are measured".into()) };
    let seconds = window.as_secs();
    show(&Row {
        figure: format!("wakeups an hour, one idle connection, every = 30 s, seen for {seconds} s"),
        seen: format!("{engine:.0} for the whole engine, {link:.0} for a driver alone"),
        target: Some(Target::at_most(format!("at most {TARGET}"), engine, TARGET)),
        peer: format!("ezsockets: {ezsockets:.0}"),
    });
    Ok(())
}
