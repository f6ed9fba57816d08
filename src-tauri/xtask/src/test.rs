//! `cargo xtask test`: every test there is, and a summary that counts them. A failing suite does not end the others.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::Instant;

use crate::command::{self, Failure, cargo, say};
use crate::packages::Need;
use crate::summary::{self, CargoTest, Counts, Row, Skip, Vitest};
use crate::{dirs, packages, ui};

/// The command's options.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// Only tests whose name contains one of these
    pub filter: Vec<String>,
    /// Only this suite; may be given more than once
    #[arg(long, value_name = "NAME", value_parser = SUITES.map(|suite| suite.name))]
    pub suite: Vec<String>,
}

/// Tests append a line `SKIPPED name: reason` to the file that this variable names, besides printing it, when something they
/// need is missing. libtest counts them as passed; the summary counts them as skipped.
pub const SKIPS: &str = "HEARTWIRE_SKIPS";

/// For a test that cannot run here: says so where the summary counts it.
pub fn skip(test: &str, reason: &str) {
    let line = format!("SKIPPED {test}: {reason}");
    say(&line);
    if let Some(file) = std::env::var_os(SKIPS) {
        let file = fs::OpenOptions::new().append(true).create(true).open(file);
        if let Err(error) = file.and_then(|mut file| writeln!(file, "{line}")) {
            command::complain(&Failure::new(format!("telling of a skipped test: {error}")));
        }
    }
}

/// Whether a program that the test needs is not installed; then the test is one that cannot run here.
pub fn lacks(test: &str, program: &str) -> bool {
    let lacks = !packages::is_installed(program);
    if lacks {
        skip(test, &format!("{program} is not installed"));
    }
    lacks
}

#[derive(Clone, Copy)]
struct Suite {
    name: &'static str,
    runner: Runner,
}

#[derive(Clone, Copy)]
enum Runner {
    /// `cargo test` with these arguments.
    Cargo(&'static [&'static str]),
    /// The end-to-end tests: `cargo test` of the app, one test at a time, on private desktops.
    Desktop,
    /// `npm test` in ui.
    Npm,
}

const SUITES: [Suite; 8] = [
    Suite { name: "core", runner: Runner::Cargo(&["-p", "heartwire-core"]) },
    Suite {
        name: "bindings",
        runner: Runner::Cargo(&["-p", "heartwire-core", "--features", "bindings", "--test", "bindings"]),
    },
    Suite { name: "engine", runner: Runner::Cargo(&["-p", "heartwire-engine"]) },
    Suite { name: "sim", runner: Runner::Cargo(&["-p", "heartwire-sim", "--profile", "sim"]) },
    Suite { name: "bench", runner: Runner::Cargo(&["-p", "heartwire-bench"]) },
    Suite { name: "xtask", runner: Runner::Cargo(&["-p", "xtask"]) },
    Suite { name: "ui", runner: Runner::Npm },
    Suite { name: "app", runner: Runner::Desktop },
];

/// Sets up, runs the suites, prints the summary.
pub fn run(options: &Options) -> Result<(), Failure> {
    let chosen: Vec<Suite> = SUITES.into_iter().filter(|suite| wanted(suite, options)).collect();
    packages::install(&needs(&chosen, cfg!(target_os = "linux") && packages::is_root()?))?;
    let (mut rows, mut skips) = (Vec::new(), Vec::new());
    for suite in &chosen {
        say(format_args!("\n== {} ==", suite.name));
        let (row, mut more) = run_suite(suite, &options.filter);
        rows.push(row);
        skips.append(&mut more);
    }
    summary::print(&rows, &skips);
    let failed: Vec<&str> = rows.iter().filter(|row| row.counts.failed > 0).map(|row| row.suite.as_str()).collect();
    if failed.is_empty() {
        return Ok(());
    }
    Err(Failure::new(format!("tests failed in {}; what failed is above", failed.join(", "))))
}

fn wanted(suite: &Suite, options: &Options) -> bool {
    options.suite.is_empty() || options.suite.iter().any(|name| name == suite.name)
}

/// What the suites need; nobody but root has a use for [`Need::Network`].
fn needs(suites: &[Suite], is_root: bool) -> Vec<Need> {
    let has = |name| suites.iter().any(|suite| suite.name == name);
    let mut needs = Vec::new();
    if has("app") {
        needs.extend([Need::Build, Need::Desktop, Need::Servers]);
    } else if has("xtask") {
        needs.push(Need::Desktop);
    }
    if has("engine") {
        needs.extend([Need::Proxies, Need::Bus, Need::Brokers]);
        if !has("app") {
            needs.push(Need::Servers);
        }
        needs.extend(is_root.then_some(Need::Network));
    }
    needs
}

