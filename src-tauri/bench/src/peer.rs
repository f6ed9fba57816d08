//! The other end of a socket, played by hand in this process: it upgrades, speaks once, and then is whatever the figure
//! needs it to be.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use socket2::{Domain, Socket, Type};
use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use crate::figures::Failure;

/// An address that is ours and that nobody serves yet: a dial to it is refused.
pub struct Place {
    socket: Socket,
    pub port: u16,
}

impl Place {
    /// Takes a free port. What the peer does not read waits in a small buffer, so that a long message gets stuck.
    pub fn take() -> Result<Self, Failure> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        socket.set_recv_buffer_size(16 * 1024)?;
        socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into())?;
        socket.set_nonblocking(true)?;
        let port = socket.local_addr()?.as_socket().ok_or("a socket without an address")?.port();
        Ok(Self { socket, port })
    }

    /// Begins to serve it.
    pub fn listen(self) -> Result<TcpListener, Failure> {
        self.socket.listen(128)?;
        Ok(TcpListener::from_std(self.socket.into())?)
    }
}

/// The next connection, upgraded.
pub async fn accept(listener: &TcpListener) -> Result<TcpStream, Failure> {
    upgrade(listener.accept().await?.0).await
}

/// Takes a connection through its upgrade (RFC 6455, section 4.2.2).
pub async fn upgrade(mut stream: TcpStream) -> Result<TcpStream, Failure> {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        if stream.read_buf(&mut request).await? == 0 {
            return Err("the client left before its upgrade".into());
        }
    }
    let request = String::from_utf8(request)?;
    let key = request.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("sec-websocket-key").then(|| value.trim())
    });
    let accept = derive_accept_key(key.ok_or("an upgrade without a key")?.as_bytes());
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\n\r\n"
    );
    stream.write_all(answer.as_bytes()).await?;
    Ok(stream)
}

/// Sends a short text frame.
pub async fn say(stream: &mut TcpStream, text: &str) -> io::Result<()> {
    let length = u8::try_from(text.len()).ok().filter(|length| *length < 126);
    let length = length.ok_or(io::ErrorKind::InvalidInput)?;
    stream.write_all(&[&[0x81, length], text.as_bytes()].concat()).await
}

/// Waits until the client's end of the socket is gone, without reading a byte of what it sent. False: it is still there
/// after this time.
pub async fn gone(stream: &TcpStream, within: Duration) -> Result<bool, Failure> {
    match timeout(within, stream.ready(Interest::ERROR)).await {
        Ok(ready) => Ok(ready.map(|_| true)?),
        Err(_) => Ok(false),
    }
}
