//! A TCP proxy that breaks connections: each by a course that is decided before its first byte, or all of them when a
//! test says so. It keeps what it has passed on to the client.

#![allow(dead_code, reason = "each test binary uses its own part of this")]

mod course;

use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, Shutdown, SocketAddr};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::future::{Either, pending, select};
use socket2::SockRef;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::sleep;

pub use course::{Course, Fault, Kind, Way};

/// Which ways nothing passes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Holes {
    pub up: bool,
    pub down: bool,
}

impl Holes {
    pub const BOTH: Self = Self { up: true, down: true };
    pub const NONE: Self = Self { up: false, down: false };

    fn swallow(self, way: Way) -> bool {
        match way {
            Way::Up => self.up,
            Way::Down => self.down,
        }
    }
}

/// A running proxy. Dropping it ends it with all its connections.
#[derive(Debug)]
pub struct Proxy {
    pub port: u16,
    shared: Arc<Shared>,
    task: JoinHandle<Infallible>,
}

#[derive(Debug)]
struct Shared {
    holes: watch::Sender<Holes>,
    calm: AtomicBool,
    passed: Mutex<Vec<Passed>>,
}

/// What a connection has carried.
#[derive(Clone, Debug)]
pub struct Passed {
    /// The client's port.
    pub client: u16,
    /// How many bytes the server got.
    pub up: usize,
    /// Every byte that the client got.
    pub down: Vec<u8>,
    /// A moment before the last of these: whatever the client heard, it heard after this.
    pub last: Instant,
}

impl Passed {
    fn nothing(client: u16) -> Self {
        Self { client, up: 0, down: Vec::new(), last: Instant::now() }
    }

    /// The length of the server's answer to the upgrade request, if that came whole.
    pub fn head(&self) -> Option<usize> {
        Some(self.down.windows(4).position(|end| end == b"\r\n\r\n")? + 4)
    }

    /// The short texts that came whole, after the upgrade.
    pub fn texts(&self) -> Vec<String> {
        let mut rest = self.head().map_or(&[][..], |head| &self.down[head..]);
        let mut texts = Vec::new();
        while let [first, length, behind @ ..] = rest {
            assert!(*length < 126, "only short frames are understood");
            let Some((payload, next)) = behind.split_at_checked(usize::from(*length)) else { break };
            if *first == 0x81 {
                texts.push(String::from_utf8(payload.to_vec()).unwrap());
            }
            rest = next;
        }
        texts
    }
}

type Plan = Box<dyn Fn(usize) -> Course + Send>;

impl Proxy {
    /// Stands before the server at this port of 127.0.0.1. The plan is asked when a connection was accepted, with its
    /// number from 0.
    pub fn start(server: u16, plan: impl Fn(usize) -> Course + Send + 'static) -> Self {
        let port = Port::take();
        let shared = Arc::new(Shared {
            holes: watch::Sender::new(Holes::NONE),
            calm: AtomicBool::new(false),
            passed: Mutex::default(),
        });
        let server = SocketAddr::from((Ipv4Addr::LOCALHOST, server));
        let listener = port.listen();
        let number = port.number;
        let task = tokio::spawn(accept(port, listener, server, Box::new(plan), Arc::clone(&shared)));
        Self { port: number, shared, task }
    }

    /// The same without any fault of its own.
    pub fn plain(server: u16) -> Self {
        Self::start(server, |_| Course::default())
    }

    /// From now on nothing passes these ways, on any connection.
    pub fn swallow(&self, holes: Holes) {
        self.shared.holes.send_replace(holes);
    }

    /// No fault begins any more. What is stalled stays so.
    pub fn calm(&self) {
        self.shared.calm.store(true, Ordering::Relaxed);
    }

    /// What every connection has brought to the client so far, in the order in which they came.
    pub fn passed(&self) -> Vec<Passed> {
        self.shared.passed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A port that stays ours while nobody listens at it, so that no other socket is given it in the meantime.
pub struct Port {
    pub number: u16,
    _held: TcpSocket,
}

impl Port {
    pub fn take() -> Self {
        let held = bound(0).unwrap();
        Self { number: held.local_addr().unwrap().port(), _held: held }
    }

    pub fn listen(&self) -> TcpListener {
        bound(self.number).unwrap().listen(64).unwrap()
    }
}

fn bound(port: u16) -> io::Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind((Ipv4Addr::LOCALHOST, port).into())?;
    Ok(socket)
}

async fn accept(
    port: Port,
    mut listener: TcpListener,
    server: SocketAddr,
    plan: Plan,
    shared: Arc<Shared>,
) -> Infallible {
    let mut connections = JoinSet::new();
    for number in 0.. {
        let (client, at) = listener.accept().await.unwrap();
        let course = plan(number);
        let away = course.then_away.filter(|_| !shared.calm.load(Ordering::Relaxed));
        let passed = Passed::nothing(at.port());
        shared.passed.lock().unwrap().push(passed);
        connections.spawn(carry(number, client, server, course, Arc::clone(&shared)));
        while connections.try_join_next().is_some() {}
        if let Some(away) = away {
            drop(listener);
            sleep(away).await;
            listener = port.listen();
        }
    }
    unreachable!("nobody dials so often")
}

/// How a way ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// In good order; the other way may go on.
    Over,
    Close,
    Reset,
}

