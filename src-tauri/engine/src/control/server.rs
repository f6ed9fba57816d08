//! The resident's side. Each client has one task that reads, asks and writes: one request at a time, so a flood waits
//! in the client's own socket buffer, and at most one snapshot on its way, the newest.

use std::future::{Future, pending};
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use heartwire_core::control::{ClientLine, FailCode, MAX_LINE, Reply, Request, ServerLine};
use heartwire_core::view::Snapshot;
use serde::Deserialize;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::lines::{Line, Lines, encode, write};
use super::socket::Listener;
use super::{Push, ShellRequest};
use crate::supervisor::Handle;

/// How many clients may be connected; one more is told so and closed.
const MAX_CLIENTS: usize = 16;
/// Replies that wait for a client to read; while there are as many, its requests are not read.
const REPLIES_WAITING: usize = 8;
/// Lines that are no requests before the client is closed.
const MAX_GARBAGE: u32 = 3;
/// The least time between two snapshots to one client: four a second.
const SNAPSHOT_PACE: Duration = Duration::from_millis(250);
/// A client may ask this often in [`REQUEST_WINDOW`]; what comes sooner waits.
const REQUESTS_PER_WINDOW: u32 = 200;
/// See [`REQUESTS_PER_WINDOW`].
const REQUEST_WINDOW: Duration = Duration::from_secs(1);
/// How long the server waits after a failed accept (no descriptors left, say) before it tries again.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// Who answers the requests: the supervisor's handle, or a test's double.
pub trait Resident: Clone + Send + Sync + 'static {
    /// Answers a request.
    fn request(&self, request: Request) -> impl Future<Output = Reply> + Send;
    /// The state, as it changes.
    fn snapshots(&self) -> watch::Receiver<Arc<Snapshot>>;
}

impl Resident for Handle {
    async fn request(&self, request: Request) -> Reply {
        Self::request(self, request).await
    }

    fn snapshots(&self) -> watch::Receiver<Arc<Snapshot>> {
        Self::snapshots(self)
    }
}

/// Serves clients until it is dropped, which closes them all and removes the socket's file.
pub async fn serve<R: Resident>(
    listener: Listener,
    resident: R,
    shell: mpsc::Sender<ShellRequest>,
    pushes: broadcast::Sender<Push>,
) {
    let mut clients = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok(stream) if clients.len() < MAX_CLIENTS => {
                    let desk = Desk { resident: resident.clone(), shell: shell.clone(), pushes: pushes.clone() };
                    let (from, to) = tokio::io::split(stream);
                    clients.spawn(attend(from, to, desk));
                }
                Ok(mut stream) => {
                    let reply = refused(&format!("{MAX_CLIENTS} clients are connected already: close one"));
                    // Whether the client reads why it was closed is its own business.
                    if let Ok(Some(line)) = encode(&ServerLine::Reply { id: 0, reply }) {
                        let _ = write(&mut stream, &line).await;
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "the control socket could not accept a client");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
            Some(ended) = clients.join_next() => {
                if let Err(error) = ended {
                    tracing::error!(%error, "a control client's task failed");
                }
            }
        }
    }
}

/// What a client's task needs of the house.
struct Desk<R> {
    resident: R,
    shell: mpsc::Sender<ShellRequest>,
    pushes: broadcast::Sender<Push>,
}

/// What the reading side hands to the writing side, in this order.
enum Outgoing {
    Reply { id: u64, reply: Reply },
    Subscribed(Feed),
}

/// What a client gets that subscribed.
struct Feed {
    snapshots: watch::Receiver<Arc<Snapshot>>,
    pushes: broadcast::Receiver<Push>,
    not_before: Instant,
}

