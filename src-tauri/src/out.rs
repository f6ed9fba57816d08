//! The only place that writes to stdout and stderr.

use std::io::{self, Write};
use std::process::ExitCode;

use tokio::task::JoinError;

use crate::exit::{Ended, Failure};

/// Writes a line to stdout and flushes it.
///
/// # Errors
/// stdout is closed (`BrokenPipe`: whoever read it has enough) or its disk is full.
pub fn line(text: &str) -> io::Result<()> {
    let mut to = io::stdout().lock();
    to.write_all(text.as_bytes())?;
    to.write_all(b"\n")?;
    to.flush()
}

/// Writes a command's only output to stdout. A reader that has enough is no failure.
pub fn only_line(text: &str) -> Ended {
    ended(Ok(line(text)))
}

/// Writes a message for a person to stderr.
pub fn error(message: &str) {
    // Where stderr is closed there is nobody to tell.
    let _ = writeln!(io::stderr().lock(), "heartwire: {message}");
}

/// Writes a message that names its own place to stderr.
pub fn plain_error(message: &str) {
    // See above.
    let _ = writeln!(io::stderr().lock(), "{message}");
}

/// How a command ends whose lines were written by a thread: a reader that has enough is no failure.
pub fn ended(written: Result<io::Result<()>, JoinError>) -> Ended {
    match written {
        Ok(Ok(())) => Ok(ExitCode::SUCCESS),
        Ok(Err(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(ExitCode::SUCCESS),
        Ok(Err(error)) => Err(Failure::wrong(format!("stdout cannot be written: {error}"))),
        Err(error) => Err(Failure::wrong(format!("writing to stdout failed: {error}"))),
    }
}
