//! The server that the herd meets: away at first, then it accepts as fast as it can.

use std::time::Duration;

use super::clients::Herd;
use super::{ACCEPTS, AWAY, LISTEN_QUEUE, Outcome, PATIENCE};

/// The longest wait that is planned, in milliseconds; no recipe waits longer.
const HORIZON: u32 = 1 << 17;

/// Refuses everyone while it is away. Then it takes so many a millisecond; some more wait in its listen queue, and a dial
/// that finds that full is refused at once.
#[derive(Clone, Copy, Debug)]
pub(super) struct Server {
    /// In thousandths of a connection; none: no limit.
    room: Option<u64>,
}

impl Server {
    pub(super) fn new(accepts: Option<u32>) -> Self {
        Self { room: accepts.map(|_| u64::from(LISTEN_QUEUE) * 1_000) }
    }

    fn a_millisecond_passes(&mut self) {
        if let Some(room) = &mut self.room {
            *room = (*room + u64::from(ACCEPTS)).min(u64::from(LISTEN_QUEUE) * 1_000);
        }
    }

    fn accepts(&mut self) -> bool {
        match &mut self.room {
            None => true,
            Some(room) if *room >= 1_000 => {
                *room -= 1_000;
                true
            }
            Some(_) => false,
        }
    }
}

/// The dials of the near future: one list a millisecond, used again when its time is over.
struct Calendar {
    dials: Vec<Vec<u32>>,
}

impl Calendar {
    fn plan(&mut self, now: u32, after: u32, client: u32) {
        self.dials[slot(now + after.clamp(1, HORIZON - 1))].push(client);
    }
}

const fn slot(at: u32) -> usize {
    (at % HORIZON) as usize
}

/// All clients lose their connections at 0 and dial until they are back.
pub(super) fn meet(herd: &Herd<'_>, mut server: Server, accepts: Option<u32>) -> Outcome {
    let clients = herd.size();
    let mut dice = herd.dice();
    let mut failures = vec![0_usize; clients as usize];
    let mut calendar = Calendar { dials: vec![Vec::new(); HORIZON as usize] };
    for client in 0..clients {
        // The loss is heard after one way, the dial arrives after another.
        let after = 2 * herd.one_way(client) + herd.wait(client, 0, &mut dice);
        calendar.plan(0, after, client);
    }
    let (away, patience) = (milliseconds(AWAY), milliseconds(PATIENCE));
    let mut outcome = Outcome { recipe: herd.recipe, accepts, dials: Vec::new(), back_ms: [None; 3] };
    let marks = [clients.div_ceil(2), clients - clients / 100, clients];
    let mut back = 0;
    for now in 1..patience {
        if now >= away {
            server.a_millisecond_passes();
        }
        let dials = std::mem::take(&mut calendar.dials[slot(now)]);
        outcome.count(now, dials.len());
        for client in &dials {
            if now >= away && server.accepts() {
                back += 1;
                continue;
            }
            let failed = &mut failures[*client as usize];
            *failed += 1;
            let after = 2 * herd.one_way(*client) + herd.wait(*client, *failed, &mut dice);
            calendar.plan(now, after, *client);
        }
        for (at, mark) in outcome.back_ms.iter_mut().zip(marks) {
            if back >= mark {
                at.get_or_insert(now);
            }
        }
        if back == clients {
            break;
        }
    }
    outcome
}

impl Outcome {
    fn count(&mut self, now: u32, dials: usize) {
        let tenth = (now / 100) as usize;
        if self.dials.len() <= tenth {
            self.dials.resize(tenth + 1, 0);
        }
        self.dials[tenth] += u32::try_from(dials).unwrap_or(u32::MAX);
    }
}

fn milliseconds(duration: Duration) -> u32 {
    u32::try_from(duration.as_millis()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::super::clients::{Recipe, default_connection};
    use super::*;

    fn outcome(recipe: Recipe, clients: u32, accepts: Option<u32>) -> Outcome {
        let connection = default_connection().unwrap();
        meet(&Herd::new(recipe, clients, 3, &connection), Server::new(accepts), accepts)
    }

    #[test]
    fn the_classic_herd_comes_all_at_once_every_three_seconds() {
        let outcome = outcome(Recipe::Classic, 2_000, None);
        assert_eq!(outcome.seconds().take(6).collect::<Vec<_>>(), [0, 0, 0, 2_000, 0, 0]);
        assert_eq!(outcome.peak_away(), 2_000);
        // The server is back at 20 s, and everybody dials again at 21 s and some trips.
        let all = outcome.back_ms[2].unwrap();
        assert!((21_000..24_000).contains(&all), "{all}");
    }

    #[test]
    fn a_server_with_a_limit_takes_no_more_than_that() {
        let clients = 60_000;
        let limited = outcome(Recipe::Classic, clients, Some(ACCEPTS));
        let free = outcome(Recipe::Classic, clients, None);
        // What waits in the listen queue, and what is taken while the others arrive.
        assert!(limited.back_ms[2] > free.back_ms[2].map(|at| at + 2_000), "{limited:?}");
        assert!(limited.total() > free.total());
    }

    #[test]
    fn nobody_is_accepted_while_the_server_is_away() {
        for recipe in Recipe::ALL {
            let outcome = outcome(recipe, 500, None);
            let half = outcome.back_ms[0].unwrap();
            assert!(half >= milliseconds(AWAY), "{recipe:?}: {half}");
            assert!(outcome.back_ms[2] >= outcome.back_ms[1] && outcome.back_ms[1] >= outcome.back_ms[0]);
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_herd() {
        for recipe in Recipe::ALL {
            assert_eq!(outcome(recipe, 300, Some(ACCEPTS)), outcome(recipe, 300, Some(ACCEPTS)));
        }
    }
}
