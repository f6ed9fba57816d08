//! The resident: the engine, the tray and the control socket, in a process that never loads a webview. It starts the
//! engine before anything of the desktop, and ends it before it ends itself.

mod keeper;
mod lock;
mod picture;
mod shown;
mod windows;

use std::time::Duration;

use heartwire_core::control::{FailCode, Reply, Request};
use heartwire_engine::control::{self, Client, ControlError};
use heartwire_engine::environment::EnvironmentSource;
use heartwire_engine::paths::Paths;
use heartwire_engine::secrets::Keyring;
use heartwire_engine::settings_file;
use heartwire_engine::supervisor::{self, NotifyOptions, Options, Source};
use tokio::sync::{broadcast, mpsc, watch};

use crate::app::{self, LastWindow};
use crate::exit::{Ended, Failure};
use crate::signals::Signals;
use crate::tray;
use crate::tray::Host;

use self::keeper::Keeper;
use self::lock::Lock;
use self::shown::Shown;
use self::windows::Windows;

/// How long a second start waits for the first one to answer, or to end.
const FOUND_WITHIN: Duration = Duration::from_secs(5);
/// How often it asks in that time.
const ASK_AGAIN: Duration = Duration::from_millis(50);
/// What the runtime's threads get to end in, after everything of ours has ended.
const THREADS_END_WITHIN: Duration = Duration::from_millis(500);

/// Runs until it is told to quit; a second start only asks the first one to show its window.
pub fn run(open_window: bool) -> Ended {
    let paths = Paths::new()?;
    if let Err(error) = paths.create_folders() {
        // What cannot be read or kept for it is told in the window; the connections may work all the same.
        tracing::error!(%error, "Heartwire's folders cannot be made");
    }
    let runtime = app::runtime()?;
    let _lock = match runtime.block_on(find_the_resident(&paths))? {
        Resident::This(lock) => lock,
        Resident::Other(reply) => return crate::exit::of_reply(reply),
    };
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
    let (tray_host, tray) = watch::channel(Host::Unknown);
    let shown = Shown::new(handle.clone(), tray);
    let control = match control::bind(&socket) {
        Ok(listener) => Some(tokio::spawn(control::serve(listener, shown, to_shell, pushes.clone()))),
        Err(error) => {
            // The sockets and the notifications work without it; the window and the command line do not.
            tracing::error!(%error, socket = %socket.display(), "there is no control socket, so no window can be opened");
            None
        }
    };
    Ok(Keeper { handle, tray_host, control, requests, windows: Windows::new(pushes), signals, open_window })
}

fn options(paths: Paths) -> Options {
    let icon = Some(picture::for_notifications(&paths.database));
    Options {
        database: Some(paths.database.clone()),
        keyring: Keyring::session(paths.keyring_service.clone()),
        notify: Some(NotifyOptions { icon, system_words: tray::summary_words() }),
        demo: true,
        events: None,
        environment: EnvironmentSource::ThisComputer,
        settings: Source::Files { paths, environment: settings_file::environment() },
    }
}

/// Who is the resident.
enum Resident {
    /// This process.
    This(Lock),
    /// Another one of this user, which was asked to show its window and answered so.
    Other(Reply),
}

/// Takes the lock, or asks whoever holds it to show its window: that is what the person who started this wants to see.
async fn find_the_resident(paths: &Paths) -> Result<Resident, Failure> {
    let beside_the_socket = paths.control_socket.with_extension("lock");
    let finding = async {
        loop {
            let claimed = lock::claim(&paths.lock, &beside_the_socket);
            if let Some(lock) = claimed.map_err(|error| Failure::wrong(error.to_string()))? {
                return Ok(Resident::This(lock));
            }
            // It may be starting and not listening yet, or ending, and then this one is next.
            match Client::connect(&paths.control_socket).await {
                Ok(client) => match client.reply(Request::ShowWindow).await {
                    Reply::Failed { code: FailCode::Stopping, .. } => {}
                    reply => return Ok(Resident::Other(reply)),
                },
                // Waiting would not change who that is.
                Err(error @ ControlError::OtherUser { .. }) => return Err(error.into()),
                Err(error) => tracing::debug!(%error, "the running Heartwire does not answer yet"),
            }
            tokio::time::sleep(ASK_AGAIN).await;
        }
    };
    tokio::time::timeout(FOUND_WITHIN, finding).await.map_err(|_| {
        let (lock, seconds) = (paths.lock.display(), FOUND_WITHIN.as_secs());
        Failure::wrong(format!(
            "Heartwire is running already ({lock} is locked), but did not answer within {seconds} s: end it, then \
             start it again"
        ))
    })?
}
