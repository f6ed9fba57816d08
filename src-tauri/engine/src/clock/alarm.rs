//! One timer of the system for all links that share a clock. It fires once for each deadline, where tokio's wheel looks
//! at a long one in up to three steps and wakes the processor for each; and it counts the time this computer sleeps, so
//! that what fell due during a sleep is looked at when it ends.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use rustix::time::{
    ClockId, Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, clock_gettime, timerfd_create,
    timerfd_settime,
};
use tokio::io::unix::AsyncFd;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use crate::readable::readable;

/// When on `CLOCK_BOOTTIME`, and which of those that are due then.
type Key = (Duration, u64);

/// The timer; it lives as long as anybody who may be waiting for it.
#[derive(Debug)]
pub struct Alarm {
    timer: Arc<AsyncFd<OwnedFd>>,
    due: Arc<Mutex<Due>>,
    ringer: AbortHandle,
}

#[derive(Debug, Default)]
struct Due {
    waiting: BTreeMap<Key, Waker>,
    /// What the timer is set for.
    set: Option<Duration>,
    last: u64,
}

/// A place in the queue of an alarm. It holds at most one deadline.
#[derive(Debug)]
pub struct Ticket {
    alarm: Arc<Alarm>,
    key: Option<Key>,
}

impl Alarm {
    /// To be called in a runtime of tokio.
    ///
    /// # Errors
    /// The system has no such timer to give.
    pub fn new() -> io::Result<Self> {
        let timer = timerfd_create(TimerfdClockId::Boottime, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
        let timer = Arc::new(readable(timer)?);
        let due = Arc::default();
        let ringer = tokio::spawn(ring(Arc::clone(&timer), Arc::clone(&due))).abort_handle();
        Ok(Self { timer, due, ringer })
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        self.ringer.abort();
    }
}

impl Ticket {
    pub fn new(alarm: Arc<Alarm>) -> Self {
        Self { alarm, key: None }
    }

    /// Takes another deadline than before.
    pub fn set(&mut self, at: Instant) {
        self.clear();
        let at = now() + at.saturating_duration_since(Instant::now());
        let due = &mut *lock(&self.alarm.due);
        due.last += 1;
        let key = (at, due.last);
        // Whoever polls next says whom to wake.
        due.waiting.insert(key, Waker::noop().clone());
        self.key = Some(key);
        due.arm(&self.alarm.timer);
    }

    /// Ready once, when the deadline has passed.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(key) = self.key else { return Poll::Ready(()) };
        if let Some(waker) = lock(&self.alarm.due).waiting.get_mut(&key) {
            waker.clone_from(cx.waker());
            return Poll::Pending;
        }
        self.key = None;
        Poll::Ready(())
    }

    fn clear(&mut self) {
        if let Some(key) = self.key.take() {
            let due = &mut *lock(&self.alarm.due);
            due.waiting.remove(&key);
            due.arm(&self.alarm.timer);
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.clear();
    }
}

impl Due {
    /// Sets the timer for the first deadline, if it is not set for that already.
    fn arm(&mut self, timer: &AsyncFd<OwnedFd>) {
        let first = self.waiting.first_key_value().map(|((at, _), _)| *at);
        if self.set == first {
            return;
        }
        self.set = first;
        // All zero means never; a deadline at the boot of the computer is long past.
        let at = first.map_or(Duration::ZERO, |at| at.max(Duration::from_nanos(1)));
        let it_value =
            Timespec { tv_sec: i64::try_from(at.as_secs()).unwrap_or(i64::MAX), tv_nsec: at.subsec_nanos().into() };
        let spec = Itimerspec { it_interval: Timespec::default(), it_value };
        if let Err(error) = timerfd_settime(timer.get_ref(), TimerfdTimerFlags::ABSTIME, &spec) {
            // It only fails for times that are none and descriptors that are none.
            tracing::error!(%error, "the timer of the links could not be set");
        }
    }

