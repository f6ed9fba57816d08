//! `cargo xtask loss`: the trials of loss at full size. The same tests run with a few thousand messages in `cargo xtask
//! test`.

use crate::command::{self, Failure, cargo};
use crate::packages::{self, Need};

/// The options.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// Only the trials whose names have one of these words in them
    #[arg(value_name = "NAME")]
    pub name: Vec<String>,
    /// Numbered messages in each trial
    #[arg(long, default_value_t = 100_000)]
    pub messages: u32,
    /// How often Heartwire is killed in each
    #[arg(long, default_value_t = 200)]
    pub kills: u32,
    /// Decides every fault and every kill; else each trial draws its own
    #[arg(long)]
    pub seed: Option<u64>,
}

/// One trial after another, so that none slows another down.
pub fn run(options: &Options) -> Result<(), Failure> {
    packages::install(&[Need::Servers, Need::Brokers])?;
    let mut run = cargo();
    run.args(["test", "-p", "heartwire-engine", "--test", "loss", "--", "--nocapture", "--test-threads=1"]);
    run.args(&options.name);
    run.env("HEARTWIRE_LOSS_MESSAGES", options.messages.to_string());
    run.env("HEARTWIRE_LOSS_KILLS", options.kills.to_string());
    if let Some(seed) = options.seed {
        run.env("HEARTWIRE_LOSS_SEED", seed.to_string());
    }
    command::run(&mut run, "A message was lost or doubled; the seed above runs that trial again.")
}