/// Carries one connection to its end.
async fn carry(number: usize, client: TcpStream, server: SocketAddr, course: Course, shared: Arc<Shared>) {
    let Ok(server) = TcpStream::connect(server).await else { return reset(&client) };
    for stream in [&client, &server] {
        stream.set_nodelay(true).unwrap();
    }
    let holes = watch::Sender::new(Holes::NONE);
    let lane = |way| Lane { way, number, faults: course.of(way), holes: &holes, shared: &shared, passed: 0 };
    let end = {
        let up = pin!(lane(Way::Up).run(&client, &server));
        let down = pin!(lane(Way::Down).run(&server, &client));
        match select(up, down).await {
            Either::Left((End::Over, down)) => down.await,
            Either::Right((End::Over, up)) => up.await,
            Either::Left((end, _)) | Either::Right((end, _)) => end,
        }
    };
    match end {
        End::Over => {}
        End::Reset => [&client, &server].into_iter().for_each(reset),
        End::Close => {
            // Closing with unread data would be a reset.
            tokio::join!(finish(&client), finish(&server));
        }
    }
}

fn reset(stream: &TcpStream) {
    stream.set_zero_linger().unwrap();
}

async fn finish(stream: &TcpStream) {
    // The other side may have been faster.
    let _ = SockRef::from(stream).shutdown(Shutdown::Write);
    drain(stream).await;
}

/// Reads and throws away until the end, whatever kind of end it is.
async fn drain(stream: &TcpStream) {
    let mut scrap = [0; 4096];
    while read(stream, &mut scrap).await.is_ok_and(|count| count > 0) {}
}

/// One way of one connection.
struct Lane<'a> {
    way: Way,
    number: usize,
    faults: Vec<Fault>,
    /// Those of this connection alone.
    holes: &'a watch::Sender<Holes>,
    shared: &'a Shared,
    passed: usize,
}

impl Lane<'_> {
    async fn run(mut self, from: &TcpStream, to: &TcpStream) -> End {
        let mut faults = std::mem::take(&mut self.faults).into_iter().peekable();
        let (mut size, mut pause) = (usize::MAX, Duration::ZERO);
        let mut buffer = [0; 16 * 1024];
        loop {
            while let Some(fault) = faults.next_if(|fault| fault.at <= self.passed) {
                if self.shared.calm.load(Ordering::Relaxed) {
                    continue;
                }
                match fault.kind {
                    Kind::Pieces { size: most, pause: before } => (size, pause) = (most, before),
                    Kind::Stall { lasting, both } => self.stall(lasting, both).await,
                    Kind::Reset => return End::Reset,
                    Kind::Close => return End::Close,
                    Kind::HalfClose => {
                        let _ = SockRef::from(to).shutdown(Shutdown::Write);
                        drain(from).await;
                        return End::Over;
                    }
                    Kind::Garbage(bytes) => {
                        if self.write(to, &bytes).await.is_err() {
                            return End::Reset;
                        }
                        drain(from).await;
                        return End::Over;
                    }
                }
            }
            let until_next = faults.peek().map_or(usize::MAX, |fault| fault.at - self.passed);
            let room = until_next.min(buffer.len());
            let count = match read(from, &mut buffer[..room]).await {
                Ok(0) => {
                    let _ = SockRef::from(to).shutdown(Shutdown::Write);
                    return End::Over;
                }
                Ok(count) => count,
                Err(_) => return End::Reset,
            };
            for piece in buffer[..count].chunks(size) {
                if !pause.is_zero() {
                    sleep(pause).await;
                }
                if self.write(to, piece).await.is_err() {
                    return End::Reset;
                }
            }
        }
    }

    async fn stall(&self, lasting: Option<Duration>, both: bool) {
        if both {
            self.holes.send_replace(Holes::BOTH);
        }
        match lasting {
            Some(lasting) => sleep(lasting).await,
            None => pending().await,
        }
        self.holes.send_replace(Holes::NONE);
    }

    /// Writes all of it, unless nothing passes at the moment.
    async fn write(&mut self, to: &TcpStream, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            for holes in [self.holes, &self.shared.holes] {
                // Both senders live longer than this.
                let _ = holes.subscribe().wait_for(|holes| !holes.swallow(self.way)).await;
            }
            match self.write_some(to, bytes) {
                Ok(count) => bytes = &bytes[count..],
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => to.writable().await?,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// What the client has is already counted: both happen under one lock.
    fn write_some(&mut self, to: &TcpStream, bytes: &[u8]) -> io::Result<usize> {
        let all = &mut self.shared.passed.lock().unwrap();
        let passed = &mut all[self.number];
        let before = Instant::now();
        let count = to.try_write(bytes)?;
        self.passed += count;
        match self.way {
            Way::Up => passed.up = self.passed,
            Way::Down => {
                passed.down.extend(&bytes[..count]);
                passed.last = before;
            }
        }
        Ok(count)
    }
}

async fn read(stream: &TcpStream, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        stream.readable().await?;
        match stream.try_read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            result => return result,
        }
    }
}
