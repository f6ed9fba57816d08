//! What a driver is told, and what it makes of it.

use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::StreamExt;
use tokio::time::Instant;

use heartwire_core::link::{Input, NotSent, Path, SendId};
use heartwire_core::time::Moment;

use super::{Driver, Wire};
use crate::driver::Command;
use crate::driver::sends::Told;

/// How many commands are taken in a round.
const COMMANDS: usize = 32;

/// How long after a wake that the clock showed somebody may still tell of the same one.
const SAME_WAKE: Duration = Duration::from_secs(60);

impl Driver {
    /// Takes commands as of `now`, up to which everything that came was read, so that none of them lets the link judge
    /// its peer by a later moment.
    pub(super) fn commands(&mut self, now: Moment, cx: &mut Context<'_>) {
        for _ in 0..COMMANDS {
            let command = match self.inbox.poll_next_unpin(cx) {
                Poll::Pending => return,
                Poll::Ready(command) => command,
            };
            match command {
                Some(Command::GoOnFrom(cursor)) => self.go_on_from(cursor),
                Some(Command::Start) => self.input_at(now, Input::Start),
                Some(Command::Pause) => self.input_at(now, Input::Pause),
                Some(Command::Reconnect) => self.input_at(now, Input::Reconnect),
                Some(Command::Resumed(slept)) => self.resumed(now, slept),
                Some(Command::NetworkChanged) => self.input_at(now, Input::NetworkChanged(self.path())),
                Some(Command::CredentialsChanged) => self.input_at(now, Input::CredentialsChanged),
                Some(Command::Send(text, told)) => self.send(now, text, told),
                Some(Command::Committed(generation, mark)) => self.committed(now, generation, mark, cx),
                Some(Command::Stop) => self.stop(),
                None => return self.stop(),
            }
        }
        self.again = true;
    }

    pub(super) fn stop(&mut self) {
        if self.stopping.is_none() {
            self.stopping = Some(Instant::now());
            self.input(Input::Stop);
        }
    }

    fn send(&mut self, now: Moment, text: String, told: Told) {
        if let Wire::Open(open) = &self.wire
            && !open.has_room_for(text.len())
        {
            // Whoever asked may have left.
            let _ = told.send(Err(NotSent::Full));
            return;
        }
        self.last_send = SendId(self.last_send.0 + 1);
        self.asking.insert(self.last_send, told);
        self.input_at(now, Input::Send(self.last_send, text));
    }

    /// Somebody tells of a wake. Of one that the clock showed the link knows already.
    fn resumed(&mut self, now: Moment, slept: Duration) {
        let known = self.woke.is_some_and(|woke| now.since(woke) < SAME_WAKE);
        self.input_at(now, Input::Resumed(if known { Duration::ZERO } else { slept }));
    }

    /// Whether packets to the peer would still leave from the address that the socket has.
    fn path(&self) -> Path {
        match &self.wire {
            Wire::Open(open) => open.path(),
            Wire::None | Wire::Dialing(..) => Path::Same,
        }
    }
}
