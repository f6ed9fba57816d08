//! `cargo xtask sim`, `herd` and `fuzz`: the simulations of the package heartwire-sim, built so that they are fast.

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

/// The options of `fuzz`.
#[derive(Clone, Debug, clap::Args)]
pub struct Inputs {
    /// Only this dialect
    #[arg(long, value_name = "NAME")]
    pub dialect: Option<String>,
    /// Hostile inputs for each dialect, besides the large ones
    #[arg(long, default_value_t = 10_000_000)]
    pub inputs: u64,
    /// Only the session of this seed
    #[arg(long, conflicts_with = "inputs")]
    pub seed: Option<u64>,
}

/// The link through many bad days.
pub fn days(options: &Days) -> Result<(), Failure> {
    let words = match options.seed {
        Some(seed) => ["--seed".to_owned(), seed.to_string()],
        None => ["--seeds".to_owned(), options.seeds.to_string()],
    };
    simulation(
        "heartwire-sim",
        ["sim".to_owned()].into_iter().chain(words),
        "The link broke a promise; the seed above shows it again.",
    )
}

/// A million clients and a server.
pub fn herd(options: &Dice) -> Result<(), Failure> {
    simulation(
        "heartwire-sim",
        ["herd", "--seed", &options.seed.to_string()].map(str::to_owned),
        "What failed is above.",
    )
}

/// Every dialect against hostile servers.
pub fn fuzz(options: &Inputs) -> Result<(), Failure> {
    let dialect = options.dialect.iter().flat_map(|name| ["--dialect".to_owned(), name.clone()]);
    let which = match options.seed {
        Some(seed) => ["--seed".to_owned(), seed.to_string()],
        None => ["--inputs".to_owned(), options.inputs.to_string()],
    };
    let advice = "A dialect broke a rule; its name with the seed above shows it again.";
    simulation("heartwire-fuzz", dialect.chain(which), advice)
}

fn simulation(program: &str, options: impl IntoIterator<Item = String>, advice: &str) -> Result<(), Failure> {
    let mut run = cargo();
    run.args(["run", "--quiet", "--profile", "sim", "-p", "heartwire-sim", "--bin", program, "--"]).args(options);
    command::run(&mut run, advice)
}
