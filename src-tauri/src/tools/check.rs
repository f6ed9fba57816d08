//! `heartwire check`: every error of a configuration with its file and line; and with `--connect` what a connection comes
//! to, step by step.

use std::io;
use std::path::Path;
use std::process::ExitCode;

use heartwire_core::settings::Connection;
use heartwire_core::text::one_line;
use heartwire_core::trial::{Outcome, StepView};
use heartwire_core::view::Problem;
use heartwire_engine::dial::DialRequest;
use heartwire_engine::paths::Paths;
use heartwire_engine::secrets::Credentials;
use heartwire_engine::settings_file;
use heartwire_engine::tls::TlsConfig;
use heartwire_engine::trial;

use super::{LINE_CHARS, listen};
use crate::app;
use crate::exit::{Ended, Failure};
use crate::out;

/// Checks this file, or everything that the app would read, and tries the connection of this name out.
pub fn run(file: Option<&Path>, connect: Option<&str>) -> Ended {
    let environment = settings_file::environment();
    let loaded = if let Some(file) = file {
        settings_file::load_file(file, &environment)
    } else {
        settings_file::load(&Paths::new()?, &environment)
    };
    if let Some(name) = connect {
        tell(&loaded.problems);
        let names: Vec<_> = loaded.connections.iter().map(|connection| format!("\"{}\"", connection.name)).collect();
        let Some(connection) = loaded.connections.into_iter().find(|connection| connection.name == name) else {
            let name = one_line(name, LINE_CHARS);
            let has = if names.is_empty() { "no other either".to_owned() } else { names.join(", ") };
            let message =
                format!("there is no valid connection named \"{name}\" in the configuration, which has {has}");
            return Err(Failure::wrong(message));
        };
        let ended = app::runtime()?.block_on(walk(connection))?;
        return Ok(if loaded.problems.is_empty() { ended } else { ExitCode::FAILURE });
    }
    if loaded.problems.is_empty() {
        let count = loaded.connections.len();
        return out::only_line(&format!("ok: {count} connection{}", if count == 1 { "" } else { "s" }));
    }
    tell(&loaded.problems);
    Ok(ExitCode::FAILURE)
}

/// A line for each step; what to do about one that failed is said at the end.
async fn walk(connection: Connection) -> Ended {
    let name = connection.name.clone();
    let credentials = Credentials::new(&connection, &listen::keyring());
    let request = DialRequest::with(&connection, TlsConfig::of(connection.tls.clone()), credentials);
    let mut written: io::Result<()> = Ok(());
    let steps = trial::run(connection, request, None, |step| {
        if written.is_ok() {
            written = out::line(&step_line(step));
        }
    })
    .await;
    if let Some(failed) = steps.iter().find(|step| step.outcome == Outcome::Failed) {
        let advice = failed.advice.as_deref().unwrap_or_default();
        let detail = one_line(&failed.detail, LINE_CHARS);
        return Err(Failure::wrong(format!("{name}: {} failed: {detail}. {advice}", failed.step.word())));
    }
    out::ended(Ok(written))
}

/// `dns           ok           0.4 ms  127.0.0.1`
fn step_line(step: &StepView) -> String {
    let (outcome, took) = match step.outcome {
        Outcome::Ok => ("ok", format!("{:.1} ms", step.took_ms)),
        Outcome::Failed => ("FAILED", format!("{:.1} ms", step.took_ms)),
        Outcome::Skipped => ("skipped", String::new()),
    };
    format!("{:<12}  {outcome:<7}  {took:>10}  {}", step.step.word(), one_line(&step.detail, LINE_CHARS))
}

/// Writes problems to stderr, one a line.
pub fn tell(problems: &[Problem]) {
    for problem in problems {
        out::plain_error(&line(problem));
    }
}

/// `file:line: message`, as compilers write it, so that editors find the place.
pub(super) fn line(problem: &Problem) -> String {
    let file = problem.file.as_deref().map(|file| format!("{file}:")).unwrap_or_default();
    let line = problem.line.map(|line| format!("{line}:")).unwrap_or_default();
    let gap = if file.is_empty() && line.is_empty() { "" } else { " " };
    format!("{file}{line}{gap}{}", problem.message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use heartwire_core::trial::Step;
    use heartwire_core::view::ProblemKind;

    #[test]
    fn steps_stand_below_each_other() {
        let check = |step, outcome, took_ms, wanted: &str| {
            let detail = "a\nb".to_owned();
            assert_eq!(step_line(&StepView { step, outcome, took_ms, detail, cause: None, advice: None }), wanted);
        };
        check(Step::Dns, Outcome::Ok, 0.4, "dns           ok           0.4 ms  a b");
        check(Step::Subscription, Outcome::Failed, 10_000.0, "subscription  FAILED   10000.0 ms  a b");
        check(Step::Message, Outcome::Skipped, 10_000.0, "message       skipped              a b");
    }

    #[test]
    fn a_problem_is_written_as_compilers_do() {
        let check = |file: Option<&str>, line_number, wanted: &str| {
            let (kind, message) = (ProblemKind::Settings, "no".to_owned());
            assert_eq!(line(&Problem { kind, file: file.map(str::to_owned), line: line_number, message }), wanted);
        };
        check(Some("a.toml"), Some(3), "a.toml:3: no");
        check(Some("a.toml"), None, "a.toml: no");
        check(None, None, "no");
    }
}
