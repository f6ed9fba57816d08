//! A Heartwire of its own for each test, and what it shows.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use heartwire_core::control::{Reply, Request};
use heartwire_core::listen::Event;
use heartwire_core::settings::ConnectionForm;
use heartwire_core::view::{ConnectionView, LinkState, Snapshot};
use heartwire_engine::environment::{Environment, EnvironmentSource, Teller};
use heartwire_engine::paths::Paths;
use heartwire_engine::secrets::Keyring;
use heartwire_engine::supervisor::{self, Handle, Options, Source};
use tokio::sync::mpsc;

use crate::LIMIT;
use crate::server::Server;

/// A folder of its own for settings and data.
pub struct Home {
    folder: tempfile::TempDir,
    /// The database is here and not in the folder.
    elsewhere: Option<PathBuf>,
}

impl Home {
    pub fn with(settings: &str) -> Self {
        let home = Self { folder: tempfile::tempdir().unwrap(), elsewhere: None };
        let file = home.paths().settings_file;
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, settings).unwrap();
        home
    }

    /// With its database in this folder.
    pub fn keeping_in(folder: &Path, settings: &str) -> Self {
        Self { elsewhere: Some(folder.join("heartwire.db")), ..Self::with(settings) }
    }

    pub fn paths(&self) -> Paths {
        let paths = Paths::under(Path::new(self.folder.path())).unwrap();
        let database = self.elsewhere.clone().unwrap_or_else(|| paths.database.clone());
        Paths { database, ..paths }
    }

    pub fn file(&self) -> String {
        std::fs::read_to_string(self.paths().settings_file).unwrap()
    }

    pub async fn app(&self) -> App {
        let (environment, around) = Environment::told();
        self.app_in(environment, around).await
    }

    /// One on a computer whose environment is this.
    pub async fn app_in(&self, environment: Environment, around: Teller) -> App {
        let (sender, events) = mpsc::channel(1024);
        let handle = supervisor::start(Options {
            settings: Source::Files { paths: self.paths(), environment: BTreeMap::new() },
            database: Some(self.paths().database),
            keyring: Keyring::session(self.paths().keyring_service),
            notify: None,
            demo: true,
            events: Some(sender),
            environment: EnvironmentSource::Told(environment),
        })
        .await
        .unwrap();
        App { handle, around, events }
    }
}

pub struct App {
    pub handle: Handle,
    /// Tells what happens to the computer that it believes to be on.
    pub around: Teller,
    events: mpsc::Receiver<Event>,
}

impl App {
    pub async fn until(&mut self, holds: impl Fn(&Snapshot) -> bool) -> Arc<Snapshot> {
        let mut snapshots = self.handle.snapshots();
        let waited = tokio::time::timeout(LIMIT, snapshots.wait_for(|snapshot| holds(snapshot))).await;
        let Ok(found) = waited else { panic!("it never came to this: {:#?}", self.handle.snapshots().borrow()) };
        found.unwrap().clone()
    }

    pub async fn events_until(&mut self, count: usize, wanted: impl Fn(&Event) -> bool) -> Vec<Event> {
        let mut found = Vec::new();
        while found.len() < count {
            let event = tokio::time::timeout(LIMIT, self.events.recv()).await.expect("an event").unwrap();
            if wanted(&event) {
                found.push(event);
            }
        }
        found
    }

    /// Every event up to and with the first that is wanted.
    pub async fn events_through(&mut self, wanted: impl Fn(&Event) -> bool) -> Vec<Event> {
        let mut found = Vec::new();
        loop {
            let event = tokio::time::timeout(LIMIT, self.events.recv()).await.expect("an event").unwrap();
            let last = wanted(&event);
            found.push(event);
            if last {
                return found;
            }
        }
    }

    pub async fn ask(&self, request: Request) {
        assert_eq!(self.handle.request(request).await, Reply::Ok);
    }

    pub async fn ask_save(&self, replaces: Option<&str>, form: ConnectionForm) -> Reply {
        let replaces = replaces.map(str::to_owned);
        self.handle.request(Request::SaveConnection { replaces, form: Box::new(form), answers: BTreeMap::new() }).await
    }

    pub async fn save(&self, replaces: Option<&str>, form: ConnectionForm) {
        assert_eq!(self.ask_save(replaces, form).await, Reply::Ok);
    }

    pub async fn send(&self, connection: &str, text: &str) -> Reply {
        self.handle.request(Request::Send { connection: connection.into(), text: text.into() }).await
    }
}

/// A Heartwire with one connection, whose socket its server has.
pub async fn with_one(name: &str) -> (Server, Home, App) {
    let mut server = Server::start().await;
    let home = Home::with(&server.connection(name));
    let app = home.app().await;
    server.opened().await;
    (server, home, app)
}

/// A connection that the snapshot has for certain.
pub fn connection<'a>(snapshot: &'a Snapshot, name: &str) -> &'a ConnectionView {
    find(snapshot, name).unwrap_or_else(|| panic!("there is no {name} in {snapshot:#?}"))
}

/// A connection that may not be there yet.
fn find<'a>(snapshot: &'a Snapshot, name: &str) -> Option<&'a ConnectionView> {
    snapshot.connections.iter().find(|view| view.name == name)
}

/// The state of a connection that may not be there yet.
pub fn state(snapshot: &Snapshot, name: &str) -> Option<LinkState> {
    find(snapshot, name).map(|view| view.state)
}

/// The address of a connection that may not be there yet.
pub fn url<'a>(snapshot: &'a Snapshot, name: &str) -> Option<&'a str> {
    find(snapshot, name).map(|view| view.url.as_str())
}