async fn attend<R: Resident>(from: impl AsyncRead + Unpin, to: impl AsyncWrite + Unpin, desk: Desk<R>) {
    let (outgoing, queue) = mpsc::channel(REPLIES_WAITING);
    let reading = async move {
        // The end of reading closes the queue; the writing side sends what is in it, and ends.
        let _ = read_requests(from, &desk, &outgoing).await;
    };
    let mut writing = pin!(write_lines(to, queue));
    let written = tokio::select! {
        () = reading => writing.await,
        written = &mut writing => written,
    };
    if let Err(error) = written {
        tracing::debug!(%error, "a control client was dropped");
    }
}

async fn read_requests<R: Resident>(
    from: impl AsyncRead + Unpin,
    desk: &Desk<R>,
    outgoing: &mpsc::Sender<Outgoing>,
) -> Result<(), Gone> {
    let mut lines = Lines::new(from);
    let mut garbage = 0;
    let mut pace = Pace::new();
    while let Ok(line) = lines.next().await {
        match line {
            Line::Whole(line) => match serde_json::from_slice::<ClientLine>(line) {
                Ok(ClientLine { id, request }) => {
                    pace.wait().await;
                    desk.answer(id, request, outgoing).await?;
                }
                Err(error) => {
                    garbage += 1;
                    let reply = refused(&format!("the line is not a request: {error}"));
                    send(outgoing, Outgoing::Reply { id: id_of(line), reply }).await?;
                    if garbage == MAX_GARBAGE {
                        return Ok(());
                    }
                }
            },
            Line::TooLong => {
                let reply = refused(&format!("the line is longer than {MAX_LINE} bytes"));
                return send(outgoing, Outgoing::Reply { id: 0, reply }).await;
            }
            Line::End => return Ok(()),
        }
    }
    Ok(())
}

/// The writing side has ended: nobody reads any more.
struct Gone;

async fn send(outgoing: &mpsc::Sender<Outgoing>, what: Outgoing) -> Result<(), Gone> {
    outgoing.send(what).await.map_err(|_| Gone)
}

impl<R: Resident> Desk<R> {
    async fn answer(&self, id: u64, request: Request, outgoing: &mpsc::Sender<Outgoing>) -> Result<(), Gone> {
        let reply = match request {
            Request::Subscribe => {
                let mut snapshots = self.resident.snapshots();
                let newest = snapshots.borrow_and_update().clone();
                let feed = Feed { snapshots, pushes: self.pushes.subscribe(), not_before: Instant::now() };
                send(outgoing, Outgoing::Reply { id, reply: whole(&newest) }).await?;
                return send(outgoing, Outgoing::Subscribed(feed)).await;
            }
            Request::Status => {
                let newest = self.resident.snapshots().borrow().clone();
                whole(&newest)
            }
            Request::ShowWindow => self.show_window().await,
            Request::Quit => match self.shell.send(ShellRequest::Quit).await {
                Ok(()) => Reply::Ok,
                Err(_) => stopping(),
            },
            // It takes its time, and what else the person does meanwhile must not wait for it.
            Request::TestConnection { .. } => {
                let (resident, outgoing) = (self.resident.clone(), outgoing.clone());
                tokio::spawn(async move {
                    let reply = resident.request(request).await;
                    // Who asked may have gone away meanwhile.
                    let _ = send(&outgoing, Outgoing::Reply { id, reply }).await;
                });
                return Ok(());
            }
            Request::Reconnect { .. }
            | Request::Pause { .. }
            | Request::Resume { .. }
            | Request::Send { .. }
            | Request::Settings
            | Request::SaveConnection { .. }
            | Request::RemoveConnection { .. }
            | Request::SetSecret { .. }
            | Request::SaveGeneral { .. }
            | Request::History { .. }
            | Request::Messages { .. } => self.resident.request(request).await,
        };
        send(outgoing, Outgoing::Reply { id, reply }).await
    }

    async fn show_window(&self) -> Reply {
        let (reply, answer) = oneshot::channel();
        if self.shell.send(ShellRequest::ShowWindow(reply)).await.is_err() {
            return stopping();
        }
        answer.await.unwrap_or_else(|_| stopping())
    }
}

