//! A slow tick for systems whose sleep and wake nobody here can be told of. The links' own clocks find out too, at their
//! next heartbeat.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::watch::{Hint, Lost, Watch};

/// Seldom enough for a battery.
const EVERY: Duration = Duration::from_secs(60);

/// Tells how late it is.
#[derive(Debug)]
pub struct Tick {
    due: Instant,
}

impl Watch for Tick {
    const SOURCE: &'static str = "the clock";
    const MISSED: Hint = Hint::LookAtClock;
    type Of = ();

    async fn open((): ()) -> Result<Self, Lost> {
        Ok(Self { due: Instant::now() + EVERY })
    }

    async fn next(&mut self) -> Result<Hint, Lost> {
        sleep_until(self.due).await;
        let late = self.due.elapsed();
        self.due = Instant::now() + EVERY;
        Ok(Hint::Ticked(late))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_tells_how_late_it_is_and_begins_anew() {
        let mut tick = Tick::open(()).await.unwrap();
        let began = Instant::now();
        let Ok(Hint::Ticked(late)) = tick.next().await else { panic!("no tick") };
        assert!(late < Duration::from_millis(10), "{late:?}");
        tokio::time::advance(3 * EVERY).await;
        assert_eq!(tick.next().await.unwrap(), Hint::Ticked(2 * EVERY));
        let _ = tick.next().await.unwrap();
        assert!((Instant::now() - began).abs_diff(5 * EVERY) < Duration::from_millis(10));
    }
}
