//! One trial: the numbers go out at an even pace while Heartwire is killed and started again, and every connection meets
//! its fault.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::Receiver;
use std::thread;
use std::time::{Duration, Instant};

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use xtask::process::{Running, tied};

use crate::child;
use crate::proxy::{Course, Fault, Kind, Proxy, Way};
use crate::verdict;

/// How often a number goes out.
const EACH: Duration = Duration::from_millis(2);
/// How many connections, the sockets and the fetches of the first contact, meet no fault.
const FIRST: usize = 2;
/// How often some go out.
const TICK: Duration = Duration::from_millis(20);
/// How long anything that should happen at once may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(150);
/// How long nothing new comes, without an open gap, when everything is there that will come.
const QUIET: Duration = Duration::from_secs(3);

/// Where a secret is, for a server that wants one.
const TOKEN: &str = "HEARTWIRE_TEST_LOSS_TOKEN";

/// What publishes the numbers.
pub trait Numbers {
    fn port(&self) -> u16;
    /// Publishes `from`, `from + 1`, …, so many.
    fn publish(&mut self, from: u32, count: u32);
}

pub struct Trial {
    pub dialect: &'static str,
    /// Of the address.
    pub path: &'static str,
    /// More keys of the connection, as TOML.
    pub more: &'static str,
    /// Whether the server can send again what was missed.
    pub replays: bool,
    /// Whether messages are stored in the order in which they were sent; else those that were fetched come behind live
    /// ones, and the time that the server gives puts them where they belong.
    pub in_stored_order: bool,
    pub numbers: Box<dyn Numbers>,
}

/// How much, and which faults.
pub struct Size {
    pub messages: u32,
    pub kills: u32,
    pub seed: u64,
}

impl Size {
    fn of_the_run() -> Self {
        let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().expect("a number"));
        let small = |name, otherwise| number(name).map_or(otherwise, |number| u32::try_from(number).unwrap());
        Self {
            messages: small("HEARTWIRE_LOSS_MESSAGES", 4_000),
            kills: small("HEARTWIRE_LOSS_KILLS", 8),
            seed: number("HEARTWIRE_LOSS_SEED").unwrap_or_else(rand::random),
        }
    }
}

pub fn run(name: &str, trial: impl FnOnce() -> Trial) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let _in_it = runtime.enter();
    let size = Size::of_the_run();
    println!("{name}: {} messages, {} kills, HEARTWIRE_LOSS_SEED={}", size.messages, size.kills, size.seed);
    let mut trial = trial();
    let seed = size.seed;
    let proxy = Proxy::start(trial.numbers.port(), move |number| course(seed, number));
    let home = tempfile::tempdir().unwrap();
    write_settings(home.path(), &trial, proxy.port);

    let mut rng = SmallRng::seed_from_u64(size.seed);
    let mut told = Seen::default();
    let mut heartwire = Heartwire::start(name, home.path());
    // The first contact is before the first number: what is older would rightly not be news.
    told.until(&heartwire, "the first contact", |seen| seen.connected > 0);
    thread::sleep(Duration::from_millis(500));

    let begun = Instant::now();
    let mut sent = 0;
    let mut kills = 0;
    let lasting = EACH * size.messages;
    let mut next_kill = Instant::now() + life(&mut rng, lasting, size.kills);
    while sent < size.messages {
        let due = u32::try_from(begun.elapsed().as_millis() / EACH.as_millis()).unwrap().min(size.messages);
        if due > sent {
            trial.numbers.publish(sent + 1, due - sent);
            sent = due;
        }
        if kills < size.kills && Instant::now() >= next_kill {
            heartwire.kill(&mut told);
            kills += 1;
            heartwire = Heartwire::start(name, home.path());
            next_kill = Instant::now() + life(&mut rng, lasting, size.kills);
        }
        told.take(&heartwire);
        thread::sleep(TICK);
    }
    proxy.calm();
    // What was stored and not told before a kill is not seen here; the database has the last word.
    told.until_quiet(&heartwire, size.messages);
    heartwire.end(&mut told);
    let took = begun.elapsed().as_secs();
    let found = verdict::judge(&runtime, home.path(), &trial, &size);
    println!("{name}: {found}; {kills} kills, {} connections, {took} s", proxy.passed().len());
}

/// About as long as is needed for so many kills; some lives end before the first word of the server.
fn life(rng: &mut SmallRng, lasting: Duration, kills: u32) -> Duration {
    let average = lasting.as_secs_f64() / f64::from(kills.max(1)) * 0.8;
    let factor = if rng.random_bool(0.3) { rng.random_range(0.0..0.3) } else { rng.random_range(0.3..2.4) };
    Duration::from_secs_f64(average * factor)
}

