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
            self.whole = piece.filled().is_empty()
                || self.bytes.len() >= MOST
                || !may_be_http(&self.bytes)
                || ends(&self.bytes[search_from..]);
        }
        let rest = &self.bytes[self.given..];
        let taken = rest.len().min(buffer.remaining());
        buffer.put_slice(&rest[..taken]);
        self.given += taken;
        Poll::Ready(Ok(()))
    }
}

/// Whatever begins otherwise is refused without waiting for more of it (RFC 9112, section 4).
fn may_be_http(bytes: &[u8]) -> bool {
    bytes.iter().zip(b"HTTP/").all(|(found, wanted)| found == wanted)
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
        check(&["HTTP/\r\n\r\n"], "HTTP/\r\n\r\n").await;
        check(&["HTTP/\r\n", "\r\nframe"], "HTTP/\r\n\r\nframe").await;
        check(&["HTTP/\r", "\n\r", "\n"], "HTTP/\r\n\r\n").await;
        check(&["HTTP/\n", "\n"], "HTTP/\n\n").await;
        let bytes: Vec<String> = "HTTP/\r\n\r\n".chars().map(String::from).collect();
        check(&bytes.iter().map(String::as_str).collect::<Vec<_>>(), "HTTP/\r\n\r\n").await;
        // The peer leaves in the middle.
        check(&["HTTP/\r\n", ""], "HTTP/\r\n").await;
        // No more is waited for where there is nothing to wait for.
        check(&["SSH-2.0\r\n"], "SSH-2.0\r\n").await;
        check(&["HT", "ML"], "HTML").await;
    }

    #[tokio::test]
    async fn a_small_buffer_gets_it_in_several_reads_and_a_long_head_is_not_gathered_for_ever() {
        assert_eq!(first_read(&["HTTP/\r\n\r\n"], 3).await, ("HTT".to_owned(), false));
        let (begin, long) = (format!("HTTP/{}", "x".repeat(2043)), "x".repeat(2048));
        let mut pieces = vec![long.as_str(); MOST / 2048];
        pieces[0] = &begin;
        let (read, _) = first_read(&pieces, 4096).await;
        assert_eq!(read.len(), 4096);
    }
}
