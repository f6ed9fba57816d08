//! Every dialect against hostile servers: sessions of mutated and arbitrary frames, answers and cursors from seeds, and large
//! inputs. After each input it is checked that nothing panicked, and that time, memory and what was said are within bounds.
//!
//! The seeds are the dialect's conversation in `corpus`; a new dialect needs a file there and no line here. A session depends
//! on nothing but its seed, so that what is found is seen again with `--seed`.

mod clock;
mod corpus;
mod hostile;
mod large;
mod rules;
mod session;
mod socket;

use std::fmt;
use std::time::{Duration, Instant};

use heartwire_core::dialect::Spec;

pub use corpus::Subject;
pub use large::Large;
pub use rules::{FEW_BYTES, memory_max};
pub use socket::Event;
use socket::{Cost, Socket};

/// How long an input that never ends is waited for.
const PATIENCE: Duration = Duration::from_secs(20);

/// What was seen of a dialect.
#[derive(Clone, Copy, Debug, Default)]
pub struct Seen {
    /// Inputs that were mutated, arbitrary or out of order; good ones before them are not counted.
    pub inputs: u64,
    /// How many sessions they were in.
    pub sessions: u64,
    /// How many sockets those had.
    pub sockets: u64,
    /// How many of the sockets came to be ready.
    pub ready: u64,
    /// How many messages were made of all that.
    pub messages: u64,
    /// The most of the processor's time that one input took.
    pub longest: Duration,
    /// The most memory that one input took while it was read, in bytes.
    pub memory: usize,
    /// The most memory that one input took, as a multiple of its length; of inputs of at least [`FEW_BYTES`].
    pub factor: f64,
    /// The processor's time for all of it, that of making the inputs too.
    pub time: Duration,
}

impl Seen {
    fn input(&mut self, bytes: usize, cost: Cost) {
        self.longest = self.longest.max(cost.time);
        self.memory = self.memory.max(cost.memory);
        if bytes >= FEW_BYTES {
            #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
            let factor = cost.memory as f64 / bytes as f64;
            self.factor = self.factor.max(factor);
        }
    }

    fn socket(&mut self, socket: &Socket<'_>) {
        self.sockets += 1;
        self.ready += u64::from(socket.is_ready());
        self.messages += socket.messages();
    }
}

/// A rule that was broken.
#[derive(Clone, Debug)]
pub struct Found {
    /// The dialect.
    pub dialect: &'static str,
    /// What it was found in; of a session, how to see it again.
    pub session: String,
    /// What is wrong.
    pub wrong: String,
    /// What happened on the socket, the last being the input that broke it.
    pub events: Vec<String>,
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}, {}: {}", self.dialect, self.session, self.wrong)?;
        self.events.iter().try_for_each(|event| writeln!(f, "  {event}"))
    }
}

/// Sessions of the seeds from `seed` on, until there were so many inputs.
pub fn sessions(spec: &'static Spec, seed: u64, inputs: u64) -> Result<Seen, Found> {
    let subject = Subject::of(spec).map_err(|wrong| unusable(spec, wrong))?;
    let started = clock::now();
    let mut sum = Seen::default();
    for seed in seed.. {
        if sum.inputs >= inputs {
            break;
        }
        session::run(&subject, seed, &mut sum)?;
        sum.sessions += 1;
    }
    sum.time = clock::now().saturating_sub(started);
    Ok(sum)
}

/// The large inputs, at every place of the conversation.
pub fn large(spec: &'static Spec, which: Large) -> Result<Seen, Found> {
    let subject = Subject::of(spec).map_err(|wrong| unusable(spec, wrong))?;
    let started = clock::now();
    let mut sum = Seen::default();
    large::run(&subject, which, &mut sum)?;
    sum.time = clock::now().saturating_sub(started);
    Ok(sum)
}

/// The conversation itself, which must come to its end with a message; else its mutations would show little.
pub fn conversation(spec: &'static Spec) -> Result<Seen, Found> {
    let subject = Subject::of(spec).map_err(|wrong| unusable(spec, wrong))?;
    let mut sum = Seen::default();
    session::talk(&subject, &mut sum)?;
    Ok(sum)
}

fn unusable(spec: &Spec, wrong: String) -> Found {
    Found { dialect: spec.name, session: "the corpus".to_owned(), wrong, events: Vec::new() }
}

/// Ends the process when an input never ends; `told` is given the words.
pub fn watch(told: fn(&str)) {
    std::thread::spawn(move || {
        let mut last = (0, Instant::now());
        loop {
            std::thread::sleep(Duration::from_secs(1));
            let (inputs, seed) = session::progress();
            if inputs != last.0 {
                last = (inputs, Instant::now());
            } else if inputs % 2 == 1 && last.1.elapsed() > PATIENCE {
                told(&format!("an input of the session with the seed {seed} takes more than {PATIENCE:?}: it hangs"));
                std::process::exit(1);
            }
        }
    });
}
