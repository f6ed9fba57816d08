//! What the person sends while there is no socket (27).

use std::collections::VecDeque;
use std::time::Duration;

use heartwire_core::time::Moment;
use heartwire_core::view::LinkState;

use super::{SLACK, Verdict, broken};
use crate::trace::TextId;

/// How much is kept.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// So many texts.
    pub count: usize,
    /// For so long.
    pub age: Duration,
}

/// The texts whose fate is open, in the order in which they were given.
#[derive(Clone, Debug, Default)]
pub(super) struct Texts {
    open: VecDeque<(TextId, Moment)>,
}

impl Texts {
    pub(super) fn asked(&mut self, id: TextId, now: Moment) {
        self.open.push_back((id, now));
    }

    pub(super) fn sent(&mut self, id: TextId, now: Moment, bounds: &Bounds) -> Verdict {
        match self.open.pop_front() {
            Some((first, since)) if first == id => {
                let age = now.since(since);
                if age > bounds.age + SLACK { broken(27, format!("text {id} is sent after {age:?}")) } else { Ok(()) }
            }
            _ => broken(27, format!("text {id} is sent out of turn, twice, or after it was refused")),
        }
    }

    pub(super) fn refused(&mut self, id: TextId, now: Moment, state: LinkState, bounds: &Bounds) -> Verdict {
        let Some(at) = self.open.iter().position(|(open, _)| *open == id) else {
            return broken(27, format!("text {id} is refused and was not open"));
        };
        let since = self.open.remove(at).map_or(now, |(_, since)| since);
        let room = self.open.len() < bounds.count && now.since(since) < bounds.age;
        if state == LinkState::Connected && room {
            return broken(27, format!("text {id} is refused although the link is up"));
        }
        Ok(())
    }

    pub(super) fn check(&self, now: Moment, state: LinkState, bounds: &Bounds) -> Verdict {
        let Some((id, since)) = self.open.front() else { return Ok(()) };
        match state {
            LinkState::Connecting | LinkState::Waiting => {
                let (count, age) = (self.open.len(), now.since(*since));
                if count > bounds.count || age > bounds.age + SLACK {
                    return broken(27, format!("{count} texts are kept, the oldest for {age:?}"));
                }
                Ok(())
            }
            LinkState::Connected | LinkState::Blocked | LinkState::Paused | LinkState::Stopped => {
                broken(27, format!("text {id} is neither sent nor refused while the link is {state:?}"))
            }
        }
    }
}
