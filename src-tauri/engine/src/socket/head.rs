//! The head of the answer to the upgrade request, gathered until it is whole. tungstenite takes a head in many small
//! pieces for an attack and gives up; but a slow relay may hand it on byte by byte, and how long a dial may take is for
//! its deadline to say.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, ReadBuf};

/// A longer head is handed on as it is: it is refused as too long.
const MOST: usize = 64 * 1024;

#[derive(Debug, Default)]
pub(super) struct Head {
    /// The head, and perhaps the first frames, which came with its last piece.
    bytes: Vec<u8>,
    given: usize,
    whole: bool,
}

impl Head {
    /// Whether everything was given, so that this is not needed any more.
    pub(super) fn is_given(&self) -> bool {
        self.whole && self.given == self.bytes.len()
    }

    /// Gives what was gathered, once the head is whole or nothing more comes.
    pub(super) fn poll_read(
        &mut self,
        mut from: impl AsyncRead + Unpin,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while !self.whole {
            let mut piece = [0; 2048];
            let mut piece = ReadBuf::new(&mut piece);
            ready!(Pin::new(&mut from).poll_read(cx, &mut piece))?;
            // The end of the head may lie across two pieces.
            let search_from = self.bytes.len().saturating_sub(2);
            self.bytes.extend_from_slice(piece.filled());
            self.whole = piece.filled().is_empty() || self.bytes.len() >= MOST || ends(&self.bytes[search_from..]);
        }
        let rest = &self.bytes[self.given..];
        let taken = rest.len().min(buffer.remaining());
        buffer.put_slice(&rest[..taken]);
        self.given += taken;
        Poll::Ready(Ok(()))
    }
}

/// An empty line. A line ends with CRLF, or with LF alone (RFC 9112, section 2.2).
fn ends(bytes: &[u8]) -> bool {
    bytes.windows(3).any(|three| three == b"\n\r\n") || bytes.windows(2).any(|two| two == b"\n\n")
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;
    use tokio_test::io::Builder;

    use super::*;

    struct Gathered<R>(Head, R);

    impl<R: AsyncRead + Unpin> AsyncRead for Gathered<R> {
        fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
            let Self(head, from) = self.get_mut();
            head.poll_read(from, cx, buffer)
        }
    }

    /// The first read of a stream that comes in these pieces.
    async fn first_read(pieces: &[&str], room: usize) -> (String, bool) {
        let mut from = Builder::new();
        for piece in pieces {
            from.read(piece.as_bytes());
        }
        let mut gathered = Gathered(Head::default(), from.build());
        let mut buffer = vec![0; room];
        let read = gathered.read(&mut buffer).await.unwrap();
        (String::from_utf8_lossy(&buffer[..read]).into_owned(), gathered.0.is_given())
    }

    #[tokio::test]
    async fn a_head_in_pieces_comes_at_once_with_what_came_behind_it() {
        let check = async |pieces: &[&str], expected: &str| {
            assert_eq!(first_read(pieces, 4096).await, (expected.to_owned(), true), "{pieces:?}");
        };
        check(&["a: b\r\n\r\n"], "a: b\r\n\r\n").await;
        check(&["a: b\r\n", "\r\nframe"], "a: b\r\n\r\nframe").await;
        check(&["a: b\r", "\n\r", "\n"], "a: b\r\n\r\n").await;
        check(&["a: b\n", "\n"], "a: b\n\n").await;
        let bytes: Vec<String> = "a: b\r\n\r\n".chars().map(String::from).collect();
        check(&bytes.iter().map(String::as_str).collect::<Vec<_>>(), "a: b\r\n\r\n").await;
        // The peer leaves in the middle.
        check(&["a: b\r\n", ""], "a: b\r\n").await;
    }

    #[tokio::test]
    async fn a_small_buffer_gets_it_in_several_reads_and_a_long_head_is_not_gathered_for_ever() {
        assert_eq!(first_read(&["a: b\r\n\r\n"], 3).await, ("a: ".to_owned(), false));
        let long = "x".repeat(2048);
        let (read, _) = first_read(&vec![long.as_str(); MOST / 2048], 4096).await;
        assert_eq!(read.len(), 4096);
    }
}
