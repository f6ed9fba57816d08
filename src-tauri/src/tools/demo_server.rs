//! `heartwire demo-server`: the built-in demo server, reachable from this computer only.

use std::net::Ipv4Addr;
use std::path::Path;
use std::process::ExitCode;

use heartwire_engine::demo_server::{self, Script};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::app;
use crate::exit::{Ended, Failure};
use crate::out;
use crate::signals::Signals;

/// What happened and waits for stdout; beyond it news is left out rather than a client kept waiting.
const NEWS_WAITING: usize = 1024;

/// Serves until a signal comes, or nobody reads stdout any more.
pub fn run(port: u16, script: Option<&Path>) -> Ended {
    let script = match script {
        Some(file) => Script::load(file).map_err(|error| Failure::wrong(error.to_string()))?,
        None => Script::default(),
    };
    let runtime = app::runtime()?;
    let ended = runtime.block_on(serve(port, script));
    // A thread may be stuck in a write that nobody reads.
    runtime.shutdown_background();
    ended
}

async fn serve(port: u16, script: Script) -> Ended {
    let mut signals = Signals::listen()?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await;
    let listener = listener.map_err(|error| {
        Failure::wrong(format!(
            "port {port} cannot be opened: {error}. Give another one with --port, or 0 for a free one"
        ))
    })?;
    let address = listener.local_addr().map_err(|error| Failure::wrong(error.to_string()))?;
    let (to_lines, mut news) = mpsc::channel::<String>(NEWS_WAITING);
    // The news does not wait for whoever reads it.
    let log = move |event: demo_server::Event| drop(to_lines.try_send(event.to_string()));
    let lines = tokio::task::spawn_blocking(move || {
        out::line(&format!("listening on ws://{address}/"))?;
        while let Some(line) = news.blocking_recv() {
            out::line(&line)?;
        }
        Ok(())
    });
    tokio::select! {
        () = signals.next() => Ok(ExitCode::SUCCESS),
        () = demo_server::serve(listener, script, log) => Ok(ExitCode::SUCCESS),
        written = lines => out::ended(written),
    }
}
