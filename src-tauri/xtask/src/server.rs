//! The servers of `src-tauri/tests/servers`, each a process of its own: it tells what it does in lines of JSON on its
//! stdout, the first being `{"event":"listening","port":…}`, and takes orders as lines of JSON on its stdin.

use std::io::Write;
use std::process::{ChildStdin, Command, Stdio};
use std::sync::Mutex;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::command::Failure;
use crate::process::{Running, tied};
use crate::tools;

/// How long anything that should happen at once may take on a busy machine.
pub const SOON: Duration = Duration::from_secs(30);

/// One at a time looks whether the libraries are installed.
static INSTALLING: Mutex<()> = Mutex::new(());

/// A running server. It ends when dropped.
#[derive(Debug)]
pub struct Server {
    /// Its process.
    pub running: Running,
    orders: ChildStdin,
    says: Receiver<String>,
    /// Where it listens, on loopback.
    pub port: u16,
}

#[expect(clippy::unwrap_used, clippy::missing_panics_doc, reason = "without its server a test can only fail")]
impl Server {
    /// A script for Python with what requirements.txt lists.
    pub fn python(script: &str, arguments: &[&str]) -> Self {
        Self::try_python(script, arguments).unwrap()
    }

    /// A script for Node.js with what package.json lists.
    pub fn node(script: &str, arguments: &[&str]) -> Self {
        let modules = {
            let _one = INSTALLING.lock().unwrap();
            tools::node_modules().unwrap()
        };
        Self::start(tied("node").env("NODE_PATH", modules), script, arguments).unwrap()
    }

    /// [`Self::python`], for whoever is no test.
    pub fn try_python(script: &str, arguments: &[&str]) -> Result<Self, Failure> {
        let python = {
            let _one = INSTALLING.lock().unwrap();
            tools::python()?
        };
        Self::start(&mut tied(&python.to_string_lossy()), script, arguments)
    }

    fn start(command: &mut Command, script: &str, arguments: &[&str]) -> Result<Self, Failure> {
        command.arg(tools::servers().join(script)).args(arguments);
        let mut running = Running::start(command.stdin(Stdio::piped()).stdout(Stdio::piped()))?;
        let orders = running.child().stdin.take().unwrap();
        let says = running.lines();
        let mut server = Self { running, orders, says, port: 0 };
        let listening = server.next("listening", |said| said["event"] == "listening")?;
        server.port = u16::try_from(listening["port"].as_u64().unwrap()).unwrap();
        Ok(server)
    }

    /// Tells it to do something.
    pub fn order(&mut self, order: &Value) {
        writeln!(self.orders, "{order}").unwrap();
    }

    /// The same, and waits until it says that this is done, as the servers on `fake.py` do; gives what it says with that.
    pub fn carry_out(&mut self, order: &Value) -> Value {
        self.order(order);
        self.next(&order.to_string(), |said| said["event"] == "done" && said["do"] == order["do"]).unwrap()
    }

    /// What it says next with this event; what comes before it is passed over.
    pub fn wait_for(&mut self, event: &str) -> Value {
        self.wait_for_one_of(&[event])
    }

    /// The same of whichever comes first.
    pub fn wait_for_one_of(&mut self, events: &[&str]) -> Value {
        self.next(&events.join(" or "), |said| events.iter().any(|event| said["event"] == *event)).unwrap()
    }

    fn next(&self, what: &str, is_it: impl Fn(&Value) -> bool) -> Result<Value, Failure> {
        let until = Instant::now() + SOON;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let line = self.says.recv_timeout(left).map_err(|error| {
                Failure::new(format!("`{}` does not say {what} within {SOON:?}: {error}", self.running.name()))
            })?;
            let said = serde_json::from_str(&line)
                .map_err(|error| Failure::new(format!("`{}` says {line:?}: {error}", self.running.name())))?;
            if is_it(&said) {
                return Ok(said);
            }
        }
    }

    /// Ends it as a crash does.
    pub fn kill(mut self) {
        self.running.kill();
    }
}
