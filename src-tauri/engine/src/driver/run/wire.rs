//! What comes of the socket: what is read from it goes to the link and the dialect, and its end ends both.

use std::mem;
use std::task::{Context, Poll};

use heartwire_core::cause::CauseCode;
use heartwire_core::dialect::{Dialect, Effects};
use heartwire_core::link::{Generation, Input};
use heartwire_core::time::Moment;

use super::{Driver, Wire};
use crate::driver::open::{End, Read};

impl Driver {
    pub(super) fn dialing(&mut self, cx: &mut Context<'_>) {
        let Wire::Dialing(generation, dialing) = &mut self.wire else { return };
        let generation = *generation;
        match dialing.as_mut().poll(cx) {
            Poll::Pending => {}
            Poll::Ready(Ok((socket, greeting))) => self.greet(generation, socket, &greeting, cx),
            Poll::Ready(Err(cause)) => {
                self.wire = Wire::None;
                self.input(Input::DialFailed(generation, cause));
            }
        }
    }

    /// One turn of reading. True: there may be more.
    pub(super) fn read(&mut self, cx: &mut Context<'_>) -> bool {
        self.read_as_of(None, cx)
    }

    /// The same, and what is found came by this moment; none: just now.
    pub(super) fn read_as_of(&mut self, moment: Option<Moment>, cx: &mut Context<'_>) -> bool {
        let Wire::Open(open) = &mut self.wire else { return false };
        let generation = open.generation;
        let full = self.outbox.holds_items() && open.may_bring_messages();
        if full != open.reading_paused() {
            open.pause_reading(full);
            let input = if full { Input::ReadingPaused(generation) } else { Input::ReadingResumed(generation) };
            self.input_at(moment.unwrap_or_else(|| self.now()), input);
        }
        let Wire::Open(open) = &mut self.wire else { return false };
        if open.reading_paused() {
            return false;
        }
        open.read(self.dialect.as_mut(), self.found.get_or_insert_default(), cx);
        let Read { alive, answered, effects, end, more } = self.found.take().map(|found| *found).unwrap_or_default();
        // One moment for all of it: life in the same breath as the end is no proof of life.
        let now = moment.unwrap_or_else(|| self.now());
        if alive {
            if let Wire::Open(open) = &mut self.wire {
                open.stirred = true;
            }
            self.input_at(now, Input::Bytes(generation));
        }
        if answered {
            self.input_at(now, Input::HeartbeatAnswered(generation));
        }
        self.act(now, generation, effects, cx);
        if let Some(end) = end {
            self.ended(now, end);
        } else if let Wire::Open(open) = &mut self.wire
            && !more
            && std::mem::take(&mut open.stirred)
        {
            self.say(now, generation, cx, |dialect, effects| dialect.quiet(effects));
        }
        more
    }

    pub(super) fn committed(&mut self, now: Moment, generation: Generation, mark: u64, cx: &mut Context<'_>) {
        // The marks of an earlier socket mean nothing to the dialect of this one.
        self.say(now, generation, cx, |dialect, effects| dialect.committed(mark, effects));
    }

    /// Tells the dialect of the socket of this generation something, and does what it says.
    fn say(
        &mut self,
        now: Moment,
        generation: Generation,
        cx: &mut Context<'_>,
        what: impl FnOnce(&mut dyn Dialect, &mut Effects),
    ) {
        if self.open(generation).is_some() {
            let mut effects = Effects::default();
            what(self.dialect.as_mut(), &mut effects);
            self.act(now, generation, effects, cx);
        }
    }

    pub(super) fn write(&mut self, cx: &mut Context<'_>) {
        if let Wire::Open(open) = &mut self.wire
            && let Some(end) = open.write(cx)
        {
            self.ended(self.now(), end);
        }
    }

    pub(in crate::driver) fn ended(&mut self, now: Moment, end: End) {
        if let Wire::Open(open) = mem::replace(&mut self.wire, Wire::None) {
            let generation = open.generation;
            open.finish(end.politely);
            if end.cause.code == CauseCode::Unauthorized {
                self.request.credentials.forget();
            }
            self.input_at(now, Input::Closed(generation, end.cause));
        }
    }
}
