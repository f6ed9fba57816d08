//! What is read: ready-made frames, written by a process of their own as fast as the socket takes them.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

use tokio_tungstenite::tungstenite;
use xtask::command::say;

use crate::figures::Failure;

/// Frames in a piece that the server writes at once: so many that it is never the slower side.
const IN_CHUNK: usize = 1_000;

/// A number of equal messages.
#[derive(Clone)]
pub struct Load {
    pub messages: usize,
    /// Bytes of text in a message.
    pub size: usize,
    /// Unmasked text frames, one after another; a divisor of `messages` of them.
    chunk: Vec<u8>,
    /// How often the chunk is written.
    repeats: usize,
}

impl Load {
    pub fn new(messages: usize, size: usize) -> Result<Self, Failure> {
        let (before, after) = (r#"{"id":"m-7f3a91","title":"Order 4711","text":""#, r#""}"#);
        let filler = size.checked_sub(before.len() + after.len()).ok_or("a message needs more bytes")?;
        let filler = "two parcels shipped at noon, ".chars().cycle().take(filler).collect::<String>();
        let text = [before, &filler, after].concat();
        // RFC 6455, section 5.2: final fragment, text; the length in one byte or in two more.
        let mut frame = vec![0x81];
        match u16::try_from(text.len())? {
            length if length < 126 => frame.push(u8::try_from(length)?),
            length => {
                frame.push(126);
                frame.extend(length.to_be_bytes());
            }
        }
        frame.extend(text.bytes());
        Ok(Self { messages, size: text.len(), chunk: frame.repeat(IN_CHUNK), repeats: messages / IN_CHUNK })
    }

    /// Every byte of every message was seen, or the figures mean nothing.
    pub fn check(&self, bytes: usize) -> Result<(), Failure> {
        if bytes == self.messages * self.size { Ok(()) } else { Err(format!("{bytes} bytes came").into()) }
    }
}

/// The role that writes them: prints its port, and serves until stdin closes.
pub fn pour(size: usize, messages: usize) -> Result<(), Failure> {
    say(serve(Load::new(messages, size)?)?);
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}

/// Writes the load to everyone who connects, on a thread of its own; gives the port.
pub fn serve(load: Load) -> Result<u16, Failure> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let port = listener.local_addr()?.port();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // The reader leaves when it has seen enough, which may be in the middle of a write.
            let _ = write(stream, &load);
        }
    });
    Ok(port)
}

fn write(stream: TcpStream, load: &Load) -> Result<(), Failure> {
    stream.set_nodelay(true)?;
    let mut socket = tungstenite::accept(stream)?;
    let stream = socket.get_mut();
    for _ in 0..load.repeats {
        stream.write_all(&load.chunk)?;
    }
    // Until the reader leaves.
    while socket.read().is_ok() {}
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_that_is_missing_is_noticed() {
        let load = Load::new(1_000, 64).unwrap();
        assert!(load.check(64_000).is_ok());
        assert!(load.check(63_999).is_err());
    }
}
