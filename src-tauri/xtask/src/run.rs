//! `cargo xtask run`: from a checkout to the running app in one command.

use std::path::PathBuf;
use std::time::Duration;

use crate::command::{self, Failure, cargo, command};
use crate::packages::Need;
use crate::{dirs, prepare};

/// The command's options.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// End after this long, such as 90s or 5min; on a private desktop 60s unless told
    #[arg(long = "for", value_name = "DURATION", value_parser = parse_duration)]
    pub length: Option<Duration>,
    /// Open the window at once
    #[arg(long)]
    pub window: bool,
    /// Build with optimisations
    #[arg(long)]
    pub release: bool,
}

/// Prepares, builds and starts the app.
pub fn run(options: &Options) -> Result<(), Failure> {
    prepare::all(&[Need::Build])?;
    let app = build_app(options.release)?;
    let mut app = command(&app.to_string_lossy());
    if options.window {
        app.arg("--window");
    }
    command::run(&mut app, "Its log above says why.")
}

/// Builds the app and gives the binary's path.
pub fn build_app(release: bool) -> Result<PathBuf, Failure> {
    let mut build = cargo();
    build.args(["build", "-p", "heartwire"]);
    if release {
        build.arg("--release");
    }
    command::run(
        &mut build,
        "If a system library is missing above, say so in an issue: xtask should have installed it.",
    )?;
    let profile = if release { "release" } else { "debug" };
    Ok(dirs::target().join(profile).join(format!("heartwire{}", std::env::consts::EXE_SUFFIX)))
}

/// `90s`, `5min`, `1h`, `500ms`; a bare number is seconds.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let at = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number: u64 = text[..at].parse().map_err(|_| "not a duration such as 90s or 5min".to_owned())?;
    match &text[at..] {
        "ms" => Ok(Duration::from_millis(number)),
        "s" | "" => Ok(Duration::from_secs(number)),
        "m" | "min" => Ok(Duration::from_secs(number.saturating_mul(60))),
        "h" => Ok(Duration::from_secs(number.saturating_mul(3600))),
        _ => Err("not a duration such as 90s or 5min".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_written_as_people_write_them() {
        for (text, seconds) in
            [("60s", Some(60)), ("5min", Some(300)), ("2m", Some(120)), ("7", Some(7)), ("1h", Some(3600))]
        {
            assert_eq!(parse_duration(text).ok().map(|found| found.as_secs()), seconds, "{text}");
        }
        for text in ["", "s", "5 s", "-1s", "soon"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }
}
