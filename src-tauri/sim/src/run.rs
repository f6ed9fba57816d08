//! Many seeds, on some threads. The outcome does not depend on how many: seeds are taken in order, and the lowest that
//! breaks a promise is the one that is told.

use std::fmt::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use crate::checker::{Situation, Tally, Violation};
use crate::day::{self, Day};
use crate::world::Failure;

/// What all days came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Days lived, one a seed.
    pub seeds: u64,
    /// Days of links: a day with fifty links counts fifty.
    pub link_days: u64,
    /// What was counted.
    pub tally: Tally,
    /// The lowest seed that broke a promise, and how.
    pub failure: Option<(u64, Failure)>,
    /// What only all days together show.
    pub spread: Option<Violation>,
}

/// Lives the days of the seeds from `first` on.
pub fn run(first: u64, count: u64, threads: usize) -> Summary {
    let next = AtomicU64::new(first);
    let failed = AtomicU64::new(u64::MAX);
    let end = first.saturating_add(count);
    let mut summary = Summary::default();
    thread::scope(|scope| {
        let work = || some_days(&next, &failed, end);
        let workers: Vec<_> = (0..threads.max(1)).map(|_| scope.spawn(work)).collect();
        for worker in workers {
            match worker.join() {
                Ok(part) => summary.add(part),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
    });
    summary.spread = summary.tally.check().err();
    summary
}

fn some_days(next: &AtomicU64, failed: &AtomicU64, end: u64) -> Summary {
    let mut summary = Summary::default();
    loop {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        if seed >= end || seed > failed.load(Ordering::Relaxed) {
            return summary;
        }
        let Day { links, outcome } = day::live(seed);
        summary.seeds += 1;
        summary.link_days += links;
        match outcome {
            Ok(tally) => summary.tally.plus(&tally),
            Err(failure) => {
                failed.fetch_min(seed, Ordering::Relaxed);
                summary.fails(seed, failure);
            }
        }
    }
}

impl Summary {
    fn add(&mut self, part: Self) {
        self.seeds += part.seeds;
        self.link_days += part.link_days;
        self.tally.plus(&part.tally);
        if let Some((seed, failure)) = part.failure {
            self.fails(seed, failure);
        }
    }

    fn fails(&mut self, seed: u64, failure: Failure) {
        if self.failure.as_ref().is_none_or(|(lowest, _)| seed < *lowest) {
            self.failure = Some((seed, failure));
        }
    }
}

impl Summary {
    /// Whether every promise was kept.
    pub fn holds(&self) -> bool {
        self.failure.is_none() && self.spread.is_none()
    }

    /// What broke, with the command that lives it again.
    pub fn complaint(&self) -> String {
        let mut words = String::new();
        // Writing into a String cannot fail.
        if let Some((seed, failure)) = &self.failure {
            let Failure { link, violation, steps } = failure;
            let _ = writeln!(words, "Seed {seed}, link {link}: invariant {} is broken.", violation.invariant);
            let _ = writeln!(words, "Seen: {}", violation.seen);
            let _ = writeln!(words, "The last steps of the link:\n  {}", steps.join("\n  "));
            let _ = writeln!(words, "Live it again: cargo xtask sim --seed {seed}");
        } else if let Some(violation) = &self.spread {
            let _ = writeln!(words, "Over all days, invariant {} is broken.", violation.invariant);
            let _ = writeln!(words, "Seen: {}", violation.seen);
            let _ = writeln!(words, "Live them again: cargo xtask sim --seeds {}", self.seeds);
        }
        words
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Tally { steps, dials, deaths, heartbeats, .. } = &self.tally;
        let (seeds, days) = (self.seeds, self.link_days);
        write!(f, "{seeds} seeds, {days} virtual days of a link, {dials} dials, {deaths} deaths, ")?;
        write!(f, "{heartbeats} heartbeats, {steps} steps checked")?;
        let situations = Situation::ALL.map(|it| format!("{} {}", self.tally.count(it), it.words()));
        write!(f, "\nAmong them {}", situations.join(", "))
    }
}
