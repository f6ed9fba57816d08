//! What both graphical roles share: Tauri's context, the runtime and the question whether there is a display.

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
