//! Secrets in the keyring, from the person to the server.

use std::collections::BTreeMap;
use std::sync::Arc;

use heartwire_core::control::{FailCode, Reply, Request};
use heartwire_core::secret::Secret;
use heartwire_core::settings::{ConnectionForm, SecretForm};
use heartwire_core::view::{ConnectionView, LinkState, ProblemKind, SecretKind, SecretPlace, SecretView, Snapshot};
use heartwire_engine::environment::{Environment as Surroundings, EnvironmentSource};
use heartwire_engine::paths::Paths;
use heartwire_engine::secrets::Keyring;
use heartwire_engine::settings_file::Environment;
use heartwire_engine::supervisor::{self, Handle, Options, Source};
use tempfile::TempDir;

use crate::ring::{Prompter, Ring};
use crate::server::Server;
use crate::{LIMIT, form};

/// A Heartwire of its own.
pub struct App {
    pub handle: Handle,
    pub home: TempDir,
}

impl App {
    pub async fn start(keyring: Keyring) -> Self {
        Self::start_with(keyring, "").await
    }

    /// One whose settings file says this.
    pub async fn start_with(keyring: Keyring, settings: &str) -> Self {
        let home = TempDir::new().unwrap();
        let paths = Paths::under(home.path()).unwrap();
        std::fs::write(&paths.settings_file, settings).unwrap();
        let (around, _nothing_happens) = Surroundings::told();
        let options = Options {
            database: Some(paths.database.clone()),
            settings: Source::Files { paths, environment: Environment::new() },
            keyring,
            notify: None,
            demo: false,
            events: None,
            environment: EnvironmentSource::Told(around),
        };
        Self { handle: supervisor::start(options).await.unwrap(), home }
    }

    /// One whose connection "crm" has its token in this keyring.
    pub async fn with_crm(keyring: Keyring, address: &str) -> Self {
        let app = Self::start(keyring).await;
        app.save(None, in_keyring(address)).await;
        app
    }

    pub async fn save(&self, replaces: Option<&str>, form: ConnectionForm) {
        let replaces = replaces.map(str::to_owned);
        let request = Request::SaveConnection { replaces, form: Box::new(form), answers: BTreeMap::new() };
        assert_eq!(self.handle.request(request).await, Reply::Ok);
    }

    pub async fn set_secret(&self, connection: &str, secret: &str) -> Reply {
        let secret = Secret::new(secret);
        self.handle.request(Request::SetSecret { connection: connection.to_owned(), secret }).await
    }

    pub async fn until(&self, holds: impl Fn(&Snapshot) -> bool) -> Arc<Snapshot> {
        let mut snapshots = self.handle.snapshots();
        let waited = tokio::time::timeout(LIMIT, snapshots.wait_for(|snapshot| holds(snapshot))).await;
        let Ok(found) = waited else { panic!("it never came to this: {:#?}", self.handle.snapshots().borrow()) };
        found.unwrap().clone()
    }

    /// The view of a connection in this state.
    pub async fn in_state(&self, name: &str, state: LinkState) -> ConnectionView {
        let wanted = |view: &&ConnectionView| view.name == name && view.state == state;
        let snapshot = self.until(|snapshot| snapshot.connections.iter().any(|view| wanted(&view))).await;
        snapshot.connections.iter().find(wanted).unwrap().clone()
    }
}

pub fn in_keyring(address: &str) -> ConnectionForm {
    form(address, SecretForm { keyring: Some(true), ..SecretForm::default() })
}

fn code(reply: Reply) -> (FailCode, String) {
    let Reply::Failed { code, message } = reply else { panic!("it was taken: {reply:?}") };
    (code, message)
}

/// How long it is until the next dial, as the window shows it.
fn retry_in_s(view: &ConnectionView, snapshot: &Snapshot) -> i64 {
    (view.retry_at_ms.expect("a dial is scheduled") - snapshot.at_ms) / 1000
}

