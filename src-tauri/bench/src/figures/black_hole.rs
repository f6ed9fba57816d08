//! A peer that falls silent without a word, as a black hole in the network makes it: it reads nothing more and writes
//! nothing more, while its kernel keeps the connection. How long after `every` + `timeout` it is noticed, and how long
//! after that the descriptor is closed.
//!
//! The peers are played in this process, which can only make us later. Trials run fifty at a time, each with its own
//! socket and phase; fifty deadlines within a second do not delay each other by a millisecond.

use std::sync::Arc;
use std::time::{Duration, Instant};

use heartwire_core::cause::CauseCode;
use heartwire_core::view::LinkState;
use heartwire_engine::driver::{Command, DriverEventKind};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use xtask::bench::{Row, Target};

use super::{Failure, Measure, show};
use crate::client::{Counts, Ez, ez_config};
use crate::links::{Link, Times, connection};
use crate::peer::{self, Place};
use crate::stats::{Sorted, ms};

const TRIALS: u32 = 200;
const AT_ONCE: u32 = 50;
/// A message that no buffer on the way can hold.
const STALLED: usize = 8 * 1024 * 1024;
const TIMES: Times = Times {
    every: Duration::from_secs(1),
    timeout: Duration::from_secs(1),
    reconnect: (Duration::from_secs(10), Duration::from_secs(10)),
};
/// How long after `every` + `timeout` a trial is given up.
const GIVE_UP: Duration = Duration::from_secs(10);
const TARGET_EXCESS_MS: f64 = 50.0;
const TARGET_CLOSED_MS: f64 = 10.0;

/// What a trial came to, in milliseconds.
struct Noticed {
    /// From `every` + `timeout` after the last byte to the link's status.
    excess: f64,
    /// From that status to the reset that the peer sees; nothing if that came first.
    closed: f64,
    /// From `every` + `timeout` to that reset.
    gone: f64,
}

pub async fn black_hole(_: Measure) -> Result<(), Failure> {
    let mut noticed = Vec::new();
    for batch in 0..TRIALS / AT_ONCE {
        let mut trials = JoinSet::new();
        for number in batch * AT_ONCE..(batch + 1) * AT_ONCE {
            trials.spawn(link(number));
        }
        while let Some(trial) = trials.join_next().await {
            noticed.push(trial??);
        }
    }
    let mut trials = JoinSet::new();
    for number in 0..TRIALS {
        trials.spawn(ezsockets(number));
    }
    let mut peer = Vec::new();
    while let Some(trial) = trials.join_next().await {
        peer.extend(trial??);
    }
    tell(&noticed, &peer.into_iter().collect());
    Ok(())
}

fn tell(noticed: &[Noticed], peer: &Sorted) {
    let of = |what: fn(&Noticed) -> f64| noticed.iter().map(what).collect::<Sorted>();
    let (excess, closed, gone) = (of(|it| it.excess), of(|it| it.closed), of(|it| it.gone));
    let spread = |it: &Sorted| format!("{:.1} / {:.1} / {:.1} ms", it.median(), it.p99(), it.max());
    let missed = TRIALS as usize - peer.len();
    let in_time = if peer.len() == 0 { String::new() } else { format!(", else {}", spread(peer)) };
    let peer = format!("ezsockets: not within {} s in {missed} of {TRIALS}{in_time}", GIVE_UP.as_secs());
    let early = if excess.min() < 0.0 { ", EARLY in some" } else { ", never early" };
    show(&Row {
        figure: format!(
            "black hole noticed after every + timeout (1 s + 1 s), half in the middle of an 8 MiB message; {TRIALS} trials, \
             p50 / p99 / max"
        ),
        seen: format!("{}{early}", spread(&excess)),
        target: Some(Target::when(
            format!("p99 at most {TARGET_EXCESS_MS} ms"),
            excess.p99() <= TARGET_EXCESS_MS && excess.min() >= 0.0,
        )),
        peer: peer.clone(),
    });
    show(&Row {
        figure: "dead, then the peer sees the reset; p50 / p99 / max of the same trials".to_owned(),
        seen: format!("{}; {} after the deadline", spread(&closed), spread(&gone)),
        target: Some(Target::at_most(format!("under {TARGET_CLOSED_MS} ms"), closed.max(), TARGET_CLOSED_MS)),
        peer,
    });
}

