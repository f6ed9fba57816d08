//! `cargo xtask run`: from a checkout to the running app in one command.

use std::path::{Path, PathBuf};
use std::process::Child;
use std::thread;
use std::time::{Duration, Instant};

use crate::command::{self, Failure, cargo, command, say};
use crate::packages::Need;
#[cfg(unix)]
use crate::tour;
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
    let private = !prepare::has_display();
    prepare::all(if private { &[Need::Build, Need::Desktop] } else { &[Need::Build] })?;
    let binary = build_app(options.release)?;
    if private { run_privately(binary, options) } else { run_here(&binary, options) }
}

#[cfg(unix)]
fn run_privately(binary: PathBuf, options: &Options) -> Result<(), Failure> {
    tour::tour(binary, options.length.unwrap_or(tour::USUAL_LENGTH), options.window)
}

#[cfg(not(unix))]
fn run_privately(binary: PathBuf, options: &Options) -> Result<(), Failure> {
    run_here(&binary, options)
}

/// On the person's own desktop, in the foreground.
fn run_here(binary: &Path, options: &Options) -> Result<(), Failure> {
    let mut app = command(&binary.to_string_lossy());
    if options.window {
        app.arg("--window");
    }
    let advice = "Its log above says why.";
    let Some(length) = options.length else { return command::run(&mut app, advice) };
    command::echo(&app);
    let mut child = app.spawn().map_err(Failure::io("starting Heartwire"))?;
    let deadline = Instant::now() + length;
    while Instant::now() < deadline {
        if let Some(status) = child.try_wait().map_err(Failure::io("waiting for Heartwire"))? {
            return command::succeed(&app, status, advice);
        }
        thread::sleep(Duration::from_millis(100));
    }
    say(format_args!("{} s are over: ending Heartwire.", length.as_secs()));
    end(&mut child)?;
    child.wait().map(drop).map_err(Failure::io("waiting for Heartwire"))
}

/// Orderly, so that every socket is closed.
#[cfg(unix)]
fn end(child: &mut Child) -> Result<(), Failure> {
    let id = rustix::process::Pid::from_child(child);
    rustix::process::kill_process(id, rustix::process::Signal::TERM)
        .map_err(|error| Failure::new(format!("ending Heartwire: {error}")))
}

#[cfg(not(unix))]
fn end(child: &mut Child) -> Result<(), Failure> {
    child.kill().map_err(Failure::io("ending Heartwire"))
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
