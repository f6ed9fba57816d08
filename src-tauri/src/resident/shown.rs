//! What clients are shown: the supervisor's snapshots and, where there is no tray, that there is none. Only the shell
//! knows that; the supervisor knows no desktop.

use std::sync::Arc;

use heartwire_core::control::{Reply, Request};
use heartwire_core::view::{Problem, ProblemKind, Snapshot};
use heartwire_engine::control;
use heartwire_engine::supervisor::Handle;
use tokio::sync::watch;

use crate::tray::Host;

/// What the person can do without a tray.
const NO_TRAY: &str = "this desktop has no tray, so Heartwire has no icon: start Heartwire again to open this window (on \
                       GNOME the extension AppIndicator brings a tray)";

/// The resident as its clients see it.
#[derive(Clone)]
pub struct Shown {
    handle: Handle,
    snapshots: watch::Receiver<Arc<Snapshot>>,
}

impl Shown {
    /// Follows both until the supervisor ends.
    pub fn new(handle: Handle, tray: watch::Receiver<Host>) -> Self {
        let from = handle.snapshots();
        let (to, snapshots) = watch::channel(from.borrow().clone());
        tokio::spawn(follow(from, tray, to));
        Self { handle, snapshots }
    }
}

impl control::Resident for Shown {
    async fn request(&self, request: Request) -> Reply {
        self.handle.request(request).await
    }

    fn snapshots(&self) -> watch::Receiver<Arc<Snapshot>> {
        self.snapshots.clone()
    }
}

async fn follow(
    mut from: watch::Receiver<Arc<Snapshot>>,
    mut tray: watch::Receiver<Host>,
    to: watch::Sender<Arc<Snapshot>>,
) {
    let mut comings_and_goings = 0;
    loop {
        tokio::select! {
            changed = from.changed() => if changed.is_err() {
                return;
            },
            Ok(()) = tray.changed() => comings_and_goings += 1,
        }
        let (newest, host) = (from.borrow_and_update().clone(), *tray.borrow_and_update());
        to.send_replace(with_tray(newest, host, comings_and_goings));
    }
}

/// The revision rises with each time that the tray came or went, too.
fn with_tray(snapshot: Arc<Snapshot>, host: Host, comings_and_goings: u64) -> Arc<Snapshot> {
    if comings_and_goings == 0 {
        return snapshot;
    }
    let mut snapshot = Arc::unwrap_or_clone(snapshot);
    snapshot.revision += comings_and_goings;
    if host == Host::Missing {
        let (kind, message) = (ProblemKind::Tray, NO_TRAY.to_owned());
        snapshot.problems.push(Problem { kind, file: None, line: None, message });
    }
    Arc::new(snapshot)
}

#[cfg(test)]
mod tests {
    use super::*;
    use heartwire_core::settings::{General, Language};

    #[tokio::test]
    async fn a_missing_tray_is_a_problem_until_it_is_there_and_revisions_only_rise() {
        let (supervisor, from) = watch::channel(snapshot(5));
        let (host, tray) = watch::channel(Host::Unknown);
        let (to, mut shown) = watch::channel(snapshot(5));
        let following = tokio::spawn(follow(from, tray, to));
        let mut revision = 5;
        let mut check = async |missing: bool| {
            shown.changed().await.unwrap();
            let snapshot = shown.borrow_and_update().clone();
            assert!(snapshot.revision > revision, "{} after {revision}", snapshot.revision);
            revision = snapshot.revision;
            let kinds: Vec<_> = snapshot.problems.iter().map(|problem| problem.kind).collect();
            assert_eq!(kinds, if missing { vec![ProblemKind::Tray] } else { Vec::new() });
        };
        host.send_replace(Host::Missing);
        check(true).await;
        supervisor.send_replace(snapshot(6));
        check(true).await;
        host.send_replace(Host::There);
        check(false).await;
        supervisor.send_replace(snapshot(7));
        check(false).await;
        drop(supervisor);
        following.await.unwrap();
    }

    fn snapshot(revision: u64) -> Arc<Snapshot> {
        Arc::new(Snapshot {
            revision,
            at_ms: 0,
            connections: Vec::new(),
            history: Vec::new(),
            messages: Vec::new(),
            problems: Vec::new(),
            general: General { notifications: true, language: Language::System, keep_messages: 1 },
            demo: false,
            settings_file: String::new(),
        })
    }
}