#[tokio::test]
async fn a_missing_token_blocks_and_the_link_is_up_as_soon_as_it_is_given() {
    let Some(ring) = Ring::open("stored::a_missing_token_blocks_and_the_link_is_up_as_soon_as_it_is_given").await
    else {
        return;
    };
    let server = Server::open().await;
    let app = App::with_crm(ring.keyring(), &server.address).await;
    let blocked = app.in_state("crm", LinkState::Blocked).await;
    let cause = blocked.cause.clone().unwrap();
    assert_eq!(cause.code, "unauthorized");
    assert_eq!(
        cause.text,
        "no token is stored in the keyring for crm: enter it in the window or with `heartwire secret crm`"
    );
    let missing = SecretView { kind: SecretKind::Token, place: SecretPlace::Keyring, missing: true };
    assert_eq!(blocked.secret, Some(missing));
    assert_eq!(server.shown(), [] as [Option<String>; 0]);

    assert_eq!(app.set_secret("crm", "first").await, Reply::Ok);
    let up = app.in_state("crm", LinkState::Connected).await;
    assert_eq!(up.secret, Some(SecretView { missing: false, ..missing }));
    assert_eq!(server.shown(), [Some("Bearer first".to_owned())]);
    assert_eq!(ring.entry("crm").await.as_deref(), Some("first"));
    app.handle.stop().await;
}

#[tokio::test]
async fn invariant_17_a_refused_token_is_retried_after_five_minutes_or_at_once_when_it_changes() {
    let Some(ring) =
        Ring::open("stored::invariant_17_a_refused_token_is_retried_after_five_minutes_or_at_once_when_it_changes")
            .await
    else {
        return;
    };
    let server = Server::open().await;
    server.accept_only("Bearer good");
    ring.keyring().set("crm", &Secret::new("bad"), &|_| {}).await.unwrap();
    let app = App::with_crm(ring.keyring(), &server.address).await;
    let blocked = app.in_state("crm", LinkState::Blocked).await;
    let cause = blocked.cause.clone().unwrap();
    assert_eq!(
        (cause.code.as_str(), cause.text.as_str()),
        ("unauthorized", "the server refused the credentials (401 Unauthorized)")
    );
    assert!(!blocked.secret.unwrap().missing);
    let wait = retry_in_s(&blocked, &app.handle.snapshots().borrow());
    assert!((295..=360).contains(&wait), "{wait} s");

    assert_eq!(app.set_secret("crm", "good").await, Reply::Ok);
    app.in_state("crm", LinkState::Connected).await;
    assert_eq!(server.shown(), [Some("Bearer bad".to_owned()), Some("Bearer good".to_owned())]);
    app.handle.stop().await;
}

#[tokio::test]
async fn what_another_program_stored_counts_once_the_person_reconnects() {
    let Some(ring) = Ring::open("stored::what_another_program_stored_counts_once_the_person_reconnects").await else {
        return;
    };
    let server = Server::open().await;
    let app = App::with_crm(ring.keyring(), &server.address).await;
    app.in_state("crm", LinkState::Blocked).await;
    ring.keyring().set("crm", &Secret::new("elsewhere"), &|_| {}).await.unwrap();
    assert_eq!(app.handle.request(Request::Reconnect { connection: "crm".to_owned() }).await, Reply::Ok);
    app.in_state("crm", LinkState::Connected).await;
    assert_eq!(server.last().as_deref(), Some("Bearer elsewhere"));
    // Also while the old one is in use and known.
    ring.keyring().set("crm", &Secret::new("newer"), &|_| {}).await.unwrap();
    assert_eq!(app.handle.request(Request::Reconnect { connection: "crm".to_owned() }).await, Reply::Ok);
    app.until(|_| server.last().as_deref() == Some("Bearer newer")).await;
    app.handle.stop().await;
}

