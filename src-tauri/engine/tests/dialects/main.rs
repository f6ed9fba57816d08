//! Each dialect over a real driver with a real server: one of another project where there is one to be had, else a fake
//! built from the server's sources (`src-tauri/tests/servers`).

#![expect(clippy::unwrap_used, clippy::panic, clippy::expect_used, reason = "helpers of tests fail the test")]
#![allow(dead_code, reason = "each dialect's tests use their own part of the harness")]

mod action_cable;
mod gotify;
mod graphql;
mod home_assistant;
mod large;
mod mqtt;
mod ntfy;
mod phoenix;
mod plain;
#[path = "../common/proxy/mod.rs"]
mod proxy;
mod pushover;
mod rabbit;
mod socketio;
mod sockjs;
mod stomp;
mod watch;

use xtask::server;
