//! What a dialect asks for beside its socket: by the way of the dial, with the connection's headers and credentials, over
//! HTTP/1.1 (RFC 9112), and again and again until the server answers. It is polled by whoever owns the socket; it has no
//! task of its own and reads no more than a piece ahead of what is taken.

mod answer;
mod ask;
mod lines;

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use rand::SeedableRng;
use rand::rngs::SmallRng;
use tokio::time::{Instant, Sleep, sleep};

use heartwire_core::cause::{Cause, CauseCode};
use heartwire_core::dialect::Fetch;
use heartwire_core::link::{Backoff, Jitter};

use crate::dial::{DialRequest, Passed, Watch};
use answer::Body;
use ask::{Question, Reply};

/// How long the server may be silent: before its answer begins, and within it.
const SILENCE: Duration = Duration::from_secs(30);

/// When a failed try is followed by the next.
const BACKOFF: Backoff =
    Backoff { first: Duration::from_secs(1), cap: Duration::from_secs(60), fixed: None, jitter: Jitter::Full };

/// How long the same credentials are not tried again that the server refused.
const REFUSED: Duration = Duration::from_secs(5 * 60);

/// How often the same failure is told in the log.
const TOLD_EVERY: Duration = Duration::from_secs(60);

/// One fetch with its retries. Dropping it closes its connection.
pub struct Fetching {
    question: Arc<Question>,
    state: State,
    failures: u32,
    told: Option<(CauseCode, Instant)>,
    rng: SmallRng,
}

enum State {
    Asking(Pin<Box<dyn Future<Output = Result<Reply, Cause>> + Send>>),
    Reading(Box<Body>),
    Waiting(Pin<Box<Sleep>>),
    Over,
}

/// What came of a fetch.
#[derive(Debug, PartialEq, Eq)]
pub enum Event {
    /// The server says that the answer, which follows, is not all.
    Cut,
    /// A line of the answer that is not empty, or all of it.
    Part(String),
    /// The answer is complete, and the fetch over.
    End,
    /// The answer broke off or there was none. The same is asked again after a while, from its beginning.
    Broken(Cause),
    /// The server does not answer such a request, and the fetch is over.
    Refused(u16),
}

impl Fetching {
    /// A fetch beside the socket of this request, which begins when it is polled first. The seed decides its delays.
    pub fn new(request: &DialRequest, fetch: Fetch, seed: u64) -> Self {
        request.watch.tell(Passed::Fetching);
        let question = Arc::new(Question { request: request.clone(), fetch });
        let state = State::Asking(Box::pin(question.clone().ask()));
        Self { question, state, failures: 0, told: None, rng: SmallRng::seed_from_u64(seed) }
    }

    /// The same, which begins no sooner than after this time.
    #[must_use]
    pub fn after(mut self, wait: Duration) -> Self {
        if !wait.is_zero() {
            self.state = State::Waiting(Box::pin(sleep(wait)));
        }
        self
    }

    /// The next thing that came; nothing more after [`Event::End`] and [`Event::Refused`].
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Event> {
        loop {
            match &mut self.state {
                State::Asking(asking) => match ready!(asking.as_mut().poll(cx)) {
                    Ok(Reply::Body(body, cut)) => {
                        self.state = State::Reading(body);
                        if cut {
                            return Poll::Ready(Event::Cut);
                        }
                    }
                    Ok(Reply::Refused(status)) => {
                        self.state = State::Over;
                        let text = format!("the server answered the request for messages with {status}");
                        self.watch().tell(Passed::Fetched(Err(&Cause::new(CauseCode::Http(status), text))));
                        return Poll::Ready(Event::Refused(status));
                    }
                    Err(cause) => return Poll::Ready(self.broken(cause)),
                },
                State::Reading(body) => match ready!(body.poll_part(cx)) {
                    Ok(Some(part)) => return Poll::Ready(Event::Part(part)),
                    Ok(None) => {
                        if let State::Reading(body) = std::mem::replace(&mut self.state, State::Over) {
                            body.end();
                        }
                        self.watch().tell(Passed::Fetched(Ok(())));
                        return Poll::Ready(Event::End);
                    }
                    Err(cause) => return Poll::Ready(self.broken(cause)),
                },
                State::Waiting(wait) => {
                    ready!(wait.as_mut().poll(cx));
                    self.state = State::Asking(Box::pin(self.question.clone().ask()));
                }
                State::Over => return Poll::Pending,
            }
        }
    }

    fn watch(&self) -> &Watch {
        &self.question.request.watch
    }

    fn broken(&mut self, cause: Cause) -> Event {
        self.watch().tell(Passed::Fetched(Err(&cause)));
        self.failures = self.failures.saturating_add(1);
        // Credentials that were refused are asked for again: a person may have to be.
        let floor = if cause.code == CauseCode::Unauthorized { Some(REFUSED) } else { None };
        let wait = BACKOFF.again(self.failures, cause.retry_after.max(floor), &mut self.rng);
        // The connection is closed before the wait.
        self.state = State::Waiting(Box::pin(sleep(wait)));
        let now = Instant::now();
        let is_told = |(code, at): (CauseCode, Instant)| code == cause.code && now.duration_since(at) < TOLD_EVERY;
        if !self.told.is_some_and(is_told) {
            self.told = Some((cause.code, now));
            let server = self.question.fetch.url.host_str().unwrap_or_default();
            tracing::warn!("messages could not be fetched from {server}, which is tried again: {}", cause.text);
        }
        Event::Broken(cause)
    }
}
