//! `cargo xtask sim` and `cargo xtask herd`: the simulations of the package heartwire-sim, built so that they are fast.

use crate::command::{self, Failure, cargo};

/// The options of `sim`.
#[derive(Clone, Debug, clap::Args)]
pub struct Days {
    /// How many days are lived, one a seed
    #[arg(long, default_value_t = 10_000)]
    pub seeds: u64,
    /// Live the day of this seed only
    #[arg(long, conflicts_with = "seeds")]
    pub seed: Option<u64>,
}

/// The options of `herd`.
#[derive(Clone, Debug, clap::Args)]
pub struct Dice {
    /// What the dice begin with
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
}

/// The link through many bad days.
pub fn days(options: &Days) -> Result<(), Failure> {
    let words = match options.seed {
        Some(seed) => ["--seed".to_owned(), seed.to_string()],
        None => ["--seeds".to_owned(), options.seeds.to_string()],
    };
    simulation("sim", words, "The link broke a promise; the seed above shows it again.")
}

/// A million clients and a server.
pub fn herd(options: &Dice) -> Result<(), Failure> {
    simulation("herd", ["--seed".to_owned(), options.seed.to_string()], "What failed is above.")
}

fn simulation(name: &str, options: [String; 2], advice: &str) -> Result<(), Failure> {
    let mut run = cargo();
    run.args(["run", "--quiet", "--profile", "sim", "-p", "heartwire-sim", "--", name]).args(options);
    command::run(&mut run, advice)
}
