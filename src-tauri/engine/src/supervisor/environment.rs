//! What happened to this computer, passed on to every link. What it means for a link the link decides.

use std::time::Duration;

use jiff::SignedDuration;

use super::links::now_ms;
use super::run::Run;
use super::writes::Write;
use crate::driver::{Command, ConnectionId};
use crate::environment::EnvironmentEvent;

impl Run {
    /// Tells every link once.
    pub(super) fn environment_changed(&mut self, event: EnvironmentEvent) {
        tracing::info!("{}", words(event));
        let command = || match event {
            EnvironmentEvent::Resumed(slept) => Command::Resumed(slept),
            EnvironmentEvent::NetworkChanged => Command::NetworkChanged,
        };
        let links: Vec<ConnectionId> = self.state.links.keys().copied().collect();
        for id in links {
            self.command(id, command());
        }
        if let EnvironmentEvent::Resumed(slept) = event {
            for link in self.state.links.values_mut() {
                let Some((asleep_ms, goes_on)) = link.slept(slept, now_ms()) else { continue };
                self.writes.push(Write::EndSpan(goes_on.connection.clone(), asleep_ms));
                self.writes.push(Write::BeginSpan(goes_on));
            }
            self.state.dirty = true;
        }
    }
}

fn words(event: EnvironmentEvent) -> String {
    match event {
        EnvironmentEvent::Resumed(Duration::ZERO) => "this computer woke".to_owned(),
        EnvironmentEvent::Resumed(slept) => {
            let seconds = SignedDuration::from_secs(i64::try_from(slept.as_secs().max(1)).unwrap_or(i64::MAX));
            format!("this computer woke after {seconds:#} asleep")
        }
        EnvironmentEvent::NetworkChanged => "the network of this computer changed".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_says_how_long_the_sleep_was() {
        let said = |slept: Duration| words(EnvironmentEvent::Resumed(slept));
        assert_eq!(said(Duration::from_millis(7_380_900)), "this computer woke after 2h 3m asleep");
        assert_eq!(said(Duration::from_millis(100)), "this computer woke after 1s asleep");
        assert_eq!(said(Duration::ZERO), "this computer woke");
    }
}
