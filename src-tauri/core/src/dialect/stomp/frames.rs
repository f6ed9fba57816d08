//! STOMP 1.2 frames ("STOMP Frames" and "Augmented BNF" of stomp.github.io/stomp-specification-1.2.html): lines of
//! text, an empty line, a body, a NUL. A WebSocket message may hold part of a frame or several.

use std::mem;

use crate::cause::{Cause, CauseCode};
use crate::dialect::LONGEST_SENT_AGAIN;

/// The most bytes of a command and its headers together, as many as brokers take from us.
const HEAD_MAX: usize = 64 * 1024;

/// The most bytes of a body: those of a WebSocket message that the link takes.
const BODY_MAX: usize = LONGEST_SENT_AGAIN;

/// The most frames of a WebSocket message. Brokers send one; a message of the smallest ones would become a hundred times its
/// size in memory.
const FRAMES_MAX: usize = 16 * 1024;

/// A frame of the server's.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) command: String,
    headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

impl Frame {
    /// The first header of this name: the one that counts ("Repeated Header Entries").
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str())
    }
}

/// Frames out of the bytes that came. After an error it must not be asked again.
#[derive(Debug, Default)]
pub(super) struct Reader {
    bytes: Vec<u8>,
    /// How many of `bytes` were read.
    read: usize,
    /// The frame whose body has not ended, and the length that it announced.
    begun: Option<(Frame, Option<usize>)>,
    /// How many bytes of that body hold no NUL.
    searched: usize,
    /// How many frames the newest WebSocket message has given.
    given: usize,
}

impl Reader {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.bytes.drain(..mem::take(&mut self.read));
        self.bytes.extend_from_slice(bytes);
        self.given = 0;
    }

    /// The next whole frame. None: its rest has not come yet.
    pub(super) fn next(&mut self) -> Result<Option<Frame>, Cause> {
        if self.begun.is_none() {
            self.begun = self.head()?;
        }
        let Some((frame, announced)) = self.begun.take() else {
            if self.rest().is_empty() {
                // A link that is idle holds no buffer.
                *self = Self::default();
            }
            return Ok(None);
        };
        let Some(length) = self.body_length(announced)? else {
            self.begun = Some((frame, announced));
            return Ok(None);
        };
        if self.given == FRAMES_MAX {
            return Err(breach("is one of too many in one message"));
        }
        let body = self.rest().get(..length).unwrap_or_default().to_vec();
        self.read += length + 1;
        self.searched = 0;
        self.given += 1;
        Ok(Some(Frame { body, ..frame }))
    }

    fn rest(&self) -> &[u8] {
        self.bytes.get(self.read..).unwrap_or_default()
    }

    fn head(&mut self) -> Result<Option<(Frame, Option<usize>)>, Cause> {
        // Line ends between frames are heart-beats.
        self.read += self.rest().iter().take_while(|byte| matches!(byte, b'\n' | b'\r')).count();
        let rest = self.rest();
        let ends = rest.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
        let end = ends.take_while(|(at, _)| *at <= HEAD_MAX).find_map(|(at, _)| match rest.get(at + 1..)? {
            [b'\n', ..] => Some((at, at + 2)),
            [b'\r', b'\n', ..] => Some((at, at + 3)),
            _ => None,
        });
        let Some((end, body)) = end else {
            return if rest.len() > HEAD_MAX { Err(breach("has more headers than can be taken")) } else { Ok(None) };
        };
        let text = std::str::from_utf8(rest.get(..end).unwrap_or_default())
            .map_err(|_| breach("has headers that are no UTF-8"))?;
        let begun = parse(text)?;
        self.read += body;
        Ok(Some(begun))
    }

    /// How long the body is, if all of it has come.
    fn body_length(&mut self, announced: Option<usize>) -> Result<Option<usize>, Cause> {
        let rest = self.rest();
        let length = announced.or_else(|| {
            let new = rest.get(self.searched..)?;
            new.iter().position(|byte| *byte == 0).map(|at| self.searched + at)
        });
        match length.map(|length| rest.get(length)) {
            Some(Some(0)) => Ok(length),
            Some(Some(_)) => Err(breach("is longer than its content-length")),
            None if rest.len() > BODY_MAX => Err(Cause::too_large(rest.len(), BODY_MAX)),
            None | Some(None) => {
                self.searched = rest.len();
                Ok(None)
            }
        }
    }
}

/// The frame of a head, without its body, and the length of that.
fn parse(head: &str) -> Result<(Frame, Option<usize>), Cause> {
    let mut lines = head.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line));
    let command = lines.next().unwrap_or_default().to_owned();
    // So that servers of 1.0 can be answered, this frame knows no escapes ("Value Encoding").
    let raw = command == "CONNECTED";
    let mut headers = Vec::new();
    for line in lines {
        let (name, value) = line.split_once(':').ok_or_else(|| breach("has a header without a colon"))?;
        let read = |text: &str| if raw { Some(text.to_owned()) } else { unescaped(text) };
        let header = read(name).zip(read(value));
        headers.push(header.ok_or_else(|| breach("has a header with an unknown escape"))?);
    }
    let frame = Frame { command, headers, body: Vec::new() };
    let length = frame.header("content-length").map(|given| given.trim().parse::<usize>());
    match length.transpose() {
        Ok(Some(length)) if length > BODY_MAX => Err(Cause::too_large(length, BODY_MAX)),
        Ok(length) => Ok((frame, length)),
        Err(_) => Err(breach("announces a length that is none")),
    }
}

fn breach(why: &str) -> Cause {
    Cause::new(CauseCode::Protocol, format!("the server sent a frame of STOMP that {why}"))
}

fn unescaped(text: &str) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        out.push(match c {
            '\\' => match chars.next()? {
                'r' => '\r',
                'n' => '\n',
                'c' => ':',
                '\\' => '\\',
                _ => return None,
            },
            c => c,
        });
    }
    Some(out)
}
