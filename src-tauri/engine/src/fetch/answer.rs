//! The body of an answer, read as it is asked for.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use hyper::Response;
use hyper::body::{Body as _, Bytes, Incoming};
use hyper::client::conn::http1::{Connection, SendRequest};
use hyper::header::CONTENT_ENCODING;
use hyper_util::rt::TokioIo;
use tokio::time::{Sleep, sleep};

use heartwire_core::cause::{Cause, CauseCode};
use heartwire_core::dialect::Answer;

use super::SILENCE;
use super::lines::{self, Lines, TooLong, text};
use crate::dial::{asking, said};
use crate::socket::Transport;

/// The longest answer that is handed over in one piece, in bytes.
const WHOLE: usize = 32 * 1024 * 1024;

/// An answer whose head has come.
pub(super) struct Exchange {
    pub answer: Response<Incoming>,
    pub connection: Connection<TokioIo<Transport>, String>,
    /// While it is there, hyper does not take the connection for one that nobody needs.
    pub sender: SendRequest<String>,
}

/// An answer from the end of its head on.
pub(super) struct Body {
    incoming: Incoming,
    connection: Connection<TokioIo<Transport>, String>,
    _sender: SendRequest<String>,
    /// The connection is over, and what came by it is in the body.
    ended: bool,
    /// Until when something must come; runs while somebody waits for it.
    silence: Option<Pin<Box<Sleep>>>,
    parts: Parts,
}

/// How far the parts have come.
enum Parts {
    Lines(Lines),
    Whole(Vec<u8>),
    Given,
}

impl Body {
    pub fn new(exchange: Exchange, answer: Answer) -> Result<Self, Cause> {
        let Exchange { answer: response, connection, sender } = exchange;
        if let Some(encoding) = response.headers().get(CONTENT_ENCODING)
            && !encoding.as_bytes().eq_ignore_ascii_case(b"identity")
        {
            let encoding = said(&String::from_utf8_lossy(encoding.as_bytes()));
            let text = format!("the server encodes its answer ({encoding}), which was not asked for");
            return Err(Cause::new(CauseCode::Protocol, text));
        }
        let incoming = response.into_body();
        let parts = match answer {
            Answer::Lines => Parts::Lines(Lines::default()),
            // Nothing of it needs to be read for that.
            Answer::Whole if incoming.size_hint().lower() > WHOLE as u64 => return Err(too_long()),
            Answer::Whole => Parts::Whole(Vec::new()),
        };
        Ok(Self { incoming, connection, _sender: sender, ended: false, silence: None, parts })
    }

    /// The next part. None: that was all.
    pub fn poll_part(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<String>, Cause>> {
        loop {
            match &mut self.parts {
                Parts::Lines(lines) => {
                    if let Some(line) = lines.next().map_err(|TooLong| line_too_long())? {
                        return Poll::Ready(Ok(Some(line)));
                    }
                }
                Parts::Whole(_) => {}
                Parts::Given => return Poll::Ready(Ok(None)),
            }
            let piece = ready!(self.poll_piece(cx))?;
            match (piece, &mut self.parts) {
                (Some(piece), Parts::Lines(lines)) => lines.take(piece),
                (Some(piece), Parts::Whole(whole)) if whole.len() + piece.len() > WHOLE => {
                    return Poll::Ready(Err(too_long()));
                }
                (Some(piece), Parts::Whole(whole)) => whole.extend_from_slice(&piece),
                (None, _) | (_, Parts::Given) => {
                    let last = match std::mem::replace(&mut self.parts, Parts::Given) {
                        Parts::Lines(mut lines) => lines.last(),
                        Parts::Whole(whole) => Some(text(whole)),
                        Parts::Given => None,
                    };
                    return Poll::Ready(Ok(last));
                }
            }
        }
    }

    /// The next piece as it came. None: there are no more.
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, Cause>> {
        let mut came = self.poll_incoming(cx);
        if came.is_pending() && !self.ended {
            // Only this reads from the network, and no more than one piece. Why it ended is told by the body.
            self.ended = Pin::new(&mut self.connection).poll(cx).is_ready();
            came = self.poll_incoming(cx);
        }
        match came {
            Poll::Ready(came) => {
                self.silence = None;
                Poll::Ready(came)
            }
            Poll::Pending if self.ended => {
                let text = "the connection ended before the answer was whole";
                Poll::Ready(Err(Cause::new(CauseCode::Reset, text)))
            }
            Poll::Pending => self.poll_silence(cx).map(Err),
        }
    }

    fn poll_incoming(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, Cause>> {
        loop {
            let Some(frame) = ready!(Pin::new(&mut self.incoming).poll_frame(cx)) else { return Poll::Ready(Ok(None)) };
            // What is no data is a trailer.
            if let Ok(piece) = frame.map_err(|error| asking(&error))?.into_data() {
                return Poll::Ready(Ok(Some(piece)));
            }
        }
    }

    /// Ready when nothing came for too long.
    fn poll_silence(&mut self, cx: &mut Context<'_>) -> Poll<Cause> {
        let silence = self.silence.get_or_insert_with(|| Box::pin(sleep(SILENCE)));
        ready!(silence.as_mut().poll(cx));
        let text = format!("nothing more of the answer to the request for messages came for {} s", SILENCE.as_secs());
        Poll::Ready(Cause::new(CauseCode::ConnectTimeout, text))
    }

    /// Closes the connection in good order.
    pub fn end(self) {
        self.connection.into_parts().io.into_inner().end();
    }
}

fn too_long() -> Cause {
    let text = format!("the answer to the request for messages has more than {} MiB", WHOLE / (1024 * 1024));
    Cause::new(CauseCode::TooLarge, text)
}

fn line_too_long() -> Cause {
    let text = format!("a line of the answer to the request for messages has more than {} bytes", lines::LONGEST);
    Cause::new(CauseCode::TooLarge, text)
}
