//! How a socket ends: the closing handshake, whoever begins it, and what a peer that broke a rule is told.

use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::Instant;
use tokio_tungstenite::tungstenite::error::CapacityError;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{Error, Message as WireMessage};

use heartwire_core::cause::Cause;
use heartwire_core::dialect::{Dialect, Refused};

use super::Open;
use crate::dial::lost;
use crate::driver::closed;

/// How long a peer that broke a rule may take to read why we close.
const TELLING: Duration = Duration::from_secs(1);

pub(super) enum Closing {
    No,
    /// We shall send a close frame with this code.
    Wanted(u16),
    /// We sent one and wait for the peer's.
    Sent,
    /// The peer broke a rule. It was told; what it still sends is thrown away, because closing with unread data would
    /// reset the connection and take our close frame with it.
    Telling {
        cause: Cause,
        until: Instant,
    },
}

/// How a socket ended.
pub(in crate::driver) struct End {
    pub(in crate::driver) cause: Cause,
    /// After a closing handshake: the descriptor is closed without a reset.
    pub(in crate::driver) politely: bool,
}

impl End {
    pub(in crate::driver) fn broken(cause: Cause) -> Self {
        Self { cause, politely: false }
    }
}

impl Open {
    /// Begins the closing handshake; frames that have not been begun are not sent any more.
    pub(in crate::driver) fn close(&mut self, code: u16) {
        if matches!(self.closing, Closing::No) {
            self.sends.forget_waiting();
            self.closing = Closing::Wanted(code);
        }
    }

    /// The peer's close frame came: the first, which is answered, or the answer to ours.
    pub(super) fn closed(&mut self, frame: Option<&CloseFrame>, dialect: &dyn Dialect, cx: &mut Context<'_>) -> End {
        // The library has queued the answer. If the network does not take it now, nobody is waiting for it.
        let politely = matches!(self.socket.poll_flush(cx), Poll::Ready(Ok(())));
        End { cause: closed::cause(frame, dialect), politely }
    }

    /// The stream broke. Where the peer can still be told why, it is told before the end.
    pub(super) fn fail(&mut self, error: &Error, dialect: &dyn Dialect, cx: &mut Context<'_>) -> Option<End> {
        let (cause, code) = lost(error, self.limit);
        let refused = match error {
            Error::Capacity(CapacityError::MessageTooLong { .. }) => Some(Refused::TooLarge),
            Error::Utf8(_) => Some(Refused::NotUtf8),
            _ => None,
        };
        let cause = cause.with(refused.and_then(|refused| dialect.advice(refused)));
        let (Some(code), Closing::No) = (code, &self.closing) else { return Some(End::broken(cause)) };
        self.sends.forget_waiting();
        let close = WireMessage::Close(Some(CloseFrame { code: code.into(), reason: "".into() }));
        if self.socket.start_send(close).is_err() {
            return Some(End::broken(cause));
        }
        self.unflushed = true;
        let _ = self.socket.poll_flush(cx);
        self.closing = Closing::Telling { cause, until: Instant::now() + TELLING };
        None
    }

    pub(super) fn tell(&mut self, cx: &mut Context<'_>) -> Option<End> {
        let Closing::Telling { cause, until } = &self.closing else { return None };
        let heard = self.socket.poll_drain(cx).is_ready();
        (heard || *until <= Instant::now()).then(|| End { cause: cause.clone(), politely: heard })
    }
}
