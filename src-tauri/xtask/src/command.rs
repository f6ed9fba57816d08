//! Runs other programs: each is echoed in one short line first, and a failure says which command, how it ended and what to
//! do about it. The only place where xtask writes to the terminal.

use std::fmt;
use std::io::{self, BufRead, BufReader, Write};
use std::process::{Command, ExitStatus, Stdio};

use crate::dirs;

/// Why a command of xtask ended without success, in words for the person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure(String);

impl Failure {
    /// The exit code of xtask after a failure.
    pub const CODE: u8 = 1;

    /// A failure in these words: what happened and what to do.
    pub fn new(words: impl Into<String>) -> Self {
        Self(words.into())
    }

    /// A failure of an operation of the system, with what was tried.
    pub fn io(tried: impl fmt::Display) -> impl FnOnce(io::Error) -> Self {
        move |error| Self(format!("{tried}: {error}"))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Failure {}

/// Prints a line on stdout.
pub fn say(line: impl fmt::Display) {
    // Nobody is left to tell when stdout is gone.
    let _ = writeln!(io::stdout(), "{line}");
}

/// Prints what failed on stderr.
pub fn complain(failure: &Failure) {
    let _ = writeln!(io::stderr(), "error: {failure}");
}

/// A command that runs in the workspace's root.
pub fn command(program: &str) -> Command {
    let mut command = Command::new(program);
    command.current_dir(dirs::root());
    command
}

/// Cargo, the one that runs us.
pub fn cargo() -> Command {
    let mut cargo = command(&std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned()));
    // What Cargo told us about this package. Build scripts that watch these names would run again each time that a person
    // and xtask take turns.
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(is_about_this_package) {
            cargo.env_remove(name);
        }
    }
    cargo
}

fn is_about_this_package(name: &str) -> bool {
    ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_CRATE_NAME", "CARGO_BIN_NAME", "CARGO_PRIMARY_PACKAGE"]
        .iter()
        .any(|start| name.starts_with(start))
}

/// Runs it with our own stdin, stdout and stderr; `advice` says what to do if it fails.
pub fn run(command: &mut Command, advice: &str) -> Result<(), Failure> {
    echo(command);
    let status = command.status().map_err(|error| not_started(command, &error, advice))?;
    succeed(command, status, advice)
}

/// Runs it without an echo and gives its stdout; for questions such as `node --version`.
pub fn ask(command: &mut Command) -> Result<String, Failure> {
    let output = command.stderr(Stdio::inherit()).output().map_err(|error| not_started(command, &error, ""))?;
    succeed(command, output.status, "")?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Runs it, passes its stdout on line by line, and gives each line to `each` too. The status says how it ended.
pub fn watch(command: &mut Command, advice: &str, mut each: impl FnMut(&str)) -> Result<ExitStatus, Failure> {
    echo(command);
    let mut child = command.stdout(Stdio::piped()).spawn().map_err(|error| not_started(command, &error, advice))?;
    if let Some(stdout) = child.stdout.take() {
        for line in BufReader::new(stdout).split(b'\n') {
            let line = line.map_err(Failure::io(format!("reading from `{}`", show(command))))?;
            let line = String::from_utf8_lossy(&line);
            say(&line);
            each(&line);
        }
    }
    child.wait().map_err(Failure::io(format!("waiting for `{}`", show(command))))
}

/// Prints the command as one would type it, with its folder where that is not the root.
pub fn echo(command: &Command) {
    let folder = command.get_current_dir().and_then(|dir| dir.strip_prefix(dirs::root()).ok());
    match folder.filter(|folder| !folder.as_os_str().is_empty()) {
        Some(folder) => say(format_args!("$ ({}) {}", folder.display(), show(command))),
        None => say(format_args!("$ {}", show(command))),
    }
}

/// The command in one line: the program without its folder, arguments that need it in quotes.
pub fn show(command: &Command) -> String {
    let program = std::path::Path::new(command.get_program());
    let program = program.file_name().unwrap_or(command.get_program()).to_string_lossy().into_owned();
    let mut words = vec![program];
    for arg in command.get_args() {
        let arg = arg.to_string_lossy();
        let plain = !arg.is_empty() && !arg.contains(|c: char| c.is_whitespace() || "'\"$|&;<>()".contains(c));
        words.push(if plain { arg.into_owned() } else { format!("'{arg}'") });
    }
    words.join(" ")
}

/// A failure unless the status is a success.
pub fn succeed(command: &Command, status: ExitStatus, advice: &str) -> Result<(), Failure> {
    if status.success() {
        return Ok(());
    }
    let ended = match status.code() {
        Some(code) => format!("ended with exit code {code}"),
        None => format!("was ended: {status}"),
    };
    Err(Failure::new(with_advice(format!("`{}` {ended}.", show(command)), advice)))
}

fn not_started(command: &Command, error: &io::Error, advice: &str) -> Failure {
    Failure::new(with_advice(format!("`{}` could not be started: {error}.", show(command)), advice))
}

fn with_advice(words: String, advice: &str) -> String {
    if advice.is_empty() { words } else { format!("{words} {advice}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_shown_in_one_line_as_one_would_type_it() {
        let mut command = Command::new("/usr/bin/npm");
        command.args(["run", "a b", ""]);
        assert_eq!(show(&command), "npm run 'a b' ''");
    }

    #[test]
    fn cargo_is_not_told_of_this_package() {
        let cargo = cargo();
        let removed: Vec<_> = cargo.get_envs().filter(|(_, value)| value.is_none()).map(|(name, _)| name).collect();
        assert!(removed.contains(&"CARGO_MANIFEST_DIR".as_ref()), "{removed:?}");
        assert!(!removed.contains(&"CARGO_TARGET_DIR".as_ref()) && !removed.contains(&"PATH".as_ref()), "{removed:?}");
    }

    #[test]
    fn a_failure_names_the_command_the_exit_code_and_what_to_do() {
        let failure = run(Command::new("sh").args(["-c", "exit 7"]), "Try again.").unwrap_err();
        assert_eq!(failure.to_string(), "`sh -c 'exit 7'` ended with exit code 7. Try again.");
        let failure = run(&mut Command::new("no-such-program"), "Install it.").unwrap_err();
        assert!(failure.to_string().starts_with("`no-such-program` could not be started: "), "{failure}");
        assert!(failure.to_string().ends_with(" Install it."), "{failure}");
    }

    #[test]
    fn watching_gives_each_line_and_the_status() {
        let mut lines = Vec::new();
        let mut command = Command::new("sh");
        let status = watch(command.args(["-c", "echo one; echo two; exit 3"]), "", |line| lines.push(line.to_owned()));
        assert_eq!((lines, status.unwrap().code()), (vec!["one".to_owned(), "two".to_owned()], Some(3)));
    }
}
