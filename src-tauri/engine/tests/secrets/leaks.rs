//! A canary in the place of each secret: it reaches its server and is found nowhere else.

use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, Mutex};

use heartwire_core::control::{ClientLine, Reply, Request};
use heartwire_core::secret::Secret;
use heartwire_core::settings::{SecretForm, SecretSource};
use heartwire_core::view::LinkState;
use heartwire_engine::control::{self, Client};
use heartwire_engine::dial::DialRequest;
use heartwire_engine::paths::Paths;
use heartwire_engine::secrets::{Credentials, Keyring};
use heartwire_engine::tls::TlsConfig;
use tokio::sync::{broadcast, mpsc};
use tracing_subscriber::fmt::MakeWriter;

use crate::ring::Ring;
use crate::server::Server;
use crate::stored::{App, in_keyring};
use crate::{connection, form, token};

const CANARY: &str = "canary-7f3a91";

/// Everything that is logged in this process, by ours and by the libraries.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn a_canary_reaches_its_server_and_nothing_else() {
    let Some(ring) = Ring::open("leaks::a_canary_reaches_its_server_and_nothing_else").await else { return };
    let log = Log::default();
    let subscriber =
        tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_ansi(false).with_writer(log.clone());
    tracing::subscriber::set_global_default(subscriber.finish()).unwrap();
    let (good, bad) = (Server::open().await, Server::open().await);
    good.accept_only(&format!("Bearer {CANARY}"));
    bad.accept_only("nobody");
    let app = App::start(ring.keyring()).await;
    let paths = Paths::under(app.home.path()).unwrap();
    // In the keyring, by the control socket; behind a file that others can read; behind a command that fails after it.
    app.save(None, in_keyring(&good.address)).await;
    app.in_state("crm", LinkState::Blocked).await;
    through_the_socket(&app, &paths, Request::SetSecret { connection: "crm".into(), secret: Secret::new(CANARY) })
        .await;
    app.in_state("crm", LinkState::Connected).await;
    let secrets = tempfile::tempdir().unwrap();
    let file = secrets.path().join("secret");
    std::fs::write(&file, CANARY).unwrap();
    let in_file = SecretForm { file: Some(file.to_str().unwrap().to_owned()), ..SecretForm::default() };
    let words = ["sh", "-c", "read secret < \"$0\"; echo \"$secret\"; exit 1", file.to_str().unwrap()];
    let failing = SecretForm { command: Some(words.map(str::to_owned).into()), ..SecretForm::default() };
    for (name, place) in [("file", in_file), ("command", failing)] {
        let mut form = form(&bad.address, place);
        form.name = Some(name.to_owned());
        app.save(None, form).await;
        app.in_state(name, LinkState::Blocked).await;
    }
    assert_eq!(app.handle.request(Request::RemoveConnection { connection: "crm".into() }).await, Reply::Ok);

    let mut seen = vec![format!("{:?}", app.handle.snapshots().borrow())];
    seen.push(serde_json::to_string(&*app.handle.snapshots().borrow().clone()).unwrap());
    app.handle.stop().await;
    seen.extend(debugged(&ring));
    seen.push(String::from_utf8_lossy(&log.0.lock().unwrap()).into_owned());
    seen.push(contents(app.home.path()));

    let log = &seen[seen.len() - 2];
    assert!(
        log.contains("crm: connected") && log.contains("others on this computer can read it"),
        "nothing was logged"
    );
    assert!(log.contains("TRACE zbus"), "the libraries' words are not among it");
    assert!(seen.last().unwrap().contains("SQLite format 3"), "the database is not among it");
    for text in &seen {
        if let Some(at) = text.find(CANARY) {
            let from = text[..at].char_indices().rev().nth(200).map_or(0, |(at, _)| at);
            panic!("it leaked: …{}", &text[from..at + CANARY.len()]);
        }
    }
    assert_eq!(good.last(), Some(format!("Bearer {CANARY}")));
    assert_eq!(bad.last(), Some(format!("Bearer {CANARY}")));
}

#[tokio::test]
async fn a_canary_where_its_place_belongs_is_in_no_problem() {
    let wrong = [
        "auth = { kind = 'token', secret = 'CANARY' }",
        "auth = { kind = 'token', secret = { keyring = 'CANARY' } }",
        "auth = { kind = 'token', secret = { command = 'CANARY' } }",
        "auth = { kind = 'token', secret = { file = 'CANARY' } }",
        "auth = { kind = 'token', secret = ['CANARY'] }",
        "auth = 'CANARY'",
        "proxy = 'http://me:CANARY@proxy'",
        "proxy.url = 'CANARY:x@proxy:80'",
    ];
    let entry = |(at, wrong): (usize, &&str)| {
        format!("[[connections]]\nname = '{at}'\nurl = 'ws://127.0.0.1:1'\n{}\n", wrong.replace("CANARY", CANARY))
    };
    let file: String = wrong.iter().enumerate().map(entry).collect();
    let app = App::start_with(Keyring::session("heartwire test"), &file).await;
    let snapshot = app.handle.snapshots().borrow().clone();
    app.handle.stop().await;
    assert_eq!(snapshot.problems.len(), wrong.len(), "{:#?}", snapshot.problems);
    let seen = serde_json::to_string(&*snapshot).unwrap();
    assert!(!seen.contains(CANARY), "{:#?}", snapshot.problems);
}

async fn through_the_socket(app: &App, paths: &Paths, request: Request) {
    let listener = control::bind(&paths.control_socket).unwrap();
    let (shell, _orders) = mpsc::channel(1);
    let (pushes, _) = broadcast::channel(1);
    let serving = tokio::spawn(control::serve(listener, app.handle.clone(), shell, pushes));
    let client = Client::connect(&paths.control_socket).await.unwrap();
    assert_eq!(client.request(request).await.unwrap(), Reply::Ok);
    serving.abort();
}

/// Whatever holds the secret, as a `{:?}` in a log line would show it.
fn debugged(ring: &Ring) -> Vec<String> {
    let secret = Secret::new(CANARY);
    let line = ClientLine { id: 1, request: Request::SetSecret { connection: "crm".into(), secret: secret.clone() } };
    let connection = connection("ws://127.0.0.1:1/", token(SecretSource::Keyring));
    let credentials = Credentials::new(&connection, &ring.keyring());
    credentials.know(secret.clone());
    let dial = DialRequest::with(&connection, TlsConfig::platform(), credentials.clone());
    vec![format!("{line:#?}"), format!("{secret:?}"), format!("{credentials:#?}"), format!("{dial:#?}")]
}

/// Every file below a folder.
fn contents(folder: &Path) -> String {
    let mut all = String::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all += &contents(&path);
        } else if path.is_file() {
            all += &String::from_utf8_lossy(&std::fs::read(&path).unwrap());
        }
    }
    all
}
