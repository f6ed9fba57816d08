//! An upgraded socket: TCP, perhaps TLS, and WebSocket framing on one unsplit stream. It counts the bytes that arrive
//! below TLS, because each of them is life, and it is dropped without ceremony unless it is asked to end politely.

mod head;

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures_util::{Sink, Stream};
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Bytes, Error, Message};

use heartwire_core::dialect::LONGEST_MESSAGE;

use head::Head;

/// How much one socket may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The largest message and the largest frame that is taken, in bytes.
    pub message: usize,
    /// The most that waits in the write buffer, in bytes.
    pub write_buffer: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { message: LONGEST_MESSAGE, write_buffer: 256 * 1024 }
    }
}

/// The largest piece that is handed to the write buffer at once: a larger message is sent in fragments (RFC 6455,
/// section 5.4), so that the buffer's limit holds for messages of any size.
pub(crate) const FRAGMENT: usize = 64 * 1024;

impl Limits {
    pub(crate) fn websocket(self) -> WebSocketConfig {
        // 4 KiB cost 4.9 KiB of memory a connection, the library's default 129 KiB, at the same speed.
        WebSocketConfig::default()
            .read_buffer_size(4 * 1024)
            .write_buffer_size(FRAGMENT.min(self.write_buffer.saturating_sub(1)))
            .max_write_buffer_size(self.write_buffer.max(1))
            .max_message_size(Some(self.message))
            .max_frame_size(Some(self.message))
    }
}

/// A socket after its upgrade. Dropping it closes the descriptor at once and tells the peer with a reset; see
/// [`Socket::end`] for the polite way.
#[derive(Debug)]
pub struct Socket(WebSocketStream<Transport>);

impl Socket {
    pub(crate) fn new(mut stream: WebSocketStream<Transport>) -> Self {
        stream.get_mut().metered_mut().writing = Writing::Works;
        Self(stream)
    }

    /// Why nothing more can be written, once that is so. What the peer said before can still be read: nothing that
    /// reads is told of the error, and what is written after it is thrown away.
    pub(crate) fn write_error(&self) -> Option<&io::Error> {
        match &self.0.get_ref().metered().writing {
            Writing::Broken(error) => Some(error),
            Writing::Begins | Writing::Works => None,
        }
    }

    /// Its own address and the peer's, which is the proxy's where there is one.
    pub(crate) fn addresses(&self) -> io::Result<(SocketAddr, SocketAddr)> {
        let tcp = &self.0.get_ref().metered().tcp;
        Ok((tcp.local_addr()?, tcp.peer_addr()?))
    }

    /// How many bytes have arrived since TCP was connected.
    pub fn received(&self) -> u64 {
        self.0.get_ref().metered().received
    }

    /// Closes after the closing handshake: what is still in the kernel's buffer is delivered.
    pub fn end(mut self) {
        self.0.get_mut().end();
    }

    /// Reads and throws away, past the framing, which is broken. Ready when the peer has closed.
    pub fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut scrap = [0; 4096];
        loop {
            let mut buffer = ReadBuf::new(&mut scrap);
            match Pin::new(self.0.get_mut()).poll_read(cx, &mut buffer) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {}
                Poll::Ready(_) => return Poll::Ready(()),
            }
        }
    }

    /// The next message that has come whole. A ping's answer is queued by this, and on its way after a flush.
    ///
    /// # Errors
    /// The peer broke a rule or a limit, or the network broke.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Message, Error>>> {
        Pin::new(&mut self.0).poll_next(cx)
    }

    /// Ready when the write buffer takes one more message.
    ///
    /// # Errors
    /// The socket is over.
    pub fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Pin::new(&mut self.0).poll_ready(cx)
    }

    /// Puts a message into the write buffer, once [`Socket::poll_ready`] said that it may.
    ///
    /// # Errors
    /// The socket is over, or the message does not fit into [`Limits::write_buffer`].
    pub fn start_send(&mut self, message: Message) -> Result<(), Error> {
        Pin::new(&mut self.0).start_send(message)
    }

    /// Ready when everything in the write buffer is with the network.
    ///
    /// # Errors
    /// The socket is over.
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }
}

/// What WebSocket frames travel on.
#[derive(Debug)]
pub(crate) struct Transport {
    wire: Wire,
    /// Until the head of the answer to the upgrade request has been given.
    head: Option<Box<Head>>,
}

#[derive(Debug)]
enum Wire {
    Plain(Metered),
    Tls(Box<TlsStream<Metered>>),
}

impl Transport {
    pub(crate) fn plain(stream: Metered) -> Self {
        Self::before_the_upgrade(Wire::Plain(stream))
    }

