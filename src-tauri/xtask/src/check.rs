//! `cargo xtask check`: what must hold of the sources. Every gate runs, whatever an earlier one found.

use std::fs;

use crate::command::{self, Failure, ask, cargo, command, complain, say};
use crate::packages::{self, Need};
use crate::{dirs, ui};

/// What a gate came to.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Verdict {
    Passed,
    Failed,
    Skipped(String),
}

type Gate = (&'static str, fn() -> Result<Verdict, Failure>);

const GATES: [Gate; 6] = [
    ("formatting", formatting),
    ("clippy", clippy),
    ("ui", ui_checks),
    ("bindings", bindings),
    ("dependencies", dependencies),
    ("no machine's paths", machine_paths),
];

/// Runs the gates and prints the summary.
pub fn run() -> Result<(), Failure> {
    packages::install(&[Need::Build])?;
    let mut verdicts = Vec::new();
    for (name, gate) in GATES {
        say(format_args!("\n== {name} =="));
        let verdict = gate().unwrap_or_else(|failure| {
            complain(&failure);
            Verdict::Failed
        });
        verdicts.push((name, verdict));
    }
    say("");
    for (name, verdict) in &verdicts {
        match verdict {
            Verdict::Passed => say(format_args!("{name}: holds")),
            Verdict::Failed => say(format_args!("{name}: DOES NOT HOLD, see above")),
            Verdict::Skipped(reason) => say(format_args!("SKIPPED {name}: {reason}")),
        }
    }
    let count = |wanted: fn(&Verdict) -> bool| verdicts.iter().filter(|(_, verdict)| wanted(verdict)).count();
    let failed = count(|verdict| *verdict == Verdict::Failed);
    let skipped = count(|verdict| matches!(verdict, Verdict::Skipped(_)));
    say(format_args!("{} passed, {failed} failed, {skipped} skipped", verdicts.len() - failed - skipped));
    if failed > 0 {
        return Err(Failure::new(format!("{failed} of {} checks do not hold", verdicts.len())));
    }
    Ok(())
}

fn formatting() -> Result<Verdict, Failure> {
    command::run(cargo().args(["fmt", "--all", "--check"]), "`cargo fmt --all` puts it right.")?;
    Ok(Verdict::Passed)
}

fn clippy() -> Result<Verdict, Failure> {
    let mut clippy = cargo();
    clippy.args(["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]);
    command::run(&mut clippy, "Each lint above says what it wants.")?;
    Ok(Verdict::Passed)
}

fn ui_checks() -> Result<Verdict, Failure> {
    ui::require_node()?;
    ui::install()?;
    command::run(&mut ui::npm(&["run", "check"]), "Types, lints and the catalogues of the window must hold.")?;
    Ok(Verdict::Passed)
}

/// The window's types in the tree are those that the Rust types generate; a test of core compares them.
fn bindings() -> Result<Verdict, Failure> {
    let mut compare = cargo();
    compare.args(["test", "--quiet", "-p", "heartwire-core", "--features", "bindings", "--test", "bindings"]);
    command::run(&mut compare, "What it prints says how to write them anew; commit that.")?;
    Ok(Verdict::Passed)
}

fn dependencies() -> Result<Verdict, Failure> {
    if !packages::is_installed("cargo-deny") {
        let reason = "cargo-deny is not installed (`cargo install cargo-deny --locked`)";
        return Ok(Verdict::Skipped(reason.to_owned()));
    }
    let mut deny = cargo();
    deny.args(["deny", "check", "bans", "licenses", "sources"]);
    command::run(&mut deny, "deny.toml says what is allowed and why.")?;
    Ok(Verdict::Passed)
}

/// No file of the tree names a folder of the machine it was written on.
fn machine_paths() -> Result<Verdict, Failure> {
    let files = ask(command("git").args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]))?;
    let root = dirs::root().to_string_lossy().into_owned();
    let home = std::env::var("HOME").unwrap_or_default();
    let mut found = Vec::new();
    for file in files.split('\0').filter(|file| !file.is_empty()) {
        let Ok(text) = fs::read_to_string(dirs::root().join(file)) else { continue };
        found.extend(naming(&text, &root, &home).into_iter().map(|line| format!("{file}:{line}")));
    }
    if found.is_empty() {
        return Ok(Verdict::Passed);
    }
    Err(Failure::new(format!("these lines name a folder of one machine:\n  {}", found.join("\n  "))))
}

/// The numbers of the lines that name the root, or something below the home folder. A root such as /src or /app says
/// nothing of a machine: files name such folders with good reason.
fn naming(text: &str, root: &str, home: &str) -> Vec<usize> {
    let is_telling = root.trim_matches('/').contains('/');
    let names = |line: &str| {
        (is_telling && paths_after(line, root).next().is_some())
            || (home.len() > 1 && paths_after(line, home).any(|rest| rest.starts_with('/')))
    };
    text.lines().enumerate().filter(|(_, line)| names(line)).map(|(at, _)| at + 1).collect()
}

/// What follows each place where the line names this path, and not one that only looks like it, such as `/srv/apple` or
/// `my/srv/app` for `/srv/app`.
fn paths_after<'a>(line: &'a str, path: &'a str) -> impl Iterator<Item = &'a str> {
    let in_name = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
    line.match_indices(path).filter_map(move |(at, _)| {
        let (before, after) = (&line[..at], &line[at + path.len()..]);
        let begins = !before.ends_with(|c| in_name(c) || matches!(c, '.' | '~'));
        // A dot ends a sentence, unless a name goes on after it.
        let ends = !after.trim_start_matches('.').starts_with(in_name);
        (begins && ends).then_some(after)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_name_a_folder_of_this_machine_are_found() {
        let text = "a\nsee /home/ann/heartwire/README.md\n/home/ann/.cargo\n/home/ann\n/etc/heartwire";
        assert_eq!(naming(text, "/home/ann/heartwire", "/home/ann"), [2, 3]);
        assert_eq!(naming(text, "", ""), [0; 0]);
        assert_eq!(naming(text, "/", "/"), [0; 0]);
    }

    #[test]
    fn a_path_is_named_only_where_it_begins_and_ends() {
        let text = "(/srv/app)\n/srv/apple\nmy/srv/app/x\n/srv/app.\nfile:///srv/app/x\n/srv/app.rs\n\"/srv/app\"\n/srv/app-2\n~/srv/app\n./srv/app";
        assert_eq!(naming(text, "/srv/app", "/home/ann"), [1, 4, 5, 7]);
        assert_eq!(naming("cd /home/anne/x\nsee x/home/ann/y\n'/home/ann/y'", "/srv/app", "/home/ann"), [3]);
    }

    #[test]
    fn a_root_of_one_component_says_nothing_of_a_machine() {
        let text = "<script src=\"/src/main.ts\">\ntests/app/main.rs\n/app/x\n/root/.cargo";
        for root in ["/src", "/app", "/app/"] {
            assert_eq!(naming(text, root, "/root"), [4], "{root}");
        }
    }
}
