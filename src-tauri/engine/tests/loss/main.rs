//! No message is lost: numbered messages of a real server, through a proxy that breaks every connection in every way it
//! knows, to a Heartwire that is killed again and again. In the end the database has each number once and in order; where
//! the server cannot send again what was missed, every number that is missing lies in a gap that the history shows.
//!
//! A few thousand messages and some kills here; `cargo xtask loss` runs 100,000 messages and 200 kills of each
//! (`HEARTWIRE_LOSS_MESSAGES`, `HEARTWIRE_LOSS_KILLS`). `HEARTWIRE_LOSS_SEED` runs one that failed again.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests fail the test")]
#![expect(clippy::print_stdout, reason = "the child tells its parent what it has, and the figures are worth a line")]
#![allow(dead_code, reason = "each test binary uses its own part of what they share")]

#[path = "../dialects/mqtt/broker.rs"]
mod broker;
mod child;
#[path = "../common/proxy/mod.rs"]
mod proxy;
mod run;
mod verdict;

use serde_json::{Value, json};

use broker::{Mosquitto, Publisher};
use run::{Numbers, Trial, run};
use xtask::server::{self, Server};

/// Runs a trial, or, in the process that a trial starts, its Heartwire.
macro_rules! trial {
    ($name:ident, $trial:expr) => {
        #[test]
        fn $name() {
            if !child::run_if_asked() {
                run(stringify!($name), $trial);
            }
        }
    };
}

trial!(plain, || {
    let server = Server::node("recipe.cjs", &["heartbeat-echo"]);
    Trial {
        dialect: "plain",
        path: "/",
        more: "",
        replays: false,
        in_stored_order: true,
        numbers: Box::new(EachByItself { server, order: |number| json!({ "do": "send", "text": number.to_string() }) }),
    }
});

trial!(ntfy, || Trial {
    dialect: "ntfy",
    path: "/numbers/ws",
    more: "",
    replays: true,
    in_stored_order: false,
    numbers: Box::new(Ordered {
        server: Server::python("ntfy.py", &[]),
        order: |from, count| json!({ "do": "publish", "topic": "numbers", "from": from, "count": count }),
    }),
});

trial!(gotify, || {
    let server = Server::python("gotify.py", &[]);
    Trial {
        dialect: "gotify",
        path: "/stream",
        more: r#"auth = { kind = "token", secret = { env = "HEARTWIRE_TEST_LOSS_TOKEN" } }"#,
        replays: true,
        in_stored_order: false,
        numbers: Box::new(Ordered {
            server,
            order: |from, count| json!({ "do": "post", "from": from, "count": count }),
        }),
    }
});

// The greeting gives the first session something to go on from.
trial!(socketio, || {
    let options = json!({ "connectionStateRecovery": {}, "pingInterval": 300, "pingTimeout": 200, "hello": true });
    Trial {
        dialect: "socketio",
        path: "/",
        more: r#"message = { ignore = ["topic == 'hello'"] }"#,
        replays: true,
        in_stored_order: true,
        numbers: Box::new(Ordered {
            server: Server::node("socketio.cjs", &[&options.to_string()]),
            order: |from, count| json!({ "do": "numbers", "from": from, "count": count }),
        }),
    }
});

#[test]
fn mqtt() {
    if child::run_if_asked() || !broker::is_there("mqtt") {
        return;
    }
    run("mqtt", || {
        let mosquitto = Mosquitto::start("allow_anonymous true");
        let publisher = mosquitto.publisher();
        Trial {
            dialect: "mqtt",
            path: "/",
            more: "subscribe = ['numbers']",
            replays: true,
            in_stored_order: true,
            numbers: Box::new((mosquitto, publisher)),
        }
    });
}

impl Numbers for (Mosquitto, Publisher) {
    fn port(&self) -> u16 {
        self.0.port
    }

    fn publish(&mut self, from: u32, count: u32) {
        for number in from..from + count {
            self.1.publish("numbers", number.to_string().as_bytes(), 1, false);
        }
    }
}

/// A server that is told to publish a run of numbers.
struct Ordered {
    server: Server,
    order: fn(u32, u32) -> Value,
}

impl Numbers for Ordered {
    fn port(&self) -> u16 {
        self.server.port
    }

    fn publish(&mut self, from: u32, count: u32) {
        self.server.order(&(self.order)(from, count));
    }
}

/// A server that is told each number by itself.
struct EachByItself {
    server: Server,
    order: fn(u32) -> Value,
}

impl Numbers for EachByItself {
    fn port(&self) -> u16 {
        self.server.port
    }

    fn publish(&mut self, from: u32, count: u32) {
        for number in from..from + count {
            self.server.order(&(self.order)(number));
        }
    }
}
