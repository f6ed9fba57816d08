//! Heartwire itself, in a process that can be killed: the supervisor with its database, as the resident has it.

use std::collections::BTreeMap;
use std::io::{Read, stdin};
use std::path::{Path, PathBuf};

use heartwire_core::listen::Event;
use heartwire_core::view::{GapView, LinkState};
use heartwire_engine::environment::{Environment, EnvironmentSource};
use heartwire_engine::paths::Paths;
use heartwire_engine::secrets::Keyring;
use heartwire_engine::supervisor::{self, Options, Source};
use tokio::sync::mpsc;

/// Tells the child where its home is.
pub const HOME: &str = "HEARTWIRE_TEST_LOSS_HOME";

/// Where it keeps what.
pub fn paths(home: &Path) -> Paths {
    Paths::under(home).unwrap()
}

/// In the child: runs until it is killed, or ends in good order with its stdin.
pub fn run_if_asked() -> bool {
    let Some(home) = std::env::var_os(HOME).map(PathBuf::from) else { return false };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(keep(&home));
    true
}

async fn keep(home: &Path) {
    let paths = paths(home);
    let (sender, mut events) = mpsc::channel(1024);
    let handle = supervisor::start(Options {
        settings: Source::Files { paths: paths.clone(), environment: BTreeMap::new() },
        database: Some(paths.database),
        keyring: Keyring::session(paths.keyring_service),
        notify: None,
        demo: false,
        events: Some(sender),
        environment: EnvironmentSource::Told(Environment::told().0),
    })
    .await
    .unwrap();
    let told = tokio::spawn(async move {
        while let Some(event) = events.recv().await {
            match event {
                Event::Message { body, .. } => println!("stored {body}."),
                Event::State { state: LinkState::Connected, .. } => println!("connected ."),
                Event::Gap { complete, recovered, missing, .. } => println!("gap {complete} {recovered} {missing:?}."),
                _ => {}
            }
        }
    });
    let mut snapshots = handle.snapshots();
    let watched = tokio::spawn(async move {
        while snapshots.changed().await.is_ok() {
            let snapshot = snapshots.borrow_and_update().clone();
            let is_connected = snapshot.connections.iter().all(|link| link.state == LinkState::Connected);
            let open = snapshot.history.iter().filter(|row| row.gap == GapView::Open).count();
            println!("open {}.", if is_connected { open } else { usize::MAX });
        }
    });
    tokio::task::spawn_blocking(|| stdin().read_to_end(&mut Vec::new()).unwrap()).await.unwrap();
    handle.stop().await;
    told.abort();
    watched.abort();
}
