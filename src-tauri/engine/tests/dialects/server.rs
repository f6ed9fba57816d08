//! A server of `src-tauri/tests/servers`: it tells what it does in lines of JSON on its stdout, the first being
//! `{"event":"listening","port":…}`, and takes orders as lines of JSON on its stdin. It ends when dropped.

use std::io::{BufRead, BufReader, Write};
use std::process::{ChildStdin, Command, Stdio};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use xtask::process::{Running, tied};
use xtask::tools;

/// How long anything that should happen at once may take on a busy machine.
pub const SOON: Duration = Duration::from_secs(30);

/// One at a time looks whether the libraries are installed.
static INSTALLING: Mutex<()> = Mutex::new(());

pub struct Server {
    running: Running,
    orders: ChildStdin,
    says: Receiver<Value>,
    pub port: u16,
}

impl Server {
    /// A script for Python with what requirements.txt lists.
    pub fn python(script: &str, arguments: &[&str]) -> Self {
        let python = {
            let _one = INSTALLING.lock().unwrap();
            tools::python().unwrap()
        };
        let mut command = tied(&python.to_string_lossy());
        Self::start(command.arg(tools::servers().join(script)).args(arguments))
    }

    /// A script for Node.js with what package.json lists.
    pub fn node(script: &str, arguments: &[&str]) -> Self {
        let modules = {
            let _one = INSTALLING.lock().unwrap();
            tools::node_modules().unwrap()
        };
        let mut command = tied("node");
        Self::start(command.env("NODE_PATH", modules).arg(tools::servers().join(script)).args(arguments))
    }

    fn start(command: &mut Command) -> Self {
        let mut running = Running::start(command.stdin(Stdio::piped()).stdout(Stdio::piped())).unwrap();
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
        let mut server = Self { running, orders, says, port: 0 };
        let port = server.wait_for("listening")["port"].as_u64().unwrap();
        server.port = u16::try_from(port).unwrap();
        server
    }

    /// Tells it to do something.
    pub fn order(&mut self, order: &Value) {
        writeln!(self.orders, "{order}").unwrap();
    }

    /// What it says next with this event; what comes before it is passed over.
    pub fn wait_for(&mut self, event: &str) -> Value {
        self.wait_for_one_of(&[event])
    }

    /// The same of whichever comes first.
    pub fn wait_for_one_of(&mut self, events: &[&str]) -> Value {
        let until = Instant::now() + SOON;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let said = self.says.recv_timeout(left).unwrap_or_else(|_| panic!("the server does not say {events:?}"));
            if events.iter().any(|event| said["event"] == *event) {
                return said;
            }
        }
    }

    /// Kills it.
    pub fn kill(mut self) {
        self.running.child().kill().unwrap();
        self.running.child().wait().unwrap();
    }
}
