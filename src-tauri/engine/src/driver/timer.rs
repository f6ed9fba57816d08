//! One timer a link, armed again only when the next deadline is earlier than it, or much later, or when it has fired: a
//! link that hears a thousand messages a second does not move a timer a thousand times a second, and an idle one is not
//! woken for a deadline that an answer has put off.

use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::Instant;

use crate::clock::{self, Clock};

/// By how much a deadline must be later for the timer to be armed again, so that a busy link moves it about once in this
/// time. A timer that fires in vain wakes the processor for nothing.
const LATER: Duration = Duration::from_secs(1);

pub(super) struct Timer {
    timer: clock::Timer,
    armed: Option<Instant>,
}

impl Timer {
    pub(super) fn new(clock: &Clock) -> Self {
        Self { timer: clock.timer(), armed: None }
    }

    /// True: it fired; look at the deadlines again, for it may be earlier than they are. False: the task will be woken.
    pub(super) fn poll_fired(&mut self, deadline: Option<Instant>, cx: &mut Context<'_>) -> bool {
        let Some(deadline) = deadline else { return false };
        if self.armed.is_none_or(|armed| deadline < armed || deadline >= armed + LATER) {
            self.timer.set(deadline);
            self.armed = Some(deadline);
        }
        match self.timer.poll(cx) {
            Poll::Ready(()) => {
                self.armed = None;
                true
            }
            Poll::Pending => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::time::{advance, timeout};

    use super::*;

    /// Asks for the first deadline, then for the second, and gives the time after which the task is woken.
    async fn woken_after(first: Duration, second: Duration) -> Duration {
        let begun = Instant::now();
        let mut timer = Timer::new(&Clock::system());
        let fired = poll_fn(|cx| {
            assert!(!timer.poll_fired(Some(begun + first), cx));
            Poll::Ready(timer.poll_fired(Some(begun + second), cx))
        });
        assert!(!fired.await);
        let woken = poll_fn(|cx| if timer.timer.poll(cx).is_ready() { Poll::Ready(()) } else { Poll::Pending });
        timeout(first + second, woken).await.expect("it never fires");
        begun.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn an_earlier_deadline_and_one_that_is_much_later_move_it_and_others_do_not() {
        let seconds = Duration::from_secs;
        let check = async |first, second, expected| assert_eq!(woken_after(first, second).await, expected);
        check(seconds(10), seconds(5), seconds(5)).await;
        check(seconds(10), seconds(30), seconds(30)).await;
        check(seconds(10), seconds(11), seconds(11)).await;
        check(seconds(10), Duration::from_millis(10_999), seconds(10)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn after_it_fired_it_is_armed_for_what_comes_next() {
        let mut timer = Timer::new(&Clock::system());
        let at = Instant::now() + Duration::from_secs(1);
        assert!(!poll_fn(|cx| Poll::Ready(timer.poll_fired(Some(at), cx))).await);
        advance(Duration::from_secs(2)).await;
        assert!(poll_fn(|cx| Poll::Ready(timer.poll_fired(Some(at), cx))).await);
        let next = Instant::now() + Duration::from_millis(1);
        assert!(!poll_fn(|cx| Poll::Ready(timer.poll_fired(Some(next), cx))).await);
        assert!(!poll_fn(|cx| Poll::Ready(timer.poll_fired(None, cx))).await, "no deadline, nothing fires");
    }
}