/// A quarter breaks early, half somewhere on its way, the rest by the kills alone.
fn course(seed: u64, number: usize) -> Course {
    let mut rng = SmallRng::seed_from_u64(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ number as u64);
    match rng.random_range(0..4) {
        // The first contact: what is older than it would rightly not be news.
        _ if number < FIRST => Course::default(),
        0 => Course::drawn(seed, number),
        1 | 2 => {
            let way = if rng.random_bool(0.2) { Way::Up } else { Way::Down };
            // Each order of magnitude is as likely as the next.
            let at = rng.random_range(512..1024) << rng.random_range(0..if way == Way::Up { 4 } else { 9 });
            let kind = match rng.random_range(0..6) {
                0 | 1 => Kind::Reset,
                2 => Kind::HalfClose,
                3 => Kind::Close,
                4 => Kind::Stall { lasting: None, both: rng.random_bool(0.5) },
                _ => Kind::Stall { lasting: Some(Duration::from_millis(rng.random_range(10..3_000))), both: true },
            };
            Fault { way, at, kind }.into()
        }
        _ => Course::default(),
    }
}

fn write_settings(home: &Path, trial: &Trial, port: u16) {
    let file = child::paths(home).settings_file;
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    let Trial { dialect, path, more, .. } = trial;
    let settings = format!(
        "[general]\nkeep_messages = 1000000\n[[connections]]\nname = \"numbers\"\ndialect = \"{dialect}\"\n\
         url = \"ws://127.0.0.1:{port}{path}\"\n{more}\nconnect_timeout = \"2s\"\n\
         heartbeat = {{ every = \"1s\", timeout = \"1s\" }}\nreconnect = {{ first = \"50ms\", cap = \"250ms\" }}\n"
    );
    std::fs::write(file, settings).unwrap();
}

/// The running child.
struct Heartwire {
    running: Running,
    says: Receiver<String>,
}

impl Heartwire {
    fn start(test: &str, home: &Path) -> Self {
        let mut command: Command = tied(&std::env::current_exe().unwrap().to_string_lossy());
        command.args(["--exact", test, "--nocapture"]).env(child::HOME, home).env(TOKEN, "client-token");
        let mut running = Running::start(command.stdin(Stdio::piped()).stdout(Stdio::piped())).unwrap();
        let says = running.lines();
        Self { running, says }
    }

    fn kill(mut self, seen: &mut Seen) {
        self.running.kill();
        seen.take_all(&self);
    }

    fn end(mut self, seen: &mut Seen) {
        drop(self.running.child().stdin.take());
        self.running.wait(Duration::from_secs(10)).expect("it ends within a second and a half");
        seen.take_all(&self);
    }
}

/// What the children said.
#[derive(Default)]
struct Seen {
    numbers: BTreeSet<u32>,
    connected: u32,
    /// How many gaps of the newest child are open; while it is not connected, very many.
    open: usize,
}

impl Seen {
    fn line(&mut self, line: &str) {
        // Lines end with a full stop: one that the kill cut in two says nothing.
        match line.strip_suffix('.').and_then(|line| line.split_once(' ')) {
            Some(("stored", number)) => drop(self.numbers.insert(number.parse().expect("nobody sent this"))),
            Some(("connected", _)) => self.connected += 1,
            Some(("open", gaps)) => self.open = gaps.parse().expect("a number"),
            _ => {}
        }
    }

    fn take(&mut self, from: &Heartwire) {
        while let Ok(line) = from.says.try_recv() {
            self.line(&line);
        }
    }

    /// All that one that has ended said.
    fn take_all(&mut self, from: &Heartwire) {
        while let Ok(line) = from.says.recv() {
            self.line(&line);
        }
    }

    fn until(&mut self, from: &Heartwire, what: &str, holds: impl Fn(&Self) -> bool) {
        let limit = Instant::now() + PATIENCE;
        while !holds(self) {
            assert!(Instant::now() < limit, "{what} is not seen within {PATIENCE:?}");
            self.take(from);
            thread::sleep(TICK);
        }
    }

    /// Until all are there, or no gap is open and none has come for a while.
    fn until_quiet(&mut self, from: &Heartwire, all: u32) {
        let limit = Instant::now() + PATIENCE;
        let (mut before, mut since) = (0, Instant::now());
        while u32::try_from(self.numbers.len()) != Ok(all) && since.elapsed() < QUIET {
            thread::sleep(TICK);
            self.take(from);
            if self.numbers.len() != before || self.open > 0 {
                (before, since) = (self.numbers.len(), Instant::now());
            }
            assert!(since < limit, "{} gaps are still open after {PATIENCE:?}", self.open);
        }
    }
}
