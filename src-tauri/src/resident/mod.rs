//! The resident: the engine, the tray and the control socket, in a process that never loads a webview. It starts the
//! engine before anything of the desktop, and ends it before it ends itself.

mod keeper;
mod lock;
mod picture;
mod windows;

use std::time::Duration;

use heartwire_core::control::Request;
use heartwire_engine::control::{self, Client};
use heartwire_engine::paths::Paths;
use heartwire_engine::settings_file;
use heartwire_engine::supervisor::{self, NotifyOptions, Options, Source};
use tokio::sync::{broadcast, mpsc};

use crate::app::{self, LastWindow};
use crate::exit::{Ended, Failure};
use crate::signals::Signals;

use self::keeper::Keeper;
use self::windows::Windows;

/// How long a second start waits for the first one to answer: it may be starting itself.
const FIRST_ANSWERS_WITHIN: Duration = Duration::from_secs(5);
/// What the runtime's threads get to end in, after everything of ours has ended.
const THREADS_END_WITHIN: Duration = Duration::from_millis(500);

/// Runs until it is told to quit; a second start only asks the first one to show its window.
pub fn run(open_window: bool) -> Ended {
    let paths = Paths::new()?;
    paths.create_folders().map_err(|error| Failure::wrong(format!("Heartwire's folders cannot be made: {error}")))?;
    let lock = lock::claim(&paths.lock).map_err(|error| Failure::wrong(error.to_string()))?;
    let runtime = app::runtime()?;
    let Some(_lock) = lock else { return runtime.block_on(ask_the_first(&paths)) };
    app::require_display()?;

    let keeper = runtime.block_on(open(paths, open_window))?;
    let app = tauri::Builder::default()
        .build(app::context())
        .map_err(|error| Failure::wrong(format!("the desktop cannot be used: {error}")))?;
    runtime.spawn(keeper.keep(app.handle().clone()));
    let code = app::run(app, LastWindow::MeansNothing);
    runtime.shutdown_timeout(THREADS_END_WITHIN);
    Ok(code)
}

/// Starts everything that needs no desktop.
async fn open(paths: Paths, open_window: bool) -> Result<Keeper, Failure> {
    // First, so that an early signal already ends it in order.
    let signals = Signals::listen()?;
    let socket = paths.control_socket.clone();
    let handle = supervisor::start(options(paths))
        .await
        .map_err(|error| Failure::wrong(format!("no memory for the history: {error}")))?;
    let (to_shell, requests) = mpsc::channel(8);
    let (pushes, _) = broadcast::channel(8);
    let control = match control::bind(&socket) {
        Ok(listener) => Some(tokio::spawn(control::serve(listener, handle.clone(), to_shell, pushes.clone()))),
        Err(error) => {
            // The sockets and the notifications work without it; the window and the command line do not.
            tracing::error!(%error, socket = %socket.display(), "there is no control socket, so no window can be opened");
            None
        }
    };
    Ok(Keeper { handle, control, requests, windows: Windows::new(pushes), signals, open_window })
}

fn options(paths: Paths) -> Options {
    let icon = Some(picture::for_notifications(&paths.database));
    Options {
        database: Some(paths.database.clone()),
        settings: Source::Files { paths, environment: settings_file::environment() },
        notify: Some(NotifyOptions { icon }),
        demo: true,
        events: None,
    }
}

/// Another Heartwire of this user runs already: its window is what the person wants to see.
async fn ask_the_first(paths: &Paths) -> Ended {
    let asking = async {
        loop {
            match Client::connect(&paths.control_socket).await {
                Ok(client) => return client.reply(Request::ShowWindow).await,
                Err(error) => tracing::debug!(%error, "the running Heartwire does not answer yet"),
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let answer = tokio::time::timeout(FIRST_ANSWERS_WITHIN, asking).await.map_err(|_| {
        let (lock, seconds) = (paths.lock.display(), FIRST_ANSWERS_WITHIN.as_secs());
        Failure::wrong(format!(
            "Heartwire is running already ({lock} is locked), but did not answer within {seconds} s: end it, then \
             start it again"
        ))
    })?;
    crate::exit::of_reply(answer)
}
