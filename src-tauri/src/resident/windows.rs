//! The window's process: started when it is asked for, never two of them, and reaped when it ends.

use std::ffi::OsString;
use std::future::pending;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use heartwire_core::control::{FailCode, Reply, WindowView};
use heartwire_engine::control::Push;
use tokio::process::{Child, Command};
use tokio::sync::broadcast;

/// How long a window may take to end by itself once the control socket is closed.
const ENDS_WITHIN: Duration = Duration::from_millis(500);

/// How long a window may take to start before what it should show is forgotten.
const STARTS_WITHIN: Duration = Duration::from_secs(5);
/// How often it is tried in that time.
const ASK_AGAIN: Duration = Duration::from_millis(100);

/// At most one window.
#[derive(Debug)]
pub struct Windows {
    child: Option<Child>,
    pushes: broadcast::Sender<Push>,
}

impl Windows {
    /// No window yet.
    pub fn new(pushes: broadcast::Sender<Push>) -> Self {
        Self { child: None, pushes }
    }

    /// Opens the window, or brings the one that is open to the front.
    pub fn show(&mut self, view: Option<WindowView>) -> Reply {
        if self.is_open() {
            let push = view.map_or(Push::Raise, Push::ShowView);
            // Nobody listens while the window is starting. It comes to the front by itself, but not at this view.
            if self.pushes.send(push).is_err() && view.is_some() {
                tokio::spawn(send_later(self.pushes.clone(), push));
            }
            return Reply::Ok;
        }
        match start(view) {
            Ok(child) => {
                tracing::info!(pid = child.id(), "the window was started");
                self.child = Some(child);
                Reply::Ok
            }
            Err(error) => {
                let message = format!("the window's process could not be started: {error}");
                tracing::error!("{message}");
                Reply::Failed { code: FailCode::Window, message }
            }
        }
    }

    /// Waits for the window's end and forgets it; for ever while there is none. Cancelling loses nothing.
    pub async fn ended(&mut self) {
        let Some(child) = &mut self.child else { return pending().await };
        let ended = child.wait().await;
        self.child = None;
        match ended {
            Ok(status) if status.success() => tracing::info!("the window was closed"),
            Ok(status) => tracing::warn!(%status, "the window's process ended; it can be opened again"),
            Err(error) => tracing::error!(%error, "the window's process cannot be waited for"),
        }
    }

    /// Ends the window together with the app: the closed control socket has told it already.
    pub async fn close(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        if tokio::time::timeout(ENDS_WITHIN, child.wait()).await.is_err()
            && let Err(error) = child.kill().await
        {
            tracing::warn!(%error, "the window's process could not be ended");
        }
    }

    fn is_open(&mut self) -> bool {
        let status: Option<Option<ExitStatus>> = self.child.as_mut().and_then(|child| child.try_wait().ok());
        matches!(status, Some(None))
    }
}

async fn send_later(pushes: broadcast::Sender<Push>, push: Push) {
    for _ in 0..STARTS_WITHIN.as_millis() / ASK_AGAIN.as_millis() {
        tokio::time::sleep(ASK_AGAIN).await;
        if pushes.send(push).is_ok() {
            return;
        }
    }
}

fn start(view: Option<WindowView>) -> std::io::Result<Child> {
    let mut command = Command::new(program()?);
    command.arg("window-process").stdin(Stdio::null());
    if let Some(view) = view {
        command.args(["--view", view.word()]);
    }
    // Some drivers show an empty window with WebKit's DMA-BUF renderer; it must be set before any thread starts.
    if std::env::var_os(DMABUF).is_none() {
        command.env(DMABUF, "1");
    }
    command.spawn()
}

const DMABUF: &str = "WEBKIT_DISABLE_DMABUF_RENDERER";

/// This program, even if an update has replaced its file since it was started.
fn program() -> std::io::Result<OsString> {
    let path = std::env::current_exe()?;
    let running = PathBuf::from("/proc/self/exe");
    Ok(if !path.exists() && running.exists() { running } else { path }.into_os_string())
}
