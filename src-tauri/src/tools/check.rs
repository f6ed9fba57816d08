//! `heartwire check`: every error of a configuration with its file and line.

use std::path::Path;
use std::process::ExitCode;

use heartwire_core::view::Problem;
use heartwire_engine::paths::Paths;
use heartwire_engine::settings_file;

use crate::exit::Ended;
use crate::out;

/// Checks this file, or everything that the app would read.
pub fn run(file: Option<&Path>) -> Ended {
    let environment = settings_file::environment();
    let loaded = if let Some(file) = file {
        settings_file::load_file(file, &environment)
    } else {
        settings_file::load(&Paths::new()?, &environment)
    };
    if loaded.problems.is_empty() {
        let count = loaded.connections.len();
        return out::only_line(&format!("ok: {count} connection{}", if count == 1 { "" } else { "s" }));
    }
    tell(&loaded.problems);
    Ok(ExitCode::FAILURE)
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
    use heartwire_core::view::ProblemKind;

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
