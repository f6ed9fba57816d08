//! The days themselves: ten thousand of them where the build is optimised (`cargo xtask test` and `--profile sim`), and
//! some in a debug build, where each takes many times as long.

use std::io::{self, Write};
use std::time::Instant;

use heartwire_sim::checker::Situation;
use heartwire_sim::{day, run};

const SEEDS: u64 = if cfg!(debug_assertions) { 200 } else { 10_000 };

#[test]
fn every_invariant_holds_on_ten_thousand_bad_days() {
    let started = Instant::now();
    let summary = run::run(0, SEEDS, 2);
    let mut told = format!("{summary}\n{:.1} s\n", started.elapsed().as_secs_f64());
    // Said even when the test passes: the figures are part of the result.
    told.insert(0, '\n');
    io::stdout().write_all(told.as_bytes()).unwrap();
    assert!(summary.holds(), "{}", summary.complaint());
    assert_eq!(summary.seeds, SEEDS);
    for situation in Situation::ALL {
        let count = summary.tally.count(situation);
        assert!(count >= SEEDS / 10, "{situation:?} happened {count} times: nothing is proved of it");
    }
}

#[test]
fn the_same_seed_gives_the_same_day() {
    for seed in [0, 1, 7] {
        assert_eq!(day::live(seed), day::live(seed));
    }
    assert_ne!(day::live(1).outcome, day::live(2).outcome);
}

#[test]
fn the_number_of_threads_changes_nothing() {
    assert_eq!(run::run(1, 20, 1), run::run(1, 20, 3));
}
