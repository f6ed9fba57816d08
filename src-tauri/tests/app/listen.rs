//! `heartwire listen --json`: started with a configuration, its lines parsed as they come.

use std::fs;
use std::process::{Command, Stdio};
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use heartwire_core::listen::Event;
use heartwire_core::view::LinkState;
use jiff::Timestamp;
use xtask::process::{Running, tied};

/// The binary under test.
pub const HEARTWIRE: &str = env!("CARGO_BIN_EXE_heartwire");

/// A running `heartwire listen`. It ends when dropped.
pub struct Listen {
    running: Running,
    lines: Receiver<String>,
    /// Every event so far, in order.
    pub seen: Vec<Event>,
    _home: tempfile::TempDir,
}

impl Listen {
    /// Starts it with this configuration file and a home of its own.
    pub fn start(config: &str) -> Self {
        Self::start_by(tied(HEARTWIRE), config)
    }

    /// The same by a command that starts what follows in its line, such as `unshare`.
    pub fn start_by(mut command: Command, config: &str) -> Self {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("listen.toml");
        fs::write(&file, config).unwrap();
        command
            .args(["listen", "--json", "--config"])
            .arg(&file)
            .env("HEARTWIRE_HOME", home.path())
            .env("HEARTWIRE_LOG", "warn");
        let mut running = Running::start(command.stdin(Stdio::null()).stdout(Stdio::piped())).unwrap();
        let lines = running.lines();
        Self { running, lines, seen: Vec::new(), _home: home }
    }

    /// The first event from now on for which `look` has an answer.
    pub fn wait_for<T>(&mut self, what: &str, within: Duration, look: impl Fn(&Event) -> Option<T>) -> T {
        let deadline = Instant::now() + within;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok(line) = self.lines.recv_timeout(left) else {
                panic!("waited in vain for {what}; it said:\n{:#?}", self.seen);
            };
            let event =
                serde_json::from_str(&line).unwrap_or_else(|error| panic!("not a promised line: {line}\n{error}"));
            let found = look(&event);
            self.seen.push(event);
            if let Some(found) = found {
                return found;
            }
        }
    }

    /// When the link is in this state.
    pub fn wait_for_state(&mut self, wanted: LinkState, within: Duration) -> Timestamp {
        self.wait_for(&format!("state {wanted:?}"), within, |event| match event {
            Event::State { at, state, .. } if *state == wanted => Some(*at),
            _ => None,
        })
    }

    /// When a message with this body came.
    pub fn wait_for_message(&mut self, wanted: &str, within: Duration) -> Timestamp {
        self.wait_for(&format!("message {wanted:?}"), within, |event| match event {
            Event::Message { at, body, .. } if body == wanted => Some(*at),
            _ => None,
        })
    }

    /// When a heartbeat was answered.
    pub fn wait_for_heartbeat(&mut self, within: Duration) -> Timestamp {
        self.wait_for("an answered heartbeat", within, |event| match event {
            Event::Heartbeat { at, .. } => Some(*at),
            _ => None,
        })
    }

    /// Title and body of every message so far.
    pub fn messages(&self) -> Vec<(&str, &str)> {
        let messages = self.seen.iter().filter_map(|event| match event {
            Event::Message { title, body, .. } => Some((title.as_str(), body.as_str())),
            _ => None,
        });
        messages.collect()
    }

    /// When the link last showed a sign of life: the latest message or answered heartbeat so far.
    pub fn last_life(&self) -> Timestamp {
        let mut lives = self.seen.iter().filter_map(|event| match event {
            Event::Message { at, .. } | Event::Heartbeat { at, .. } => Some(*at),
            _ => None,
        });
        lives.next_back().unwrap()
    }

    /// The process.
    pub fn process(&mut self) -> &mut Running {
        &mut self.running
    }
}
