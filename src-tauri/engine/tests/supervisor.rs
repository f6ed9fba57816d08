//! The supervisor with real parts: sockets on loopback, settings in a folder, a database file. Only notifications are off.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use heartwire_core::control::{FailCode, Reply, Request};
use heartwire_core::listen::Event;
use heartwire_core::settings::{ConnectionForm, FieldErrorCode, HeartbeatForm};
use heartwire_core::view::{ConnectionView, LinkState, ProblemKind, Snapshot};
use heartwire_engine::paths::Paths;
use heartwire_engine::supervisor::{self, Handle, Options, Source};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::Message;

/// Far more than anything here takes; a test that waits this long has failed.
const LIMIT: Duration = Duration::from_secs(20);

#[tokio::test]
async fn a_message_reaches_the_snapshot_and_the_events_once() {
    let mut server = Server::start().await;
    let home = Home::with(&server.connection("crm"));
    let mut app = home.app().await;
    server.opened().await;
    server.send(r#"{"id":"7","title":"Lead","text":"Call Ada"}"#);
    server.send(r#"{"id":"7","title":"Lead","text":"Call Ada"}"#);
    server.send(r#"{"id":"8","title":"Lead","text":"Call Bob"}"#);

    let snapshot = app.until(|snapshot| snapshot.messages.len() == 2).await;

    let bodies: Vec<_> = snapshot.messages.iter().map(|message| message.body.as_str()).collect();
    assert_eq!(bodies, ["Call Bob", "Call Ada"], "newest first, the repeated id once");
    let last = connection(&snapshot, "crm").last_message.clone().unwrap();
    assert_eq!(last.title, "Lead");
    let ids: Vec<_> = app.events_until(2, |event| matches!(event, Event::Message { .. })).await;
    assert_eq!(ids.len(), 2);
    app.handle.stop().await;
}

#[tokio::test]
async fn stopping_closes_every_socket_with_1001() {
    let mut server = Server::start().await;
    let home = Home::with(&server.connection("crm"));
    let app = home.app().await;
    server.opened().await;
    tokio::time::timeout(Duration::from_secs(3), app.handle.stop()).await.expect("stop is bounded");
    assert_eq!(server.closed().await, Some(1001));
}

#[tokio::test]
async fn a_pause_closes_with_1000_and_outlives_a_restart() {
    let mut server = Server::start().await;
    let home = Home::with(&server.connection("crm"));
    let mut app = home.app().await;
    server.opened().await;
    app.ask(Request::Pause { connection: Some("crm".into()) }).await;
    assert_eq!(server.closed().await, Some(1000));
    app.until(|snapshot| connection(snapshot, "crm").state == LinkState::Paused).await;
    app.handle.stop().await;

    let mut again = home.app().await;
    again.until(|snapshot| connection(snapshot, "crm").state == LinkState::Paused).await;
    assert_eq!(server.open_now(), 0);
    again.ask(Request::Resume { connection: None }).await;
    server.opened().await;
    again.until(|snapshot| connection(snapshot, "crm").state == LinkState::Connected).await;
    again.handle.stop().await;
}

#[tokio::test]
async fn an_outage_becomes_a_history_row_that_survives_a_restart() {
    let mut server = Server::start().await;
    let home = Home::with(&server.connection("crm"));
    let mut app = home.app().await;
    server.opened().await;
    app.until(|snapshot| connection(snapshot, "crm").state == LinkState::Connected).await;
    server.drop_all();
    let snapshot = app.until(|snapshot| snapshot.history.first().is_some_and(|row| row.until_ms.is_some())).await;
    let row = snapshot.history[0].clone();
    assert_eq!((row.connection.as_str(), row.cause.code.as_str()), ("crm", "reset"));
    assert!(row.until_ms.unwrap() >= row.from_ms);
    assert!(row.attempts >= 1);
    app.handle.stop().await;

    let mut again = home.app().await;
    let snapshot = again.until(|snapshot| !snapshot.history.is_empty()).await;
    assert_eq!(snapshot.history[0].id, row.id);
    assert!(connection(&snapshot, "crm").strip.parts.len() > 1, "the strip remembers the earlier run");
    again.handle.stop().await;
}

#[tokio::test]
async fn saving_dials_only_what_changed_and_never_holds_two_sockets() {
    let mut kept = Server::start().await;
    let mut changed = Server::start().await;
    let home = Home::with(&format!("{}{}", kept.connection("kept"), changed.connection("changed")));
    let mut app = home.app().await;
    kept.opened().await;
    changed.opened().await;

    let form = ConnectionForm {
        name: Some("changed".into()),
        url: Some(format!("ws://{}/other", changed.address)),
        ..ConnectionForm::default()
    };
    app.save(Some("changed"), form).await;

    changed.opened().await;
    app.until(|snapshot| connection(snapshot, "changed").url.ends_with("/other")).await;
    app.until(|snapshot| connection(snapshot, "changed").state == LinkState::Connected).await;
    assert_eq!(changed.most_open(), 1, "the old socket is closed before the new one opens");
    assert_eq!(kept.opened_so_far(), 1, "a connection that did not change is left alone");
    app.handle.stop().await;
}

#[tokio::test]
async fn what_cannot_be_is_refused_at_its_field_and_nothing_is_saved() {
    let server = Server::start().await;
    let home = Home::with(&server.connection("crm"));
    let app = home.app().await;
    let before = home.file();
    let form = ConnectionForm {
        name: Some("crm".into()),
        url: Some("ftp://example.org".into()),
        heartbeat: Some(HeartbeatForm { every: Some("0s".into()), ..HeartbeatForm::default() }),
        ..ConnectionForm::default()
    };
    let Reply::Invalid { errors } = app.ask_save(None, form).await else { panic!("it was taken") };
    let mut found: Vec<_> = errors.iter().map(|error| (error.field.as_str(), error.code)).collect();
    found.sort_by_key(|(field, _)| *field);
    let wanted = [
        ("heartbeat.every", FieldErrorCode::DurationZero),
        ("name", FieldErrorCode::NameTaken),
        ("url", FieldErrorCode::UrlScheme),
    ];
    assert_eq!(found, wanted);
    assert_eq!(home.file(), before);
    app.handle.stop().await;
}

#[tokio::test]
async fn a_broken_entry_is_a_problem_with_its_line_and_the_others_run() {
    let mut server = Server::start().await;
    let broken = "[[connections]]\nname = \"broken\"\nurl = \"gopher://example.org\"\n\n";
    let home = Home::with(&format!("{broken}{}", server.connection("crm")));
    let mut app = home.app().await;
    server.opened().await;
    let snapshot = app.until(|snapshot| snapshot.connections.len() == 1).await;
    let problem = &snapshot.problems[0];
    assert_eq!((problem.kind, problem.line), (ProblemKind::Settings, Some(3)));
    assert!(!snapshot.demo, "a broken file is not an empty one");
    app.handle.stop().await;
}

#[tokio::test]
async fn with_nothing_configured_the_demo_runs_until_a_connection_is_added() {
    let mut server = Server::start().await;
    let home = Home::with("");
    let mut app = home.app().await;
    let snapshot =
        app.until(|snapshot| snapshot.demo && connection(snapshot, "Demo").state == LinkState::Connected).await;
    assert_eq!(snapshot.connections.len(), 1);
    app.until(|snapshot| !snapshot.messages.is_empty()).await;

    let form = ConnectionForm {
        name: Some("mine".into()),
        url: Some(format!("ws://{}/", server.address)),
        ..ConnectionForm::default()
    };
    app.save(None, form).await;
    server.opened().await;
    let snapshot = app.until(|snapshot| !snapshot.demo).await;
    assert_eq!(snapshot.connections.iter().map(|view| view.name.as_str()).collect::<Vec<_>>(), ["mine"]);
    app.handle.stop().await;
}

#[tokio::test]
async fn text_is_sent_while_connected_and_refused_otherwise() {
    let mut server = Server::start().await;
    let home = Home::with(&server.connection("crm"));
    let mut app = home.app().await;
    server.opened().await;
    app.until(|snapshot| connection(snapshot, "crm").state == LinkState::Connected).await;
    assert_eq!(app.send("crm", "hello").await, Reply::Ok);
    assert_eq!(server.received().await, "hello");
    app.ask(Request::Pause { connection: Some("crm".into()) }).await;
    for (name, code) in [("crm", FailCode::NotConnected), ("nobody", FailCode::UnknownConnection)] {
        let Reply::Failed { code: found, .. } = app.send(name, "hello").await else { panic!("{name} took it") };
        assert_eq!(found, code);
    }
    app.handle.stop().await;
}

#[tokio::test]
async fn a_database_that_cannot_be_opened_is_said_and_the_links_run() {
    let mut server = Server::start().await;
    let home = Home::with(&server.connection("crm"));
    std::fs::create_dir_all(home.paths().database).unwrap();
    let mut app = home.app().await;
    server.opened().await;
    server.send("still here");
    let snapshot = app.until(|snapshot| !snapshot.messages.is_empty()).await;
    assert!(snapshot.problems.iter().any(|problem| problem.kind == ProblemKind::Storage));
    app.handle.stop().await;
}

fn connection<'a>(snapshot: &'a Snapshot, name: &str) -> &'a ConnectionView {
    static MISSING: std::sync::OnceLock<ConnectionView> = std::sync::OnceLock::new();
    snapshot.connections.iter().find(|view| view.name == name).unwrap_or_else(|| {
        MISSING.get_or_init(|| ConnectionView {
            name: String::new(),
            url: String::new(),
            dialect: String::new(),
            preset: None,
            state: LinkState::Stopped,
            since_ms: 0,
            cause: None,
            down_since_ms: None,
            retry_at_ms: None,
            attempt: 0,
            heartbeat: None,
            last_message: None,
            strip: heartwire_core::view::Strip { parts: Vec::new(), up_percent: None },
        })
    })
}

/// A folder of its own for settings and data.
struct Home {
    folder: tempfile::TempDir,
}

impl Home {
    fn with(settings: &str) -> Self {
        let home = Self { folder: tempfile::tempdir().unwrap() };
        let file = home.paths().settings_file;
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, settings).unwrap();
        home
    }

    fn paths(&self) -> Paths {
        Paths::under(Path::new(self.folder.path())).unwrap()
    }

    fn file(&self) -> String {
        std::fs::read_to_string(self.paths().settings_file).unwrap()
    }

    async fn app(&self) -> App {
        let (sender, events) = mpsc::channel(1024);
        let handle = supervisor::start(Options {
            settings: Source::Files { paths: self.paths(), environment: Default::default() },
            database: Some(self.paths().database),
            notify: None,
            demo: true,
            events: Some(sender),
        })
        .await
        .unwrap();
        App { handle, events }
    }
}