fn run_suite(suite: &Suite, filter: &[String]) -> (Row, Vec<Skip>) {
    let started = Instant::now();
    let mut row = Row { suite: suite.name.to_owned(), counts: Counts::default(), seconds: 0, note: String::new() };
    let outcome = match suite.runner {
        Runner::Cargo(args) => cargo_test(args, &[], filter),
        Runner::Desktop => ui::build().and_then(|()| cargo_test(&["-p", "heartwire"], &["--test-threads=1"], filter)),
        Runner::Npm => npm_test(filter),
    };
    row.seconds = started.elapsed().as_secs();
    match outcome {
        Ok(Outcome { status, mut counts, skips }) => {
            if !status.success() && counts.failed == 0 {
                counts.failed = 1;
                "did not run to its end: see above".clone_into(&mut row.note);
            }
            row.counts = counts;
            (row, skips)
        }
        Err(failure) => {
            command::complain(&failure);
            row.counts.failed = 1;
            "could not be run: see above".clone_into(&mut row.note);
            (row, Vec::new())
        }
    }
}

struct Outcome {
    status: ExitStatus,
    counts: Counts,
    skips: Vec<Skip>,
}

fn cargo_test(what: &[&str], how: &[&str], filter: &[String]) -> Result<Outcome, Failure> {
    let skips_file = SkipsFile::new()?;
    let mut test = cargo();
    test.arg("test").args(what).args(["--no-fail-fast", "--"]).args(how);
    test.args(filter).env(SKIPS, &skips_file.0);
    let mut seen = CargoTest::default();
    let status = command::watch(&mut test, "", |line| seen.line(line))?;
    let told = skips_file.read();
    let mut counts = seen.counts;
    counts.passed = counts.passed.saturating_sub(told.len() as u64);
    counts.skipped += told.len() as u64;
    Ok(Outcome { status, counts, skips: [seen.skips, told].concat() })
}

fn npm_test(filter: &[String]) -> Result<Outcome, Failure> {
    ui::require_node()?;
    ui::install()?;
    let mut test = npm_test_command(filter);
    let mut seen = Vitest::default();
    let status = command::watch(&mut test, "", |line| seen.line(line))?;
    let skipped = seen.counts.skipped;
    let skips = if skipped == 0 {
        Vec::new()
    } else {
        vec![Skip { name: format!("{skipped} in ui"), reason: "marked as skipped in their files".to_owned() }]
    };
    Ok(Outcome { status, counts: seen.counts, skips })
}

fn npm_test_command(filter: &[String]) -> Command {
    let mut test = ui::npm(&["test"]);
    if !filter.is_empty() {
        test.args(["--", "--passWithNoTests", "--testNamePattern"]).arg(filter.join("|"));
    }
    test
}

/// Where tests tell what they skipped, empty at first.
struct SkipsFile(PathBuf);

impl SkipsFile {
    fn new() -> Result<Self, Failure> {
        let path = dirs::target().join("skips.txt");
        fs::create_dir_all(dirs::target()).map_err(Failure::io("making the target folder"))?;
        fs::write(&path, "").map_err(Failure::io(format!("writing {}", path.display())))?;
        Ok(Self(path))
    }

    fn read(&self) -> Vec<Skip> {
        parse_skips(&fs::read_to_string(Path::new(&self.0)).unwrap_or_default())
    }
}

fn parse_skips(text: &str) -> Vec<Skip> {
    text.lines()
        .filter_map(|line| line.strip_prefix("SKIPPED ")?.split_once(": "))
        .map(|(name, reason)| Skip { name: name.to_owned(), reason: reason.to_owned() })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_tell_what_they_skipped_one_a_line() {
        let skips = parse_skips("SKIPPED a_b: needs root: no\nnoise\nSKIPPED c: no npm\n");
        let seen: Vec<_> = skips.iter().map(|skip| (skip.name.as_str(), skip.reason.as_str())).collect();
        assert_eq!(seen, [("a_b", "needs root: no"), ("c", "no npm")]);
    }

    #[test]
    fn a_suite_that_cannot_be_built_counts_as_failed() {
        let suite = Suite { name: "none", runner: Runner::Cargo(&["-p", "no-such-package-here"]) };
        let (row, _) = run_suite(&suite, &[]);
        assert_eq!(row.counts, Counts { passed: 0, failed: 1, skipped: 0 });
        assert!(row.note.contains("see above"), "{}", row.note);
    }

    #[test]
    fn suites_are_chosen_by_name_and_bring_only_what_they_need() {
        let chosen = |names: &[&str]| {
            let suite = names.iter().map(ToString::to_string).collect();
            let options = Options { filter: Vec::new(), suite };
            SUITES.into_iter().filter(|suite| wanted(suite, &options)).collect::<Vec<_>>()
        };
        let names: Vec<_> = chosen(&[]).iter().map(|suite| suite.name).collect();
        assert_eq!(names, ["core", "bindings", "engine", "sim", "bench", "xtask", "ui", "app"]);
        assert_eq!(needs(&chosen(&["ui", "core"]), true), []);
        assert_eq!(
            needs(&chosen(&["engine"]), true),
            [Need::Proxies, Need::Bus, Need::Brokers, Need::Servers, Need::Network]
        );
        assert_eq!(needs(&chosen(&["engine"]), false), [Need::Proxies, Need::Bus, Need::Brokers, Need::Servers]);
        assert_eq!(needs(&chosen(&["app"]), true), [Need::Build, Need::Desktop, Need::Servers]);
    }
}