    pub(crate) fn tls(stream: TlsStream<Metered>) -> Self {
        Self::before_the_upgrade(Wire::Tls(Box::new(stream)))
    }

    fn before_the_upgrade(wire: Wire) -> Self {
        Self { wire, head: Some(Box::default()) }
    }

    /// Closes in good order; to be dropped then.
    pub(crate) fn end(&mut self) {
        if SockRef::from(&self.metered().tcp).set_linger(None).is_ok() {
            // One try is enough: with a full buffer there is nothing more to say that could still be heard.
            let _ = Pin::new(self).poll_shutdown(&mut Context::from_waker(Waker::noop()));
        }
    }

    fn metered(&self) -> &Metered {
        match &self.wire {
            Wire::Plain(metered) => metered,
            Wire::Tls(stream) => stream.get_ref().0,
        }
    }

    fn metered_mut(&mut self) -> &mut Metered {
        match &mut self.wire {
            Wire::Plain(metered) => metered,
            Wire::Tls(stream) => stream.get_mut().0,
        }
    }
}

/// A TCP stream that counts what arrives.
#[derive(Debug)]
pub(crate) struct Metered {
    tcp: TcpStream,
    /// What was read before it was ours, to be read again.
    early: Bytes,
    received: u64,
    writing: Writing,
}

#[derive(Debug)]
enum Writing {
    /// Before the upgrade, where an error of writing ends the dial.
    Begins,
    Works,
    /// What is written is thrown away, so that the layers above, which would stop at an error, still read to the end.
    Broken(io::Error),
}

impl Metered {
    /// Takes over a connected stream. From now on dropping it, be it in the middle of a handshake, resets the
    /// connection: the descriptor is closed at once and leaves nothing behind in the kernel.
    ///
    /// The kernel gives it up when what was sent is not acknowledged within `unacknowledged` (`TCP_USER_TIMEOUT`, RFC
    /// 5482), where it can do that. Its keepalive stays off: the heartbeat makes packets whenever `every` is silent and
    /// proves more, the server's program and every proxy on the way, not only the next kernel.
    pub(crate) fn new(tcp: TcpStream, early: Bytes, unacknowledged: Duration) -> io::Result<Self> {
        tcp.set_nodelay(true)?;
        tcp.set_zero_linger()?;
        #[cfg(any(target_os = "linux", target_os = "android"))]
        SockRef::from(&tcp).set_tcp_user_timeout(Some(unacknowledged))?;
        #[cfg(not(any(target_os = "linux", target_os = "android")))]
        let _ = unacknowledged;
        Ok(Self { tcp, early, received: 0, writing: Writing::Begins })
    }

    /// Keeps an error of writing `length` bytes to itself, where that is wanted.
    fn written(&mut self, result: Poll<io::Result<usize>>, length: usize) -> Poll<io::Result<usize>> {
        match (result, &self.writing) {
            (Poll::Ready(Err(error)), Writing::Works) => {
                self.writing = Writing::Broken(error);
                Poll::Ready(Ok(length))
            }
            (result, _) => result,
        }
    }
}

impl AsyncRead for Metered {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if !self.early.is_empty() {
            let taken = self.early.len().min(buffer.remaining());
            buffer.put_slice(&self.early.split_to(taken));
            self.received += taken as u64;
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        let result = Pin::new(&mut self.tcp).poll_read(cx, buffer);
        self.received += (buffer.filled().len() - before) as u64;
        result
    }
}

impl AsyncWrite for Metered {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if matches!(self.writing, Writing::Broken(_)) {
            return Poll::Ready(Ok(bytes.len()));
        }
        let result = Pin::new(&mut self.tcp).poll_write(cx, bytes);
        self.written(result, bytes.len())
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let length = slices.iter().map(|slice| slice.len()).sum();
        if matches!(self.writing, Writing::Broken(_)) {
            return Poll::Ready(Ok(length));
        }
        let result = Pin::new(&mut self.tcp).poll_write_vectored(cx, slices);
        self.written(result, length)
    }

    fn is_write_vectored(&self) -> bool {
        self.tcp.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(cx)
    }
}

impl AsyncRead for Transport {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Self { wire, head } = self.get_mut();
        let Some(gathering) = head else { return Pin::new(wire).poll_read(cx, buffer) };
        let result = gathering.poll_read(wire, cx, buffer);
        if gathering.is_given() {
            *head = None;
        }
        result
    }
}

impl AsyncRead for Wire {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buffer),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Transport {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().wire {
            Wire::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Wire::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().wire {
            Wire::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Wire::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().wire {
            Wire::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Wire::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
