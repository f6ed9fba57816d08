//! The independent servers of `tests/servers`: started, told what to do, and asked what they saw.

use std::io::{BufRead, BufReader, Write};
use std::process::{ChildStdin, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::{Value, json};
use xtask::process::{Running, tied};
use xtask::tools;

/// How long anything that should happen at once may take on a busy machine.
pub const SOON: Duration = Duration::from_secs(20);

/// With which library the server is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Library {
    /// `websockets`, for Python.
    Websockets,
    /// `ws`, for Node.js.
    Ws,
}

/// A running server. It ends when dropped.
pub struct Server {
    running: Running,
    orders: ChildStdin,
    says: Receiver<Value>,
    /// Where it listens, on loopback.
    pub port: u16,
    library: Library,
    recipe: &'static str,
}

impl Server {
    /// Starts the recipe's server side on a free port.
    pub fn start(library: Library, recipe: &'static str) -> Self {
        Self::start_at(library, recipe, 0)
    }

    fn start_at(library: Library, recipe: &'static str, port: u16) -> Self {
        let mut command = match library {
            Library::Websockets => {
                let mut python = tied(&tools::python().unwrap().to_string_lossy());
                python.arg(tools::servers().join("recipe.py"));
                python
            }
            Library::Ws => {
                let mut node = tied("node");
                node.env("NODE_PATH", tools::node_modules().unwrap()).arg(tools::servers().join("recipe.cjs"));
                node
            }
        };
        command.args([recipe, &port.to_string()]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut running = Running::start(&mut command).unwrap();
        let orders = running.child().stdin.take().unwrap();
        let stdout = running.child().stdout.take().unwrap();
        let (sender, says) = channel();
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if sender.send(serde_json::from_str(&line).unwrap()).is_err() {
                    return;
                }
            }
        });
        let mut server = Self { running, orders, says, port, library, recipe };
        let port = server.wait_for("listening")["port"].as_u64().unwrap();
        server.port = u16::try_from(port).unwrap();
        server
    }

    /// Where it listens. `http`, since the recipe's addresses are written so.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Sends a text frame to every client.
    pub fn send(&mut self, text: &str) {
        self.order(&json!({"do": "send", "text": text}));
    }

    /// Does what an order of recipe.py says.
    pub fn order(&mut self, order: &Value) {
        writeln!(self.orders, "{order}").unwrap();
    }

    /// The next thing of this kind that it says; what comes before is dropped.
    pub fn wait_for(&mut self, event: &str) -> Value {
        self.try_wait_for(event, SOON).unwrap_or_else(|| panic!("the server did not say {event:?} within {SOON:?}"))
    }

    /// The same, or nothing if it does not come in time.
    pub fn try_wait_for(&mut self, event: &str, within: Duration) -> Option<Value> {
        let deadline = Instant::now() + within;
        loop {
            match self.says.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(said) if said["event"] == event => return Some(said),
                Ok(_) => {}
                Err(RecvTimeoutError::Timeout) => return None,
                Err(RecvTimeoutError::Disconnected) => panic!("the server ended"),
            }
        }
    }

    /// The next text frame that a client sent.
    pub fn received(&mut self) -> String {
        self.wait_for("received")["text"].as_str().unwrap().to_owned()
    }

    /// The same that is not this one, such as a heartbeat.
    pub fn received_other_than(&mut self, usual: &str) -> String {
        loop {
            let text = self.received();
            if text != usual {
                return text;
            }
        }
    }

    /// Stops it where it stands: its sockets stay open and nothing answers.
    pub fn freeze(&self) {
        self.running.signal(Signal::STOP).unwrap();
    }

    /// Lets it go on.
    pub fn thaw(&self) {
        self.running.signal(Signal::CONT).unwrap();
    }

    /// Ends it as a crash does, and starts it again at the same port.
    pub fn restart(&mut self) {
        self.running.signal(Signal::KILL).unwrap();
        self.running.wait(SOON).unwrap();
        *self = Self::start_at(self.library, self.recipe, self.port);
    }
}