async fn write_lines(mut to: impl AsyncWrite + Unpin, mut queue: mpsc::Receiver<Outgoing>) -> io::Result<()> {
    let mut feed = None;
    loop {
        let line = tokio::select! {
            biased;
            outgoing = queue.recv() => match outgoing {
                Some(Outgoing::Reply { id, reply }) => encode_reply(id, reply)?,
                Some(Outgoing::Subscribed(new)) => {
                    feed = Some(new);
                    continue;
                }
                None => return Ok(()),
            },
            line = Feed::next(feed.as_mut()) => line?,
        };
        write(&mut to, &line).await?;
    }
}

fn encode_reply(id: u64, reply: Reply) -> io::Result<Vec<u8>> {
    if let Some(line) = encode(&ServerLine::Reply { id, reply })? {
        return Ok(line);
    }
    let reply = refused(&format!("the answer is longer than {MAX_LINE} bytes: ask for less"));
    encode(&ServerLine::Reply { id, reply })?.ok_or_else(|| io::ErrorKind::InvalidData.into())
}

impl Feed {
    /// The next line for a client that subscribed; never for one that did not. Cancelling loses nothing.
    async fn next(feed: Option<&mut Self>) -> io::Result<Vec<u8>> {
        let Some(feed) = feed else { return pending().await };
        loop {
            let line = tokio::select! {
                push = feed.pushes.recv() => match push {
                    Ok(Push::Raise) => ServerLine::Raise,
                    Ok(Push::ShowView(view)) => ServerLine::ShowView(view),
                    Err(broadcast::error::RecvError::Lagged(_)) => continue,
                    Err(broadcast::error::RecvError::Closed) => return pending().await,
                },
                snapshot = next_snapshot(&mut feed.snapshots, feed.not_before) => {
                    feed.not_before = Instant::now() + SNAPSHOT_PACE;
                    ServerLine::Snapshot(Box::new(Snapshot::clone(&snapshot)))
                }
            };
            if let Some(line) = encode(&line)? {
                return Ok(line);
            }
            tracing::error!("a snapshot is longer than {MAX_LINE} bytes and was not sent");
        }
    }
}

async fn next_snapshot(snapshots: &mut watch::Receiver<Arc<Snapshot>>, not_before: Instant) -> Arc<Snapshot> {
    tokio::time::sleep_until(not_before).await;
    match snapshots.changed().await {
        Ok(()) => snapshots.borrow_and_update().clone(),
        // The supervisor has ended: there is no later snapshot.
        Err(_) => pending().await,
    }
}

/// Slows a client down that asks too often.
struct Pace {
    window_ends: Instant,
    asked: u32,
}

impl Pace {
    fn new() -> Self {
        Self { window_ends: Instant::now() + REQUEST_WINDOW, asked: 0 }
    }

    async fn wait(&mut self) {
        self.asked += 1;
        if self.asked > REQUESTS_PER_WINDOW {
            tokio::time::sleep_until(self.window_ends).await;
        }
        let now = Instant::now();
        if now >= self.window_ends {
            *self = Self { window_ends: now + REQUEST_WINDOW, asked: 1 };
        }
    }
}

/// The id of a line that is no request, if it has one: its sender may wait for it.
fn id_of(line: &[u8]) -> u64 {
    #[derive(Deserialize)]
    struct WithId {
        id: u64,
    }
    serde_json::from_slice::<WithId>(line).map_or(0, |line| line.id)
}

fn refused(message: &str) -> Reply {
    Reply::Failed { code: FailCode::BadRequest, message: message.to_owned() }
}

fn whole(snapshot: &Snapshot) -> Reply {
    Reply::Snapshot { snapshot: Box::new(snapshot.clone()) }
}

fn stopping() -> Reply {
    Reply::Failed { code: FailCode::Stopping, message: "Heartwire is ending".to_owned() }
}
