//! A timer that the kernel cancels when the wall clock is set or jumps over a sleep. It never expires, so that it costs
//! no wakeup. Kernels do this at every resume since they know `TFD_TIMER_CANCEL_ON_SET`, 3.0 (`timerfd_create(2)`;
//! `timerfd_resume` in `fs/timerfd.c` since 5.15, before that by way of `clock_was_set`); a kernel that can do less
//! refuses to arm it.

use std::io;
use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};
use tokio::io::unix::AsyncFd;

use crate::environment::watch::{Hint, Lost, Watch};
use crate::readable::readable;

/// Sees the clock of the wall being set.
#[derive(Debug)]
pub struct ClockSet {
    timer: AsyncFd<OwnedFd>,
}

impl Watch for ClockSet {
    const SOURCE: &'static str = "the system's clock";
    const MISSED: Hint = Hint::LookAtClock;
    type Of = ();

    async fn open((): ()) -> Result<Self, Lost> {
        let open = || {
            let timer = timerfd_create(TimerfdClockId::Realtime, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
            arm(&timer)?;
            Ok::<_, io::Error>(Self { timer: readable(timer)? })
        };
        open().map_err(Lost::because)
    }

    async fn next(&mut self) -> Result<Hint, Lost> {
        loop {
            let mut ready = self.timer.readable().await.map_err(Lost::because)?;
            let mut expirations = [0; 8];
            match ready.try_io(|timer| Ok(rustix::io::read(timer.get_ref(), &mut expirations)?)) {
                // Not ready after all.
                Err(_) => {}
                // It expires at the end of time.
                Ok(Ok(_)) => return Ok(Hint::LookAtClock),
                Ok(Err(error)) if Errno::from_io_error(&error) == Some(Errno::CANCELED) => {
                    arm(self.timer.get_ref()).map_err(Lost::because)?;
                    return Ok(Hint::LookAtClock);
                }
                Ok(Err(error)) => return Err(Lost::because(error)),
            }
        }
    }
}

/// Arms it for the end of time.
fn arm(timer: &OwnedFd) -> io::Result<()> {
    let flags = TimerfdTimerFlags::ABSTIME | TimerfdTimerFlags::CANCEL_ON_SET;
    let end = Timespec { tv_sec: i64::MAX, tv_nsec: 0 };
    match timerfd_settime(timer, flags, &Itimerspec { it_interval: Timespec::default(), it_value: end }) {
        // Set again meanwhile: it is armed all the same, and whoever arms it looks at the clock after this.
        Ok(_) | Err(Errno::CANCELED) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Nobody sets this computer's clock for a test; that the kernel takes the timer and keeps still is what is left.
    #[tokio::test]
    async fn the_kernel_takes_the_timer_and_says_nothing_while_nobody_sets_the_clock() {
        let mut watch = ClockSet::open(()).await.unwrap();
        let seen = tokio::time::timeout(Duration::from_millis(200), watch.next()).await;
        assert!(seen.is_err(), "{seen:?}");
        let armed = rustix::time::timerfd_gettime(watch.timer.get_ref()).unwrap();
        assert!(armed.it_value.tv_sec > 100 * 365 * 86_400, "it is armed for longer than anybody runs it: {armed:?}");
    }
}