#[tokio::test]
async fn only_a_secret_of_the_keyring_that_a_server_can_take_is_set() {
    let Some(ring) = Ring::open("stored::only_a_secret_of_the_keyring_that_a_server_can_take_is_set").await else {
        return;
    };
    let server = Server::open().await;
    let app = App::with_crm(ring.keyring(), &server.address).await;
    for (secret, part) in [("", "is empty"), ("two words", "has a blank"), ("a\nb", "has a line break")] {
        let (code, message) = code(app.set_secret("crm", secret).await);
        assert_eq!(code, FailCode::SecretInvalid);
        assert!(message.contains(part), "{message}");
    }
    assert_eq!(code(app.set_secret("nobody", "x").await).0, FailCode::UnknownConnection);
    assert_eq!(ring.entry("crm").await, None);
    let elsewhere = [
        (SecretForm { env: Some("CRM_TOKEN".to_owned()), ..SecretForm::default() }, "environment variable CRM_TOKEN"),
        (SecretForm { file: Some("/no/file".to_owned()), ..SecretForm::default() }, "in the file /no/file"),
        (
            SecretForm { command: Some(vec!["false".to_owned(), "x".to_owned()]), ..SecretForm::default() },
            "the command false prints",
        ),
    ];
    for (place, part) in elsewhere {
        app.save(Some("crm"), form(&server.address, place)).await;
        let (code, message) = code(app.set_secret("crm", "x").await);
        assert_eq!(code, FailCode::SecretElsewhere);
        assert!(message.contains(part), "{message}");
    }
    app.save(Some("crm"), ConnectionForm { auth: None, ..in_keyring(&server.address) }).await;
    assert!(code(app.set_secret("crm", "x").await).1.contains("crm has no credentials"));
    app.handle.stop().await;
}

#[tokio::test]
async fn a_secret_goes_where_its_connection_goes() {
    let Some(ring) = Ring::open("stored::a_secret_goes_where_its_connection_goes").await else { return };
    let server = Server::open().await;
    server.accept_only("Bearer token");
    let app = App::with_crm(ring.keyring(), &server.address).await;
    app.in_state("crm", LinkState::Blocked).await;
    assert_eq!(app.set_secret("crm", "token").await, Reply::Ok);
    app.in_state("crm", LinkState::Connected).await;

    let renamed = ConnectionForm { name: Some("sales".to_owned()), ..in_keyring(&server.address) };
    app.save(Some("crm"), renamed).await;
    app.in_state("sales", LinkState::Connected).await;
    gone(&ring, "crm").await;
    assert_eq!(ring.entry("sales").await.as_deref(), Some("token"));

    let remove = Request::RemoveConnection { connection: "sales".to_owned() };
    assert_eq!(app.handle.request(remove).await, Reply::Ok);
    gone(&ring, "sales").await;
    assert_eq!(app.handle.snapshots().borrow().problems, []);
    app.handle.stop().await;
}

/// Waits until the keyring has nothing of this connection.
async fn gone(ring: &Ring, name: &str) {
    let gone = async {
        while ring.entry(name).await.is_some() {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(LIMIT, gone).await.expect("the entry stays");
}

#[tokio::test]
async fn a_secret_that_cannot_be_moved_is_not_lost_and_the_window_says_so() {
    let Some(ring) = Ring::open("stored::a_secret_that_cannot_be_moved_is_not_lost_and_the_window_says_so").await
    else {
        return;
    };
    let server = Server::open().await;
    ring.keyring().set("crm", &Secret::new("token"), &|_| {}).await.unwrap();
    let app = App::with_crm(ring.keyring(), &server.address).await;
    app.in_state("crm", LinkState::Connected).await;
    let _prompter = Prompter::start(&ring, true).await;
    ring.lock().await;
    let renamed = ConnectionForm { name: Some("sales".to_owned()), ..in_keyring(&server.address) };
    app.save(Some("crm"), renamed).await;
    let said = app.until(|snapshot| !snapshot.problems.is_empty()).await;
    assert_eq!(said.problems[0].kind, ProblemKind::Keyring);
    assert_eq!(
        said.problems[0].message,
        "the secret of crm is still under its old name (the keyring is locked and its prompt was dismissed): enter it again for sales"
    );
    // What was known in this run still serves the connection.
    app.in_state("sales", LinkState::Connected).await;
    app.handle.stop().await;
}
