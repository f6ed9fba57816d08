//! The resident's one loop: requests from the control socket, clicks in the tray, the window's end, signals; and the
//! order in which everything ends.

use std::time::Duration;

use heartwire_core::control::{Reply, Request};
use heartwire_engine::control::ShellRequest;
use heartwire_engine::supervisor::Handle;
use tauri::AppHandle;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use super::windows::Windows;
use crate::signals::Signals;
use crate::tray::{self, Action, Host};

/// Every socket closes within 1 s; what takes longer than this is left behind.
const END_WITHIN: Duration = Duration::from_secs(2);

/// What runs, and what it listens to.
pub struct Keeper {
    pub handle: Handle,
    pub tray_host: watch::Sender<Host>,
    pub control: Option<JoinHandle<()>>,
    pub requests: mpsc::Receiver<ShellRequest>,
    pub windows: Windows,
    pub signals: Signals,
    pub open_window: bool,
}

/// Whether to go on.
enum Next {
    GoOn,
    End,
}

impl Keeper {
    /// Runs until a signal, the tray or a client ends the app.
    pub async fn keep(mut self, app: AppHandle) {
        let (clicks, mut clicked) = mpsc::unbounded_channel();
        tray::start(&app, self.handle.snapshots(), clicks.clone(), self.tray_host.clone());
        if self.open_window {
            self.windows.show(None);
        }
        loop {
            let next = tokio::select! {
                () = self.signals.next() => Next::End,
                Some(request) = self.requests.recv() => self.serve(request),
                Some(action) = clicked.recv() => self.act(action),
                () = self.windows.ended() => Next::GoOn,
            };
            match next {
                Next::GoOn => {}
                Next::End => break,
            }
        }
        self.end().await;
        app.exit(0);
        // The event loop should be gone by now; a desktop that hangs must not keep the process.
        tokio::time::sleep(END_WITHIN).await;
        std::process::exit(0);
    }

    fn serve(&mut self, request: ShellRequest) -> Next {
        match request {
            ShellRequest::ShowWindow(reply) => {
                // The client may have gone.
                let _ = reply.send(self.windows.show(None));
                Next::GoOn
            }
            ShellRequest::Quit => Next::End,
        }
    }

    fn act(&mut self, action: Action) -> Next {
        match action {
            Action::Open(view) => {
                self.windows.show(view);
                Next::GoOn
            }
            Action::Ask(requests) => {
                // Not awaited here: a busy supervisor must not delay Quit.
                tokio::spawn(ask(self.handle.clone(), requests));
                Next::GoOn
            }
            Action::Quit => Next::End,
        }
    }

    async fn end(&mut self) {
        tracing::info!("ending");
        if let Some(control) = self.control.take() {
            control.abort();
        }
        let ending = async { tokio::join!(self.handle.stop(), self.windows.close()) };
        if tokio::time::timeout(END_WITHIN, ending).await.is_err() {
            tracing::warn!("not everything ended in time");
        }
    }
}

async fn ask(handle: Handle, requests: Vec<Request>) {
    for request in requests {
        match handle.request(request).await {
            Reply::Failed { message, .. } => tracing::warn!("{message}"),
            Reply::Ok
            | Reply::Invalid { .. }
            | Reply::Snapshot { .. }
            | Reply::Settings { .. }
            | Reply::History { .. }
            | Reply::Messages { .. }
            | Reply::Tested { .. } => {}
        }
    }
}
