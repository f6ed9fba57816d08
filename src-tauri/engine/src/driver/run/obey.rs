//! The way from a socket into the link and back: what the link says is done before anything else happens.

use heartwire_core::cause::Cause;
use heartwire_core::dialect::{Beat, sockjs};
use heartwire_core::link::{Frame, Generation, Input, Output};
use heartwire_core::time::Moment;
use heartwire_core::view::LinkState;

use super::{Driver, Wire};
use crate::driver::DriverEventKind;
use crate::driver::greet::dial;
use crate::driver::open::Open;
use crate::driver::sends::Told;

impl Driver {
    /// The one way into the link: what it says is done before anything else happens.
    pub(in crate::driver) fn input(&mut self, input: Input) {
        self.input_at(self.now(), input);
    }

    /// The same as of a moment that may have passed: the link does nothing that was not due by then.
    pub(in crate::driver) fn input_at(&mut self, now: Moment, input: Input) {
        self.link.handle(now, input);
        while let Some(output) = self.link.poll_output() {
            self.again = true;
            self.perform(output);
        }
    }

    fn perform(&mut self, output: Output) {
        match output {
            Output::Dial(generation) => {
                let random = rand::random();
                let mut request = self.request.clone();
                request.url = (self.spec.address)(&request.url, random);
                let sockjs = self.sockjs.as_ref().map(|base| sockjs::address(base, random));
                self.wire = Wire::Dialing(generation, Box::pin(dial(request, sockjs, random)));
            }
            Output::Send(generation, frame, id) => {
                let told = id.and_then(|id| self.asking.remove(&id));
                self.send_frame(generation, frame, told);
            }
            Output::SendRefused(id, why) => {
                if let Some(told) = self.asking.remove(&id) {
                    // Whoever asked may have left.
                    let _ = told.send(Err(why));
                }
            }
            Output::ResumeDropped(data) => {
                self.cursor = None;
                self.outbox.push(DriverEventKind::ResumeDropped(data));
            }
            Output::Close(generation, code) => {
                if let Some(open) = self.open(generation) {
                    open.close(code);
                }
            }
            Output::Abort(_) => self.wire = Wire::None,
            Output::Status(status) => {
                let retry_in = status.retry_at.map(|at| at.since(self.now()));
                self.log(status.state, status.cause.as_ref());
                self.outbox.push(DriverEventKind::Status(status, retry_in));
            }
            Output::RoundTrip(time) => self.outbox.push(DriverEventKind::RoundTrip(time)),
        }
    }

    /// Queues a frame of the link's as the dialect has it.
    fn send_frame(&mut self, generation: Generation, frame: Frame, told: Option<Told>) {
        let Wire::Open(open) = &mut self.wire else { return };
        if open.generation != generation {
            return;
        }
        match frame {
            Frame::Text(text) => return open.send(self.dialect.wrap(text), told),
            Frame::Ping(payload) => {
                open.send_ping(payload);
                if self.spec.beat != Beat::Ping {
                    return;
                }
            }
            Frame::Heartbeat => {}
        }
        if let Some(frame) = self.dialect.heartbeat() {
            open.send(frame, told);
        }
    }

    pub(in crate::driver) fn open(&mut self, generation: Generation) -> Option<&mut Open> {
        match &mut self.wire {
            Wire::Open(open) if open.generation == generation => Some(open),
            Wire::Open(_) | Wire::None | Wire::Dialing(..) => None,
        }
    }

    fn log(&self, state: LinkState, cause: Option<&Cause>) {
        let cause = cause.map(|cause| cause.text.as_str());
        tracing::debug!(connection = self.name, ?state, cause, "the link's state changed");
    }
}
