//! A server that was away and comes back: how long until the links are connected again, left alone and told of a wake or
//! a change of the network. Each trial has a port of its own that refuses until its server is back. The outage is long
//! enough for the delay's bound to have reached the cap, and ends at a moment of its own in every trial.

use std::sync::Arc;
use std::time::{Duration, Instant};

use heartwire_core::view::LinkState;
use heartwire_engine::driver::Command;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::sleep;
use xtask::bench::{Row, Target};

use super::{Failure, Measure, show};
use crate::client::{Counts, Ez, ez_config};
use crate::links::{Link, Times, connection};
use crate::peer::{self, Place};
use crate::stats::{Sorted, ms};

const TRIALS: u32 = 200;
/// The delay's bound while the server is away.
const CAP: Duration = Duration::from_secs(4);
const TIMES: Times = Times {
    every: Duration::from_secs(30),
    timeout: Duration::from_secs(10),
    reconnect: (Duration::from_millis(500), CAP),
};
/// The bounds before the cap, 0.5 + 1 + 2 s, are over after this.
const AWAY: Duration = Duration::from_secs(6);
/// Two dials are at least this far apart, so a hint may have to wait so long.
const TARGET_HINT_MS: f64 = 250.0;
/// What the dial itself may take on loopback: a few round trips.
const DIAL_MS: f64 = 10.0;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sort {
    Alone,
    Hint,
    Ezsockets,
}

pub async fn back(_: Measure) -> Result<(), Failure> {
    let mut trials = JoinSet::new();
    for sort in [Sort::Alone, Sort::Hint, Sort::Ezsockets] {
        for number in 0..TRIALS {
            trials.spawn(async move {
                let took = match sort {
                    Sort::Alone | Sort::Hint => link(number, sort == Sort::Hint).await,
                    Sort::Ezsockets => ezsockets(number).await,
                };
                took.map(|took| (sort, ms(took)))
            });
        }
    }
    let mut seen = Vec::new();
    while let Some(trial) = trials.join_next().await {
        seen.push(trial??);
    }
    let of = |wanted| seen.iter().filter(|(sort, _)| *sort == wanted).map(|(_, took)| *took).collect::<Sorted>();
    tell(&of(Sort::Alone), &of(Sort::Hint), &of(Sort::Ezsockets));
    Ok(())
}

fn tell(alone: &Sorted, hint: &Sorted, peer: &Sorted) {
    let seconds = CAP.as_secs();
    let spread = |it: &Sorted| format!("median {:.1} ms, p99 {:.1} ms, max {:.1} ms", it.median(), it.p99(), it.max());
    show(&Row {
        figure: format!("server back until connected, left alone, the delay's bound at {seconds} s; {TRIALS} trials"),
        seen: spread(alone),
        target: Some(Target::at_most("median at most half the bound", alone.median(), ms(CAP) / 2.0)),
        peer: format!("ezsockets, every {seconds} s: {}", spread(peer)),
    });
    show(&Row {
        figure: format!("the same after a hint: a wake or a change of the network; {TRIALS} trials"),
        seen: spread(hint),
        target: Some(Target::at_most(
            format!("at most {TARGET_HINT_MS} ms and the dial, {DIAL_MS} ms"),
            hint.max(),
            TARGET_HINT_MS + DIAL_MS,
        )),
        peer: "ezsockets takes no hint".to_owned(),
    });
}

/// How long the server is away in this trial.
fn outage(number: u32) -> Duration {
    AWAY + CAP * number / TRIALS
}

async fn link(number: u32, hint: bool) -> Result<Duration, Failure> {
    let place = Place::take()?;
    let mut link = Link::start(connection(place.port, &TIMES)?, u64::from(number));
    sleep(outage(number)).await;
    let back = Instant::now();
    let server = tokio::spawn(serve(place.listen()?));
    if hint {
        link.driver.command(Command::NetworkChanged);
    }
    link.until(LinkState::Connected).await?;
    let took = back.elapsed();
    link.end().await;
    server.abort();
    Ok(took)
}

async fn ezsockets(number: u32) -> Result<Duration, Failure> {
    let place = Place::take()?;
    let counts = Arc::new(Counts::default());
    let client = Ez::new(Arc::clone(&counts));
    let (_handle, _ended) = ezsockets::connect(move |_| client, ez_config(place.port, &TIMES)).await;
    sleep(outage(number)).await;
    let back = Instant::now();
    let server = tokio::spawn(serve(place.listen()?));
    counts.next_arrival().await;
    let took = back.elapsed();
    server.abort();
    Ok(took)
}

/// Takes connections and keeps them.
async fn serve(listener: TcpListener) -> Result<(), Failure> {
    let mut kept = Vec::new();
    loop {
        kept.push(peer::accept(&listener).await?);
    }
}
