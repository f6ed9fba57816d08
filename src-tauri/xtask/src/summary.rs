//! Counts tests: reads the summaries of the test runners, adds them up and prints them.

use crate::command::say;

/// What a suite, or all of them, came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Ran and held.
    pub passed: u64,
    /// Ran and did not hold, or could not be built.
    pub failed: u64,
    /// Did not run, for a reason.
    pub skipped: u64,
}

impl Counts {
    /// Both together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            passed: self.passed + other.passed,
            failed: self.failed + other.failed,
            skipped: self.skipped + other.skipped,
        }
    }
}

/// A test that did not run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skip {
    /// The test.
    pub name: String,
    /// What was missing.
    pub reason: String,
}

/// One row of the summary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The suite.
    pub suite: String,
    /// Its counts.
    pub counts: Counts,
    /// How long it took, in seconds.
    pub seconds: u64,
    /// What else there is to say, such as why it could not be run.
    pub note: String,
}

/// Reads what `cargo test` prints: one line a test, one summary a test binary.
#[derive(Debug, Default)]
pub struct CargoTest {
    /// So far.
    pub counts: Counts,
    /// Tests that are marked as ignored, with their reason.
    pub skips: Vec<Skip>,
    /// How many tests the binary that runs now has announced. Some tests run test binaries of their own, whose output is
    /// printed again when they fail; only a summary over as many tests as were announced is the binary's.
    announced: Option<u64>,
}

impl CargoTest {
    /// One more line.
    pub fn line(&mut self, line: &str) {
        if let Some(summary) = line.strip_prefix("test result: ") {
            let counts = Counts {
                passed: number_before(summary, " passed"),
                failed: number_before(summary, " failed"),
                skipped: number_before(summary, " ignored"),
            };
            let measured = number_before(summary, " measured");
            if self.announced == Some(counts.passed + counts.failed + counts.skipped + measured) {
                self.announced = None;
                self.counts = self.counts.plus(counts);
            }
        } else if let Some(count) = line.strip_prefix("running ").and_then(|rest| rest.split(" test").next()) {
            self.announced = self.announced.or_else(|| count.parse().ok());
        } else if let Some((name, reason)) = line.strip_prefix("test ").and_then(|rest| rest.split_once(" ... ignored"))
        {
            let reason = reason.trim_start_matches(", ");
            let reason = if reason.is_empty() { "marked as ignored" } else { reason };
            self.skips.push(Skip { name: name.to_owned(), reason: reason.to_owned() });
        }
    }
}

/// Reads the summary line of Vitest: `Tests  1 failed | 12 passed | 2 skipped (15)`.
#[derive(Debug, Default)]
pub struct Vitest {
    /// So far.
    pub counts: Counts,
}

impl Vitest {
    /// One more line.
    pub fn line(&mut self, line: &str) {
        let line = without_colours(line);
        if let Some(summary) = line.trim_start().strip_prefix("Tests ") {
            self.counts = self.counts.plus(Counts {
                passed: number_before(summary, " passed"),
                failed: number_before(summary, " failed"),
                skipped: number_before(summary, " skipped") + number_before(summary, " todo"),
            });
        }
    }
}

/// Prints the skips, the table and, alone on the last line, the sum.
pub fn print(rows: &[Row], skips: &[Skip]) {
    say("");
    for skip in skips {
        say(format_args!("SKIPPED {}: {}", skip.name, skip.reason));
    }
    for line in table(rows) {
        say(line);
    }
    say(last_line(rows));
}

fn table(rows: &[Row]) -> Vec<String> {
    let width = rows.iter().map(|row| row.suite.chars().count()).max().unwrap_or(0).max(5);
    let mut lines = vec![format!("{:width$}  passed  failed  skipped  seconds", "suite")];
    for row in rows {
        let Counts { passed, failed, skipped } = row.counts;
        let line = format!("{:width$}  {passed:6}  {failed:6}  {skipped:7}  {:7}", row.suite, row.seconds);
        lines.push(if row.note.is_empty() { line } else { format!("{line}  {}", row.note) });
    }
    lines
}

fn last_line(rows: &[Row]) -> String {
    let sum = rows.iter().fold(Counts::default(), |sum, row| sum.plus(row.counts));
    format!("{} passed, {} failed, {} skipped", sum.passed, sum.failed, sum.skipped)
}

/// The number right before `word`; 0 where the word does not occur.
fn number_before(text: &str, word: &str) -> u64 {
    text.find(word)
        .map(|at| &text[..at])
        .and_then(|before| before.rsplit(|c: char| !c.is_ascii_digit()).next())
        .and_then(|digits| digits.parse().ok())
        .unwrap_or(0)
}

/// Without the escape sequences of a terminal's colours.
fn without_colours(line: &str) -> String {
    let mut plain = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(at) = rest.find("\u{1b}[") {
        plain.push_str(&rest[..at]);
        rest = rest[at..].split_once('m').map_or("", |(_, after)| after);
    }
    plain + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(passed: u64, failed: u64, skipped: u64) -> Counts {
        Counts { passed, failed, skipped }
    }

    #[test]
    fn the_summaries_of_all_test_binaries_are_added_up_but_not_of_those_that_tests_run() {
        let mut seen = CargoTest::default();
        for line in [
            "running 3 tests",
            "test a ... ok",
            "test b ... ignored, needs root",
            "test c ... ignored",
            "test result: ok. 1 passed; 0 failed; 2 ignored; 0 measured; 0 filtered out; finished in 0.00s",
            "running 0 tests",
            "test result: ok. 0 passed; 0 failed; 0 ignored; 0 measured; 9 filtered out; finished in 0.00s",
            "running 43 tests",
            "running 1 test",
            "test result: FAILED. 0 passed; 1 failed; 0 ignored; 0 measured; 42 filtered out; finished in 0.00s",
            "test result: FAILED. 40 passed; 3 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.25s",
        ] {
            seen.line(line);
        }
        assert_eq!(seen.counts, counts(41, 3, 2));
        let reasons: Vec<_> = seen.skips.iter().map(|skip| (skip.name.as_str(), skip.reason.as_str())).collect();
        assert_eq!(reasons, [("b", "needs root"), ("c", "marked as ignored")]);
    }

    #[test]
    fn vitest_is_read_with_and_without_colours() {
        for line in [
            "      Tests  1 failed | 12 passed | 2 skipped (15)",
            "\u{1b}[2m      Tests \u{1b}[22m \u{1b}[1m\u{1b}[31m1 failed\u{1b}[39m\u{1b}[22m | \u{1b}[32m12 passed\u{1b}[39m | 2 skipped (15)",
        ] {
            let mut seen = Vitest::default();
            seen.line(" Test Files  3 passed (3)");
            seen.line(line);
            assert_eq!(seen.counts, counts(12, 1, 2), "{line}");
        }
    }

    #[test]
    fn the_last_line_is_the_sum_of_the_rows() {
        let row = |passed, failed, skipped| Row {
            suite: "core".to_owned(),
            counts: counts(passed, failed, skipped),
            seconds: 1,
            note: String::new(),
        };
        assert_eq!(last_line(&[row(120, 0, 1), row(3, 0, 1)]), "123 passed, 0 failed, 2 skipped");
        assert_eq!(last_line(&[]), "0 passed, 0 failed, 0 skipped");
    }
}
