//! What happens to one connection on its way through the proxy.

use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

/// In which direction bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// From the client to the server.
    Up,
    /// From the server to the client.
    Down,
}

/// A fault and its place: after so many bytes of this way, so that time decides nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    pub way: Way,
    pub at: usize,
    pub kind: Kind,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// From here on at most `size` bytes at once, each piece after a pause.
    Pieces { size: usize, pause: Duration },
    /// Nothing more passes this way, for a time or for ever; nor the other way, if `both`. Nobody is told.
    Stall { lasting: Option<Duration>, both: bool },
    /// Both sides are reset.
    Reset,
    /// The receiver is told that this was the end (FIN). The other way stays open.
    HalfClose,
    /// Both sides are told that this was the end.
    Close,
    /// These bytes instead of everything that would follow.
    Garbage(Vec<u8>),
}

/// All that happens to one connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Course {
    pub faults: Vec<Fault>,
    /// After it was accepted nobody listens for this long: dials are refused.
    pub then_away: Option<Duration>,
}

impl From<Fault> for Course {
    fn from(fault: Fault) -> Self {
        Self { faults: vec![fault], then_away: None }
    }
}

impl Course {
    /// One fault.
    pub fn one(way: Way, at: usize, kind: Kind) -> Self {
        Fault { way, at, kind }.into()
    }

    /// What happens to the `number`th connection of a run: the seed decides, and nothing else.
    pub fn drawn(seed: u64, number: usize) -> Self {
        let mut rng = SmallRng::seed_from_u64(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ number as u64);
        let mut faults = Vec::new();
        if rng.random_bool(0.5) {
            let way = way(&mut rng);
            faults.push(Fault { way, at: place(way, &mut rng), kind: slowness(&mut rng) });
        }
        if rng.random_bool(0.3) {
            let way = way(&mut rng);
            let lasting = Some(Duration::from_millis(rng.random_range(10..600)));
            let kind = Kind::Stall { lasting, both: rng.random_bool(0.5) };
            faults.push(Fault { way, at: place(way, &mut rng), kind });
        }
        if rng.random_bool(0.95) {
            faults.push(ending(&mut rng));
        }
        faults.sort_by_key(|fault| fault.at);
        let then_away = rng.random_bool(0.1).then(|| Duration::from_millis(rng.random_range(50..800)));
        Self { faults, then_away }
    }

    /// The faults of one way, in order.
    pub(super) fn of(&self, way: Way) -> Vec<Fault> {
        self.faults.iter().filter(|fault| fault.way == way).cloned().collect()
    }
}

fn way(rng: &mut SmallRng) -> Way {
    if rng.random_bool(0.5) { Way::Up } else { Way::Down }
}

/// At the very beginning, in the handshake, or some frames later; a client says less than a server.
fn place(way: Way, rng: &mut SmallRng) -> usize {
    match (rng.random_range(0..6), way) {
        (0, _) => 0,
        (1, _) => rng.random_range(1..200),
        (_, Way::Up) => rng.random_range(150..250),
        (_, Way::Down) => rng.random_range(125..600),
    }
}

fn slowness(rng: &mut SmallRng) -> Kind {
    let (size, longest) = match rng.random_range(0..3) {
        0 => (1, 2),
        1 => (rng.random_range(2..9), 8),
        _ => (usize::MAX, 80),
    };
    Kind::Pieces { size, pause: Duration::from_millis(rng.random_range(0..=longest)) }
}

fn ending(rng: &mut SmallRng) -> Fault {
    let way = if rng.random_bool(0.3) { Way::Up } else { Way::Down };
    let at = place(way, rng);
    let kind = match rng.random_range(0..7) {
        0 | 1 => Kind::Reset,
        2 => Kind::HalfClose,
        3 => Kind::Close,
        4 | 5 => Kind::Stall { lasting: None, both: rng.random_bool(0.5) },
        _ => {
            // In the middle of a frame it would be a message that nobody sent, which TCP does not do.
            let garbage = (0..rng.random_range(1..300)).map(|_| rng.random()).collect();
            return Fault { way: Way::Down, at: 0, kind: Kind::Garbage(garbage) };
        }
    };
    Fault { way, at, kind }
}