struct App {
    handle: Handle,
    events: mpsc::Receiver<Event>,
}

impl App {
    async fn until(&mut self, holds: impl Fn(&Snapshot) -> bool) -> Arc<Snapshot> {
        let mut snapshots = self.handle.snapshots();
        let waited = tokio::time::timeout(LIMIT, snapshots.wait_for(|snapshot| holds(snapshot))).await;
        match waited {
            Ok(found) => found.unwrap().clone(),
            Err(_) => panic!("it never came to this: {:#?}", self.handle.snapshots().borrow()),
        }
    }

    async fn events_until(&mut self, count: usize, wanted: impl Fn(&Event) -> bool) -> Vec<Event> {
        let mut found = Vec::new();
        while found.len() < count {
            let event = tokio::time::timeout(LIMIT, self.events.recv()).await.expect("an event").unwrap();
            if wanted(&event) {
                found.push(event);
            }
        }
        found
    }

    async fn ask(&self, request: Request) {
        assert_eq!(self.handle.request(request).await, Reply::Ok);
    }

    async fn ask_save(&self, replaces: Option<&str>, form: ConnectionForm) -> Reply {
        let replaces = replaces.map(str::to_owned);
        self.handle
            .request(Request::SaveConnection { replaces, form: Box::new(form), answers: Default::default() })
            .await
    }

