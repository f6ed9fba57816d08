//! Heartwire's binary: picks the role. The resident (tray, engine, control socket) and the window (one webview) are
//! processes of their own; everything else is a command that ends. No logic lives here.

#![cfg_attr(not(debug_assertions), windows_subsystem = "windows")]

mod app;
mod cli;
mod exit;
mod log;
mod out;
mod resident;
mod signals;
mod tools;
mod tray;
mod window;

use std::process::ExitCode;

use clap::Parser;
use heartwire_engine::paths::Paths;

use crate::cli::{Cli, Role};

fn main() -> ExitCode {
    let cli = Cli::parse();
    // Only the resident is without a terminal. Where there are no folders at all, it says so itself.
    let folder = if cli.role.is_none() { Paths::new().ok().map(|paths| paths.logs) } else { None };
    // `listen` tells every change of state on stdout already.
    let usual = if matches!(cli.role, Some(Role::Listen(_))) { "warn" } else { "info" };
    let _log = log::start(folder.as_deref(), usual);
    let ended = match cli.role {
        None => resident::run(cli.window),
        Some(Role::WindowProcess { view }) => window::run(view),
        Some(Role::Send { name, text }) => tools::ask::send(name, text),
        Some(Role::Secret { name }) => tools::secret::run(name),
        Some(Role::Listen(options)) => tools::listen::run(&options),
        Some(Role::Check { file, connect }) => tools::check::run(file.as_deref(), connect.as_deref()),
        Some(Role::Status { json }) => tools::ask::status(json),
        Some(Role::DemoServer { port, script }) => tools::demo_server::run(port, script.as_deref()),
    };
    match ended {
        Ok(code) => code,
        Err(failure) => failure.tell(),
    }
}
