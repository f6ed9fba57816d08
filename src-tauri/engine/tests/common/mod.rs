//! What several test programs need.

use std::fs::OpenOptions;
use std::io::Write;

/// Says that a test could not be run and why: past the test harness, which keeps what a passing test prints, and in the
/// file from which `cargo xtask test` counts.
pub fn skip(name: &str, reason: &str) {
    let line = format!("SKIPPED {name}: {reason}");
    let mut terminal = std::io::stderr();
    writeln!(terminal, "{line}").unwrap();
    if let Some(file) = std::env::var_os("HEARTWIRE_SKIPS") {
        writeln!(OpenOptions::new().append(true).create(true).open(file).unwrap(), "{line}").unwrap();
    }
}