    async fn save(&self, replaces: Option<&str>, form: ConnectionForm) {
        assert_eq!(self.ask_save(replaces, form).await, Reply::Ok);
    }

    async fn send(&self, connection: &str, text: &str) -> Reply {
        self.handle.request(Request::Send { connection: connection.into(), text: text.into() }).await
    }
}

/// A WebSocket server that tells what its clients do.
struct Server {
    address: std::net::SocketAddr,
    orders: tokio::sync::broadcast::Sender<Order>,
    happened: mpsc::UnboundedReceiver<Happened>,
    counts: Arc<Counts>,
}

#[derive(Default)]
struct Counts {
    open: AtomicUsize,
    most: AtomicUsize,
    total: AtomicUsize,
}

#[derive(Clone, Debug)]
enum Order {
    Send(String),
    Drop,
}

#[derive(Debug)]
enum Happened {
    Opened,
    Received(String),
    Closed(Option<u16>),
}

impl Server {
    async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (orders, _) = tokio::sync::broadcast::channel(64);
        let (tell, happened) = mpsc::unbounded_channel();
        let counts = Arc::new(Counts::default());
        let (orders_for, counts_for) = (orders.clone(), counts.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(client(stream, orders_for.subscribe(), tell.clone(), counts_for.clone()));
            }
        });
        Self { address, orders, happened, counts }
    }

    fn connection(&self, name: &str) -> String {
        let reconnect = "[connections.reconnect]\nfirst = \"300ms\"\ncap = \"1s\"\n\n";
        format!("[[connections]]\nname = \"{name}\"\nurl = \"ws://{}/\"\n{reconnect}", self.address)
    }

    fn send(&self, text: &str) {
        self.orders.send(Order::Send(text.into())).unwrap();
    }

    fn drop_all(&self) {
        self.orders.send(Order::Drop).unwrap();
    }

    fn open_now(&self) -> usize {
        self.counts.open.load(Ordering::SeqCst)
    }

    fn most_open(&self) -> usize {
        self.counts.most.load(Ordering::SeqCst)
    }

    fn opened_so_far(&self) -> usize {
        self.counts.total.load(Ordering::SeqCst)
    }

    async fn next(&mut self) -> Happened {
        tokio::time::timeout(LIMIT, self.happened.recv()).await.expect("the server saw nothing").unwrap()
    }

    async fn opened(&mut self) {
        while !matches!(self.next().await, Happened::Opened) {}
    }

    async fn closed(&mut self) -> Option<u16> {
        loop {
            if let Happened::Closed(code) = self.next().await {
                return code;
            }
        }
    }

    async fn received(&mut self) -> String {
        loop {
            if let Happened::Received(text) = self.next().await {
                return text;
            }
        }
    }
}