/// Every other trial has a message on its way.
fn is_mid_send(number: u32) -> bool {
    number.is_multiple_of(2)
}

/// The trials fall silent at different times, before the first heartbeat is due.
async fn phase(number: u32) {
    sleep(TIMES.every.mul_f64(0.9) * (number % AT_ONCE) / AT_ONCE).await;
}

async fn link(number: u32) -> Result<Noticed, Failure> {
    let place = Place::take()?;
    let connection = connection(place.port, &TIMES)?;
    let listener = place.listen()?;
    let mut link = Link::start(connection, u64::from(number));
    let mut peer = peer::accept(&listener).await?;
    link.until(LinkState::Connected).await?;
    phase(number).await;

    let deadline = fall_silent(&mut peer).await?;
    let gone = tokio::spawn(async move { until_gone(&peer).await });
    let mut sent = None;
    if is_mid_send(number) {
        while !matches!(link.next().await?, DriverEventKind::Received(..)) {}
        let (told, answer) = oneshot::channel();
        link.driver.command(Command::Send("x".repeat(STALLED), told));
        sent = Some(answer);
    }
    let status = link.until(LinkState::Waiting).await?;
    let noticed = Instant::now();
    if status.cause.map(|cause| cause.code) != Some(CauseCode::HeartbeatTimeout) {
        return Err("a link was lost to something else than silence".into());
    }
    if let Some(sent) = sent
        && matches!(sent.await, Ok(Ok(())))
    {
        return Err("the message was too short to get stuck".into());
    }
    let gone = gone.await??;
    link.end().await;
    Ok(Noticed { excess: after(noticed, deadline), closed: after(gone, noticed).max(0.0), gone: after(gone, deadline) })
}

/// How long after the deadline it told that the server is gone; nothing if it did not.
async fn ezsockets(number: u32) -> Result<Option<f64>, Failure> {
    let place = Place::take()?;
    let config = ez_config(place.port, &TIMES);
    let listener = place.listen()?;
    let counts = Arc::new(Counts::default());
    let client = Ez::new(Arc::clone(&counts));
    let connecting = tokio::spawn(ezsockets::connect(move |_| client, config));
    let mut peer = peer::accept(&listener).await?;
    let (handle, _ended) = connecting.await?;
    phase(number).await;

    let deadline = fall_silent(&mut peer).await?;
    if is_mid_send(number) {
        handle.binary(vec![b'x'; STALLED])?;
    }
    let told = timeout(deadline + GIVE_UP - Instant::now(), counts.next_loss()).await;
    let noticed = told.is_ok().then(|| after(Instant::now(), deadline));
    drop((peer, listener));
    Ok(noticed)
}

/// Says its last word. Gives the moment at which the other side must know, counted from before it was said.
async fn fall_silent(peer: &mut TcpStream) -> Result<Instant, Failure> {
    let last = Instant::now();
    peer::say(peer, "the last word").await?;
    Ok(last + TIMES.every + TIMES.timeout)
}

async fn until_gone(peer: &TcpStream) -> Result<Instant, Failure> {
    if peer::gone(peer, TIMES.every + TIMES.timeout + GIVE_UP).await? {
        return Ok(Instant::now());
    }
    Err("the descriptor was not closed".into())
}

/// How long after, in milliseconds; negative if before.
fn after(at: Instant, deadline: Instant) -> f64 {
    ms(at.saturating_duration_since(deadline)) - ms(deadline.saturating_duration_since(at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_trial_of_each_kind_is_noticed_and_never_early() {
        let (idle, mid_send) = tokio::join!(link(1), link(2));
        for trial in [idle.unwrap(), mid_send.unwrap()] {
            assert!((0.0..5_000.0).contains(&trial.excess), "{} ms", trial.excess);
            assert!((0.0..5_000.0).contains(&trial.gone), "{} ms", trial.gone);
        }
    }

    #[test]
    fn what_comes_before_the_deadline_counts_as_negative() {
        let deadline = Instant::now();
        let early = deadline.checked_sub(Duration::from_millis(3)).unwrap();
        assert!((after(early, deadline) + 3.0).abs() < 1e-6);
        assert!((after(deadline, early) - 3.0).abs() < 1e-6);
    }
}
