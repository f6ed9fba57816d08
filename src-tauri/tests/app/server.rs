//! The server side of the classic recipe (`tests/servers/recipe.py` and `.cjs`): told what to do, and asked what it saw.

use rustix::process::Signal;
use serde_json::{Value, json};
pub use xtask::server::SOON;
use xtask::server::Server as Script;

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
    script: Script,
    library: Library,
    recipe: &'static str,
}

impl Server {
    /// Starts the recipe's server side on a free port.
    pub fn start(library: Library, recipe: &'static str) -> Self {
        Self::start_at(library, recipe, 0)
    }

    fn start_at(library: Library, recipe: &'static str, port: u16) -> Self {
        let port = port.to_string();
        let script = match library {
            Library::Websockets => Script::python("recipe.py", &[recipe, &port]),
            Library::Ws => Script::node("recipe.cjs", &[recipe, &port]),
        };
        Self { script, library, recipe }
    }

    /// Where it listens. `http`, since the recipe's addresses are written so.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.script.port)
    }

    /// Sends a text frame to every client.
    pub fn send(&mut self, text: &str) {
        self.order(&json!({"do": "send", "text": text}));
    }

    /// Does what an order of recipe.py says.
    pub fn order(&mut self, order: &Value) {
        self.script.order(order);
    }

    /// The next thing of this kind that it says; what comes before is dropped.
    pub fn wait_for(&mut self, event: &str) -> Value {
        self.script.wait_for(event)
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
        self.script.running.signal(Signal::STOP).unwrap();
    }

    /// Lets it go on.
    pub fn thaw(&self) {
        self.script.running.signal(Signal::CONT).unwrap();
    }

    /// Ends it as a crash does, and starts it again at the same port.
    pub fn restart(&mut self) {
        self.script.running.kill();
        *self = Self::start_at(self.library, self.recipe, self.script.port);
    }
}
