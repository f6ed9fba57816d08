//! The other side: the window, the command line and tests. Replies find their request by its id; of snapshots only the
//! newest is kept.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use heartwire_core::control::{ClientLine, FailCode, Reply, Request, ServerLine};
use heartwire_core::link::QUEUE_AGE;
use heartwire_core::view::Snapshot;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{broadcast, mpsc, oneshot, watch};

use super::Push;
use super::lines::{Line, Lines, encode, write};
use super::socket::connect;

/// How long a request may take; the resident answers every one, if only with a failure.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);
// A text may wait for a socket that long; its answer must come before whoever asked gives up.
const _: () = assert!(QUEUE_AGE.as_secs() < ANSWER_LIMIT.as_secs());
/// Requests on their way to the socket.
const REQUESTS_WAITING: usize = 8;
/// Pushes that wait to be taken; older ones go first.
const PUSHES_WAITING: usize = 8;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// Nobody listens at the socket.
    #[error("Heartwire is not running: nobody answers at {}", .0.display())]
    NotRunning(PathBuf),
    /// Somebody else listens at the socket, and was sent nothing.
    #[error(
        "another user (uid {uid}) answers at {}, so nothing was sent: have it removed, or set HEARTWIRE_HOME to a folder \
         of yours",
        path.display()
    )]
    OtherUser {
        /// The socket.
        path: PathBuf,
        /// Who listens.
        uid: u32,
    },
    /// The resident ended, or closed this connection.
    #[error("Heartwire closed the control connection")]
    Closed,
    /// The resident did not answer.
    #[error("Heartwire did not answer within {} s", ANSWER_LIMIT.as_secs())]
    Timeout,
    /// The request is longer than the resident accepts.
    #[error("the request is too long")]
    TooLong,
    /// The socket failed.
    #[error("the control socket failed: {0}")]
    Io(#[from] io::Error),
}

/// A connection to the resident. Clones share it; when the last one is dropped, it closes.
#[derive(Clone, Debug)]
pub struct Client {
    next_id: Arc<AtomicU64>,
    waiting: Waiting,
    lines: mpsc::Sender<Vec<u8>>,
    snapshots: watch::Receiver<Option<Arc<Snapshot>>>,
    /// Kept to make receivers; the connection's task sends.
    pushes: broadcast::Sender<Push>,
}

/// Who waits for the reply to which request; none once the connection has ended.
type Waiting = Arc<Mutex<Option<HashMap<u64, oneshot::Sender<Reply>>>>>;

impl Client {
    /// Connects to the resident's socket.
    ///
    /// # Errors
    /// [`ControlError::NotRunning`] if nobody listens there, [`ControlError::OtherUser`] if somebody else does.
    pub async fn connect(path: &Path) -> Result<Self, ControlError> {
        let stream = connect(path).await?;
        let (from, to) = tokio::io::split(stream);
        let (lines, queue) = mpsc::channel(REQUESTS_WAITING);
        let (newest, snapshots) = watch::channel(None);
        let (pushes, _) = broadcast::channel(PUSHES_WAITING);
        let waiting = Waiting::new(Mutex::new(Some(HashMap::new())));
        let inbox = Inbox { waiting: waiting.clone(), newest, pushes: pushes.clone() };
        tokio::spawn(async move {
            // Two futures, so that a full socket in one direction does not stop the other.
            let ended = tokio::select! {
                ended = inbox.read(from) => ended,
                ended = write_requests(to, queue) => ended,
            };
            if let Err(error) = ended {
                tracing::debug!(%error, "the control connection failed");
            }
            lock(&inbox.waiting).take();
        });
        Ok(Self { next_id: Arc::default(), waiting, lines, snapshots, pushes })
    }

    /// Asks, and waits for the answer.
    ///
    /// # Errors
    /// There is no answer; what the resident refused is an answer.
    pub async fn request(&self, request: Request) -> Result<Reply, ControlError> {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed) + 1;
        let line = encode(&ClientLine { id, request })?.ok_or(ControlError::TooLong)?;
        let (reply, answer) = oneshot::channel();
        lock(&self.waiting).as_mut().ok_or(ControlError::Closed)?.insert(id, reply);
        let asked = async {
            self.lines.send(line).await.map_err(|_| ControlError::Closed)?;
            answer.await.map_err(|_| ControlError::Closed)
        };
        let answered = tokio::time::timeout(ANSWER_LIMIT, asked).await;
        if let Some(waiting) = lock(&self.waiting).as_mut() {
            waiting.remove(&id);
        }
        answered.map_err(|_| ControlError::Timeout)?
    }

    /// Like [`Client::request`], with the failure to get an answer as an answer, for callers that show either.
    pub async fn reply(&self, request: Request) -> Reply {
        self.request(request).await.unwrap_or_else(|error| {
            let code = match error {
                ControlError::TooLong => FailCode::BadRequest,
                ControlError::NotRunning(_)
                | ControlError::OtherUser { .. }
                | ControlError::Closed
                | ControlError::Timeout
                | ControlError::Io(_) => FailCode::Stopping,
            };
            Reply::Failed { code, message: error.to_string() }
        })
    }

    /// The newest snapshot pushed after [`Request::Subscribe`]; none before the first.
    pub fn snapshots(&self) -> watch::Receiver<Option<Arc<Snapshot>>> {
        self.snapshots.clone()
    }

    /// What the resident tells windows from now on.
    pub fn pushes(&self) -> broadcast::Receiver<Push> {
        self.pushes.subscribe()
    }

    /// Waits until the connection has ended.
    pub async fn closed(&self) {
        self.lines.closed().await;
    }
}

async fn write_requests(mut to: impl AsyncWrite + Unpin, mut queue: mpsc::Receiver<Vec<u8>>) -> io::Result<()> {
    while let Some(line) = queue.recv().await {
        write(&mut to, &line).await?;
    }
    Ok(())
}

struct Inbox {
    waiting: Waiting,
    newest: watch::Sender<Option<Arc<Snapshot>>>,
    pushes: broadcast::Sender<Push>,
}

impl Inbox {
    async fn read(&self, from: impl AsyncRead + Unpin) -> io::Result<()> {
        let mut lines = Lines::new(from);
        loop {
            match lines.next().await? {
                Line::Whole(line) => self.take(serde_json::from_slice(line)?),
                Line::TooLong => return Err(io::Error::new(io::ErrorKind::InvalidData, "the line is too long")),
                Line::End => return Ok(()),
            }
        }
    }

    fn take(&self, line: ServerLine) {
        match line {
            ServerLine::Reply { id, reply } => {
                let waiting = lock(&self.waiting).as_mut().and_then(|waiting| waiting.remove(&id));
                if let Some(waiting) = waiting {
                    // Whoever asked may have stopped waiting.
                    let _ = waiting.send(reply);
                }
            }
            ServerLine::Snapshot(snapshot) => {
                self.newest.send_replace(Some(Arc::from(snapshot)));
            }
            // Nobody may be listening for these: then they are of no use.
            ServerLine::Raise => drop(self.pushes.send(Push::Raise)),
            ServerLine::ShowView(view) => drop(self.pushes.send(Push::ShowView(view))),
        }
    }
}

/// Nothing that holds the lock can leave the map half changed, so a poisoned one is as good as any.
fn lock(waiting: &Waiting) -> std::sync::MutexGuard<'_, Option<HashMap<u64, oneshot::Sender<Reply>>>> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}
