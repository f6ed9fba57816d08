//! One seed, one day: who is there and how bad the weather is.

use std::time::Duration;

use heartwire_core::link::{Backoff, Heartbeat, HeartbeatKind, Jitter, LinkSettings};
use rand::rngs::SmallRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};

use crate::checker::Tally;
use crate::world::{Failure, Frame, World};

/// How long a day is.
pub const DAY: Duration = Duration::from_secs(24 * 3600);
/// So many links share a computer on the days with many.
const MANY: usize = 50;
/// One day in so many has many links.
const MANY_ONE_IN: u64 = 128;

/// A day that was lived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Day {
    /// How many links lived it.
    pub links: u64,
    /// What was counted, or what broke.
    pub outcome: Result<Tally, Failure>,
}

/// Lives the day of this seed. A broken promise comes with the last steps of its link.
pub fn live(seed: u64) -> Day {
    let day = live_watching(seed, None);
    match day.outcome {
        Err(failure) => live_watching(seed, Some(failure.link)),
        Ok(_) => day,
    }
}

/// Steps are kept only when the day is lived again, because words take time.
fn live_watching(seed: u64, watched: Option<usize>) -> Day {
    let mut rng = SmallRng::seed_from_u64(seed);
    let links = if seed.is_multiple_of(MANY_ONE_IN) { MANY } else { 1 };
    let settings: Vec<_> = (0..links).map(|_| settings(&mut rng)).collect();
    let frame = frame(&mut rng, &settings[0]);
    let world = World::new(frame, &settings, rng, watched);
    Day { links: links as u64, outcome: world.live() }
}

fn frame(rng: &mut SmallRng, settings: &LinkSettings) -> Frame {
    // From a fault every two hours to one every minute.
    let calm = Duration::from_secs_f64(rng.random_range(60_f64.ln()..=7_200_f64.ln()).exp());
    let lateness = if rng.random_bool(0.25) { Duration::from_millis(20) } else { Duration::ZERO };
    let round_trip = Duration::from_millis(rng.random_range(1..=300));
    let every = settings.heartbeat.every;
    // Some servers speak so often that a heartbeat is never due.
    let talk = if rng.random_bool(0.1) { every / 3 } else { every * rng.random_range(2..=60) };
    Frame { length: DAY, calm, lateness, round_trip, talk }
}

fn settings(rng: &mut SmallRng) -> LinkSettings {
    let kind = match rng.random_range(0..20) {
        0..9 => HeartbeatKind::Text("beat".to_owned()),
        9..14 => HeartbeatKind::Ping,
        14..17 => HeartbeatKind::Own,
        _ => HeartbeatKind::None,
    };
    let heartbeat = Heartbeat {
        kind,
        every: seconds(rng, &[5.0, 10.0, 15.0, 25.0, 30.0, 30.0, 45.0, 60.0, 60.0, 120.0]),
        timeout: seconds(rng, &[1.0, 2.0, 5.0, 10.0, 10.0, 20.0]),
        always: rng.random_bool(0.2),
    };
    let first = seconds(rng, &[0.001, 0.1, 0.5, 0.5, 1.0, 2.0]);
    let backoff = Backoff {
        first,
        cap: seconds(rng, &[2.0, 10.0, 30.0, 30.0, 60.0, 120.0]),
        fixed: rng.random_bool(0.15).then(|| seconds(rng, &[0.01, 1.0, 4.0, 30.0])),
        jitter: if rng.random_bool(0.2) { Jitter::None } else { Jitter::Full },
    };
    let connect_timeout = seconds(rng, &[1.0, 5.0, 10.0, 20.0]);
    LinkSettings { heartbeat, backoff, connect_timeout, on_open: Vec::new() }
}

fn seconds(rng: &mut SmallRng, choices: &[f64]) -> Duration {
    Duration::from_secs_f64(*choices.choose(rng).unwrap_or(&1.0))
}
