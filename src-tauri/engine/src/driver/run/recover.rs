//! What a panic costs: the socket, not the link, which goes on as after any lost connection. If even that fails, the
//! link says so before it ends.

use std::future::poll_fn;
use std::panic::AssertUnwindSafe;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::{FutureExt, StreamExt};
use tokio::time::sleep;

use heartwire_core::cause::{Cause, CauseCode};
use heartwire_core::link::{Input, LinkStatus};
use heartwire_core::view::LinkState;

use super::{Driver, Wire};
use crate::driver::timer::Timer;
use crate::driver::{Command, DriverEventKind};

/// How long a link rests after a panic.
const AFTER_PANIC: Duration = Duration::from_millis(250);

impl Driver {
    /// Runs until it is stopped. It borrows the driver: a future that owned it would have room for it in every step that
    /// takes it over, and each link would pay for that.
    pub(in crate::driver) async fn run(&mut self) {
        while is_panic(poll_fn(|cx| self.poll(cx))).await {
            tracing::error!(connection = self.name, "a link panicked; its socket is dropped and dialled anew");
            let salvaging = poll_fn(|cx| self.salvage(cx));
            let mut lost = is_panic(salvaging).await;
            if !lost {
                sleep(AFTER_PANIC).await;
                lost = is_panic(poll_fn(|cx| self.recover(cx))).await;
            }
            if lost {
                tracing::error!(connection = self.name, "a link could not be recovered after a panic and ends");
                return self.give_up().await;
            }
        }
    }

    /// Closes the socket, and keeps what was read from it before the panic.
    fn salvage(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.wire = Wire::None;
        let items = self.found.take().map(|found| found.effects.items).unwrap_or_default();
        if !items.is_empty() {
            self.outbox.push(DriverEventKind::Received(self.link.status().generation, items));
        }
        self.outbox.poll_send(cx);
        Poll::Ready(())
    }

    fn recover(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let generation = self.link.status().generation;
        self.timer = Timer::new(&self.clock);
        self.dialect = (self.make_dialect)();
        let cause =
            Cause::new(CauseCode::Protocol, "Heartwire failed on what the server sent; the connection is made anew");
        self.input(Input::Closed(generation, cause));
        self.outbox.poll_send(cx);
        Poll::Ready(())
    }

    /// The last word: nobody may think that this link still lives.
    async fn give_up(&mut self) {
        self.wire = Wire::None;
        let cause = Cause::new(
            CauseCode::Protocol,
            "Heartwire failed on this connection and has given it up; start Heartwire again to try again",
        );
        let status = LinkStatus {
            state: LinkState::Blocked,
            retry_at: None,
            cause: Some(cause),
            silent_for: Duration::ZERO,
            ..self.link.status().clone()
        };
        self.outbox.push(DriverEventKind::Status(status, None));
        poll_fn(|cx| {
            self.outbox.poll_send(cx);
            while !self.outbox.is_empty() {
                match self.inbox.poll_next_unpin(cx) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(None | Some(Command::Stop)) => break,
                    // Nothing else can be done any more; whoever waits for an answer is told so by its end.
                    Poll::Ready(Some(_)) => {}
                }
            }
            Poll::Ready(())
        })
        .await;
    }
}

async fn is_panic(future: impl Future<Output = ()>) -> bool {
    AssertUnwindSafe(future).catch_unwind().await.is_err()
}
