//! The way from a socket into the link and back: what the link says is done before anything else happens.

use std::task::Context;

use heartwire_core::cause::{Cause, CauseCode};
use heartwire_core::link::{Generation, Input, Output};
use heartwire_core::view::LinkState;

use super::{Driver, Wire};
use crate::dial::dial;
use crate::driver::open::Open;
use crate::driver::timer::Timer;
use crate::driver::{DriverEventKind, NotConnected};

impl Driver {
    /// The one way into the link: what it says is done before anything else happens.
    pub(super) fn input(&mut self, input: Input) {
        self.link.handle(self.now(), input);
        while let Some(output) = self.link.poll_output() {
            self.again = true;
            self.perform(output);
        }
    }

    fn perform(&mut self, output: Output) {
        match output {
            Output::Dial(generation) => {
                let request = self.request.clone();
                self.wire = Wire::Dialing(generation, Box::pin(async move { dial(&request).await }));
            }
            Output::Send(generation, frame) => {
                let told = self.asking.take();
                if let Some(open) = self.open(generation) {
                    open.send(frame, told);
                }
            }
            Output::SendRefused => {
                if let Some(told) = self.asking.take() {
                    let _ = told.send(Err(NotConnected));
                }
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

    fn open(&mut self, generation: Generation) -> Option<&mut Open> {
        match &mut self.wire {
            Wire::Open(open) if open.generation == generation => Some(open),
            Wire::Open(_) | Wire::None | Wire::Dialing(..) => None,
        }
    }

    pub(super) fn recover(&mut self, cx: &mut Context<'_>) {
        let generation = self.link.status().generation;
        self.wire = Wire::None;
        self.asking = None;
        self.timer = Timer::new();
        self.dialect = (self.make_dialect)();
        let cause =
            Cause::new(CauseCode::Protocol, "Heartwire failed on what the server sent; the connection is made anew");
        self.input(Input::Closed(generation, cause));
        self.outbox.poll_send(cx);
    }

    fn log(&self, state: LinkState, cause: Option<&Cause>) {
        let cause = cause.map(|cause| cause.text.as_str());
        tracing::debug!(connection = self.name, ?state, cause, "the link's state changed");
    }
}
