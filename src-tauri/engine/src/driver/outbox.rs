//! What waits for the consumer. Its channel is bounded and it may be slow: then this holds one batch of what came, the
//! newest of everything else, and no more, and the socket is not read until the batch is gone.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::sync::mpsc::error::{SendError, TrySendError};
use tokio::sync::mpsc::{OwnedPermit, Sender};

use heartwire_core::dialect::Item;

use super::{ConnectionId, DriverEvent, DriverEventKind};

/// More events than this wait only for a consumer that has been stuck through many reconnects; the oldest states go.
const LONGEST: usize = 64;

type Reserving = Pin<Box<dyn Future<Output = Result<OwnedPermit<DriverEvent>, SendError<()>>> + Send>>;

pub(super) struct Outbox {
    id: ConnectionId,
    events: Sender<DriverEvent>,
    waiting: VecDeque<DriverEventKind>,
    reserving: Option<Reserving>,
    gone: bool,
}

impl Outbox {
    pub(super) fn new(id: ConnectionId, events: Sender<DriverEvent>) -> Self {
        Self { id, events, waiting: VecDeque::new(), reserving: None, gone: false }
    }

    pub(super) fn push(&mut self, kind: DriverEventKind) {
        if self.gone {
            return;
        }
        if self.waiting.len() >= LONGEST
            && let Some(oldest) = self.waiting.iter().position(|kind| !matches!(kind, DriverEventKind::Received(..)))
        {
            self.waiting.remove(oldest);
        }
        self.waiting.push_back(kind);
    }

    /// Whether the consumer has not yet taken the last batch of what came.
    pub(super) fn holds_items(&self) -> bool {
        self.waiting.iter().any(|kind| matches!(kind, DriverEventKind::Received(..)))
    }

    /// How many messages the consumer has not yet taken.
    pub(super) fn messages(&self) -> usize {
        let messages = |kind: &DriverEventKind| match kind {
            DriverEventKind::Received(_, items) => items.iter().filter(|item| matches!(item, Item::Message(_))).count(),
            DriverEventKind::Status(..)
            | DriverEventKind::RoundTrip(_)
            | DriverEventKind::ResumeDropped(_)
            | DriverEventKind::FetchFailed(_) => 0,
        };
        self.waiting.iter().map(messages).sum()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Nobody will ever take anything again.
    pub(super) fn is_gone(&self) -> bool {
        self.gone
    }

    /// Hands over what the consumer has room for. The task is woken when it has room for more.
    pub(super) fn poll_send(&mut self, cx: &mut Context<'_>) {
        while let Some(kind) = self.waiting.pop_front() {
            let event = DriverEvent { id: self.id, kind };
            let refused = match &mut self.reserving {
                None => match self.events.try_send(event) {
                    Ok(()) => continue,
                    Err(TrySendError::Closed(_)) => return self.close(),
                    Err(TrySendError::Full(event)) => event,
                },
                Some(reserving) => match reserving.as_mut().poll(cx) {
                    Poll::Pending => return self.waiting.push_front(event.kind),
                    Poll::Ready(Err(_)) => return self.close(),
                    Poll::Ready(Ok(permit)) => {
                        permit.send(event);
                        self.reserving = None;
                        continue;
                    }
                },
            };
            self.waiting.push_front(refused.kind);
            self.reserving = Some(Box::pin(self.events.clone().reserve_owned()));
        }
        // An idle link keeps no room for what it may say one day.
        self.waiting = VecDeque::new();
    }

    fn close(&mut self) {
        self.gone = true;
        self.waiting.clear();
        // It has completed, and a future that has must not be polled again.
        self.reserving = None;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::task::noop_waker_ref;
    use tokio::sync::mpsc;

    use heartwire_core::link::Generation;

    use super::*;

    fn trip(number: u64) -> DriverEventKind {
        DriverEventKind::RoundTrip(Duration::from_secs(number))
    }

    #[test]
    fn a_stuck_consumer_costs_a_bounded_amount_and_no_message() {
        let (events, mut consumer) = mpsc::channel(1);
        let mut outbox = Outbox::new(ConnectionId(1), events);
        let cx = &mut Context::from_waker(noop_waker_ref());
        outbox.push(trip(0));
        outbox.push(DriverEventKind::Received(Generation(1), Vec::new()));
        for number in 1..1_000 {
            outbox.push(trip(number));
            outbox.poll_send(cx);
        }
        assert!(outbox.holds_items());
        assert_eq!(outbox.waiting.len(), LONGEST);

        let mut taken = Vec::new();
        while !outbox.is_empty() {
            outbox.poll_send(cx);
            taken.extend(consumer.try_recv().map(|event| event.kind));
        }
        taken.extend(consumer.try_recv().map(|event| event.kind));
        assert_eq!(taken[..2], [trip(0), DriverEventKind::Received(Generation(1), Vec::new())]);
        assert_eq!(taken.last(), Some(&trip(999)), "the newest is never the one that goes");
        assert_eq!(taken.len(), LONGEST + 1);

        drop(consumer);
        outbox.push(trip(0));
        outbox.poll_send(cx);
        assert!(outbox.is_gone() && outbox.is_empty());
    }

    #[test]
    fn a_consumer_that_leaves_while_it_is_waited_for_ends_the_sending() {
        let (events, consumer) = mpsc::channel(1);
        let mut outbox = Outbox::new(ConnectionId(1), events);
        let cx = &mut Context::from_waker(noop_waker_ref());
        outbox.push(trip(0));
        outbox.push(trip(1));
        outbox.poll_send(cx);
        assert!(outbox.reserving.is_some() && !outbox.is_gone());
        drop(consumer);
        for number in 2..5 {
            outbox.push(trip(number));
            outbox.poll_send(cx);
            assert!(outbox.is_gone() && outbox.is_empty() && !outbox.holds_items());
        }
    }
}