    /// Takes out everybody whose deadline has passed.
    fn passed(&mut self) -> Vec<Waker> {
        let now = now();
        let mut passed = Vec::new();
        while let Some(first) = self.waiting.first_entry().filter(|first| first.key().0 <= now) {
            passed.push(first.remove());
        }
        passed
    }
}

/// Wakes whoever is due, each time the timer fires.
async fn ring(timer: Arc<AsyncFd<OwnedFd>>, due: Arc<Mutex<Due>>) {
    loop {
        let mut ready = match timer.readable().await {
            Ok(ready) => ready,
            // Only when the runtime ends.
            Err(error) => return tracing::debug!(%error, "the timer of the links has ended"),
        };
        let mut expirations = [0; 8];
        let read = ready.try_io(|timer| Ok(rustix::io::read(timer.get_ref(), &mut expirations)?));
        if let Ok(Err(error)) = read {
            tracing::debug!(%error, "the timer of the links could not be read");
        }
        let passed = {
            let due = &mut *lock(&due);
            due.set = None;
            let passed = due.passed();
            due.arm(&timer);
            passed
        };
        passed.into_iter().for_each(Waker::wake);
    }
}

fn lock(due: &Mutex<Due>) -> std::sync::MutexGuard<'_, Due> {
    // Nothing in here panics halfway through a change.
    due.lock().unwrap_or_else(PoisonError::into_inner)
}

fn now() -> Duration {
    let time = clock_gettime(ClockId::Boottime);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::time::timeout;

    use super::*;

    const AGES: Duration = Duration::from_secs(10);
    const HOUR: Duration = Duration::from_secs(3600);

    async fn fires(ticket: &mut Ticket) {
        timeout(AGES, poll_fn(|cx| ticket.poll(cx))).await.expect("it never fires");
    }

    #[tokio::test]
    async fn it_fires_at_the_deadline_and_never_before() {
        let alarm = Arc::new(Alarm::new().unwrap());
        let mut ticket = Ticket::new(Arc::clone(&alarm));
        for wait in [0, 1, 30, 120].map(Duration::from_millis) {
            let at = Instant::now() + wait;
            ticket.set(at);
            fires(&mut ticket).await;
            // Two clocks are read one after the other.
            assert!(Instant::now() + Duration::from_millis(1) >= at, "{wait:?}");
        }
        assert!(lock(&alarm.due).waiting.is_empty());
    }

    #[tokio::test]
    async fn each_has_its_own_deadline_in_whatever_order_they_are_set() {
        let alarm = Arc::new(Alarm::new().unwrap());
        let began = Instant::now();
        let waits = [300, 50, 200, 50, 100].map(Duration::from_millis);
        let mut tickets: Vec<Ticket> = waits.iter().map(|_| Ticket::new(Arc::clone(&alarm))).collect();
        for (ticket, wait) in tickets.iter_mut().zip(waits) {
            ticket.set(began + wait);
        }
        let mut order = Vec::new();
        while order.len() < waits.len() {
            timeout(
                AGES,
                poll_fn(|cx| {
                    let before = order.len();
                    for (ticket, wait) in tickets.iter_mut().zip(waits) {
                        if ticket.key.is_some() && ticket.poll(cx).is_ready() {
                            order.push(wait);
                        }
                    }
                    if order.len() > before { Poll::Ready(()) } else { Poll::Pending }
                }),
            )
            .await
            .expect("nothing fires");
        }
        assert!(order.is_sorted(), "{order:?}");
        assert!(began.elapsed() + Duration::from_millis(1) >= waits[0]);
    }

    #[tokio::test]
    async fn a_deadline_that_is_put_off_or_given_up_rings_for_nobody() {
        let alarm = Arc::new(Alarm::new().unwrap());
        let soon = || Instant::now() + Duration::from_millis(20);
        let (mut put_off, mut given_up, mut other) =
            (Ticket::new(Arc::clone(&alarm)), Ticket::new(Arc::clone(&alarm)), Ticket::new(Arc::clone(&alarm)));
        put_off.set(soon());
        given_up.set(soon());
        put_off.set(Instant::now() + HOUR);
        drop(given_up);
        assert_eq!(lock(&alarm.due).waiting.len(), 1);
        other.set(Instant::now() + Duration::from_millis(60));
        fires(&mut other).await;
        assert!(poll_fn(|cx| Poll::Ready(put_off.poll(cx))).await.is_pending());
        let due = lock(&alarm.due);
        assert_eq!(due.set, due.waiting.keys().next().map(|(at, _)| *at), "it is set for what is left");
    }

    #[tokio::test]
    async fn nobody_is_left_when_the_last_ticket_is_gone() {
        let alarm = Arc::new(Alarm::new().unwrap());
        let (due, ringer) = (Arc::downgrade(&alarm.due), alarm.ringer.clone());
        let mut ticket = Ticket::new(alarm);
        ticket.set(Instant::now() + HOUR);
        drop(ticket);
        timeout(AGES, async {
            while !ringer.is_finished() {
                tokio::task::yield_now().await;
            }
        })
        .await
        .expect("its task goes on");
        assert!(due.upgrade().is_none());
    }
}
