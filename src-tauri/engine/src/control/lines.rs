//! Lines of JSON with a limit: a peer that sends more without a line's end is cut off before it costs memory.

use std::io;
use std::time::Duration;

use heartwire_core::control::MAX_LINE;
use serde::Serialize;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};

/// A peer that takes longer than this to read a line is given up.
pub(super) const WRITE_LIMIT: Duration = Duration::from_secs(5);

/// What is kept of a long line's buffer once it is read.
const KEPT_BUFFER: usize = 64 * 1024;

/// Reads lines.
pub(super) struct Lines<R> {
    from: BufReader<R>,
    /// Lives here and not in the future, so that a line survives a cancelled `next`.
    line: Vec<u8>,
    complete: bool,
}

/// What `next` found.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line<'a> {
    /// A line, without its end.
    Whole(&'a [u8]),
    /// More than [`MAX_LINE`] bytes without a line's end; nothing after it can be read.
    TooLong,
    /// The peer will send nothing more.
    End,
}

impl<R: AsyncRead + Unpin> Lines<R> {
    pub(super) fn new(from: R) -> Self {
        Self { from: BufReader::new(from), line: Vec::new(), complete: false }
    }

    /// The next line. Cancelling loses nothing.
    pub(super) async fn next(&mut self) -> io::Result<Line<'_>> {
        if self.complete {
            self.line.clear();
            self.line.shrink_to(KEPT_BUFFER);
            self.complete = false;
        }
        loop {
            let found = self.from.fill_buf().await?;
            if found.is_empty() {
                return Ok(Line::End);
            }
            let end = found.iter().position(|&byte| byte == b'\n');
            let part = &found[..end.unwrap_or(found.len())];
            if self.line.len() + part.len() > MAX_LINE {
                return Ok(Line::TooLong);
            }
            self.line.extend_from_slice(part);
            let taken = part.len() + usize::from(end.is_some());
            self.from.consume(taken);
            if end.is_some() {
                self.complete = true;
                return Ok(Line::Whole(&self.line));
            }
        }
    }
}

/// One value as a line, or none if it would be longer than the peer accepts.
pub(super) fn encode<T: Serialize>(value: &T) -> io::Result<Option<Vec<u8>>> {
    let mut line = serde_json::to_vec(value)?;
    line.push(b'\n');
    Ok((line.len() <= MAX_LINE).then_some(line))
}

/// Writes a whole line, or fails once [`WRITE_LIMIT`] has passed.
pub(super) async fn write<W: AsyncWrite + Unpin>(to: &mut W, line: &[u8]) -> io::Result<()> {
    tokio::time::timeout(WRITE_LIMIT, to.write_all(line)).await.map_err(|_| io::ErrorKind::TimedOut)?
}