async fn client(
    stream: tokio::net::TcpStream,
    mut orders: tokio::sync::broadcast::Receiver<Order>,
    tell: mpsc::UnboundedSender<Happened>,
    counts: Arc<Counts>,
) {
    let Ok(mut socket) = tokio_tungstenite::accept_async(stream).await else { return };
    let open = counts.open.fetch_add(1, Ordering::SeqCst) + 1;
    counts.most.fetch_max(open, Ordering::SeqCst);
    counts.total.fetch_add(1, Ordering::SeqCst);
    let _ = tell.send(Happened::Opened);
    let code = loop {
        tokio::select! {
            order = orders.recv() => match order {
                Ok(Order::Send(text)) => socket.send(Message::text(text)).await.unwrap(),
                _ => break None,
            },
            frame = socket.next() => match frame {
                Some(Ok(Message::Text(text))) => { let _ = tell.send(Happened::Received(text.to_string())); }
                Some(Ok(Message::Close(close))) => break close.map(|close| close.code.into()),
                Some(Ok(_)) => {}
                _ => break None,
            },
        }
    };
    counts.open.fetch_sub(1, Ordering::SeqCst);
    if code.is_some() {
        // Lets the closing handshake end.
        let _ = socket.next().await;
    }
    let _ = tell.send(Happened::Closed(code));
}
