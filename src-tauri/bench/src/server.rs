//! The server's role: a process of its own that accepts every connection.

use std::io::Read;
use std::thread;
use std::time::Duration;

use futures_util::StreamExt;
use socket2::SockRef;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::time::sleep;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{accept_async, accept_async_with_config};
use xtask::command::say;

use crate::figures::Failure;
use crate::peer;

/// What it does with its connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Kind {
    /// Answers pings, as the library does by itself.
    Friendly,
    /// Ends each, in one of five ways by turns.
    Unfriendly,
}

/// Prints its port and serves until stdin closes.
pub async fn serve(kind: Kind) -> Result<(), Failure> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    // More than the library's usual backlog: thousands come within a second.
    SockRef::from(&listener).listen(4096)?;
    say(listener.local_addr()?.port());
    tokio::select! {
        ended = accept(kind, listener) => ended,
        () = stdin_closes() => Ok(()),
    }
}

async fn accept(kind: Kind, listener: TcpListener) -> Result<(), Failure> {
    for number in 0_u64.. {
        let stream = listener.accept().await?.0;
        // How a connection ends is the client's business to notice.
        match kind {
            Kind::Friendly => drop(tokio::spawn(answer(stream))),
            Kind::Unfriendly => drop(tokio::spawn(end(number, stream))),
        }
    }
    Ok(())
}

/// Until whoever started us has ended or wants us to.
async fn stdin_closes() {
    let (closed, wait) = oneshot::channel();
    thread::spawn(move || {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        let _ = closed.send(());
    });
    let _ = wait.await;
}

async fn answer(stream: TcpStream) -> Result<(), Failure> {
    stream.set_nodelay(true)?;
    let config = WebSocketConfig::default().read_buffer_size(4 * 1024).write_buffer_size(4 * 1024);
    let mut socket = accept_async_with_config(stream, Some(config)).await?;
    while let Some(message) = socket.next().await {
        // The library queues a pong and sends it with the next read.
        message?;
    }
    Ok(())
}

async fn end(number: u64, stream: TcpStream) -> Result<(), Failure> {
    if number.is_multiple_of(5) {
        // A goodbye with a handshake.
        let mut socket = accept_async(stream).await?;
        socket.close(None).await?;
        while socket.next().await.is_some_and(|message| message.is_ok()) {}
        return Ok(());
    }
    let mut stream = peer::upgrade(stream).await?;
    match number % 5 {
        // Without a word.
        1 => {}
        // Likewise, with a reset.
        2 => stream.set_zero_linger()?,
        // It reads nothing and answers nothing; the link has to notice.
        3 => sleep(Duration::from_millis(1_500)).await,
        // It breaks a rule and waits for the link to leave.
        _ => {
            stream.try_write(b"this is no frame")?;
            let _ = tokio::time::timeout(Duration::from_secs(2), stream.read_to_end(&mut Vec::new())).await;
        }
    }
    Ok(())
}
