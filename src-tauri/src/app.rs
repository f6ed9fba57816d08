//! What both graphical roles share: Tauri's context, the runtime and the question whether there is a display.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use tauri::{App, RunEvent};
use tokio::runtime::Runtime;

use crate::exit::Failure;

/// Tauri's context: the page, the policy for its content and what its window may do. It declares no window: the
/// resident never has one, and the window role makes its own.
pub fn context() -> tauri::Context {
    tauri::generate_context!()
}

/// A runtime of our own, which Tauri uses too. Made before anything of Tauri is touched.
pub fn runtime() -> Result<Runtime, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("heartwire")
        .enable_all()
        .build()
        .map_err(|error| Failure::wrong(format!("no threads could be started: {error}")))?;
    tauri::async_runtime::set(runtime.handle().clone());
    Ok(runtime)
}

/// Tauri panics where there is no display, so this is asked first. Call it on the main thread.
pub fn require_display() -> Result<(), Failure> {
    #[cfg(target_os = "linux")]
    if gtk::init().is_err() {
        return Err(Failure::wrong(
            "no display: neither a Wayland nor an X11 session can be reached. Start Heartwire from a desktop session, \
             or use `heartwire listen`, which needs none",
        ));
    }
    Ok(())
}

/// Whether an app is over when its last window is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LastWindow {
    /// It ends the app.
    Ends,
    /// It means nothing: only `exit`, which names a code, ends the app.
    MeansNothing,
}

/// Runs the event loop until it ends, and gives the code that `exit` named; Tauri's own loses it.
pub fn run(app: App, last_window: LastWindow) -> ExitCode {
    let code = Arc::new(AtomicU8::new(0));
    let named = code.clone();
    app.run_return(move |_, event| match event {
        RunEvent::ExitRequested { code: Some(code), .. } => {
            // Exit codes are eight bits wide. A failure stays one, although the window's end is an exit of its own.
            named.fetch_max(u8::try_from(code).unwrap_or(u8::MAX), Ordering::Relaxed);
        }
        RunEvent::ExitRequested { code: None, api, .. } if last_window == LastWindow::MeansNothing => {
            api.prevent_exit();
        }
        _ => {}
    });
    ExitCode::from(code.load(Ordering::Relaxed))
}
