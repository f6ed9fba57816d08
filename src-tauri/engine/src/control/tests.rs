//! On real sockets in a temporary folder, against a resident that only counts.

#![cfg(unix)]

use std::fs::Permissions;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use heartwire_core::control::{ClientLine, FailCode, MAX_LINE, Reply, Request, ServerLine, WindowView};
use heartwire_core::settings::{General, Language};
use heartwire_core::view::{Problem, ProblemKind, Snapshot};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::sync::{broadcast, mpsc, watch};
use tokio::task::JoinHandle;
use xtask::test::skip;

use super::socket::connect_to;
use super::{Client, ControlError, Listener, Push, Resident, ShellRequest, bind, serve};

#[tokio::test]
async fn two_clients_get_their_own_replies_and_the_same_snapshots() {
    let house = House::open();
    let (one, two) = (house.client().await, house.client().await);
    let (first, second) = tokio::join!(one.request(Request::Status), two.request(pause("crm")));
    assert!(matches!(first, Ok(Reply::Snapshot { snapshot }) if snapshot.revision == 1));
    assert_eq!(second.unwrap(), Reply::Ok);
    assert_eq!(house.asked(), 1, "a status is answered without the supervisor");

    for client in [&one, &two] {
        assert!(matches!(client.request(Request::Subscribe).await, Ok(Reply::Snapshot { .. })));
    }
    house.publish(2);
    for client in [&one, &two] {
        let mut snapshots = client.snapshots();
        let newest = within(snapshots.wait_for(Option::is_some)).await.unwrap().clone().unwrap();
        assert_eq!(newest.revision, 2);
    }
}

#[tokio::test]
async fn a_client_that_did_not_subscribe_gets_nothing_unasked() {
    let house = House::open();
    let mut raw = house.raw().await;
    house.publish(2);
    house.pushes.send(Push::Raise).unwrap_err();
    raw.ask(7, Request::Status).await;
    assert!(matches!(raw.line().await, Some(ServerLine::Reply { id: 7, .. })));
}

#[tokio::test]
async fn windows_that_subscribed_are_raised_and_told_which_view_to_show() {
    let house = House::open();
    let client = house.client().await;
    let mut pushes = client.pushes();
    client.request(Request::Subscribe).await.unwrap();
    client.request(Request::Status).await.unwrap();
    for push in [Push::Raise, Push::ShowView(WindowView::Settings)] {
        house.pushes.send(push).unwrap();
        assert_eq!(within(pushes.recv()).await.unwrap(), push);
    }
}

#[tokio::test]
async fn the_shell_is_asked_to_show_the_window_and_to_quit() {
    let mut house = House::open();
    let client = house.client().await;
    let asking = client.clone();
    let shown = tokio::spawn(async move { asking.request(Request::ShowWindow).await });
    let Some(ShellRequest::ShowWindow(reply)) = within(house.shell.recv()).await else { panic!("not ShowWindow") };
    reply.send(Reply::Ok).unwrap();
    assert_eq!(shown.await.unwrap().unwrap(), Reply::Ok);
    assert_eq!(client.request(Request::Quit).await.unwrap(), Reply::Ok);
    assert!(matches!(within(house.shell.recv()).await, Some(ShellRequest::Quit)));
}

#[tokio::test]
async fn nothing_waits_for_the_end_of_a_test() {
    let house = House::open();
    let mut raw = house.raw().await;
    raw.ask(1, Request::TestConnection { connection: "crm".to_owned() }).await;
    raw.ask(2, Request::Status).await;
    assert!(matches!(raw.line().await, Some(ServerLine::Reply { id: 2, reply: Reply::Snapshot { .. } })));
    assert!(matches!(raw.line().await, Some(ServerLine::Reply { id: 1, reply: Reply::Ok })));
}

#[tokio::test]
async fn garbage_is_refused_with_its_id_and_closes_the_client_when_repeated() {
    let house = House::open();
    let mut raw = house.raw().await;
    let garbage = ["what?", r#"{"id":9,"request":{"kind":"format-disk"}}"#, "\u{0}\u{1}[[[[["];
    for (line, id) in garbage.into_iter().zip([0, 9, 0]) {
        raw.write(line.as_bytes()).await;
        raw.write(b"\n").await;
        match raw.line().await {
            Some(ServerLine::Reply { id: got, reply: Reply::Failed { code, .. } }) => {
                assert_eq!((got, code), (id, FailCode::BadRequest));
            }
            other => panic!("{line}: {other:?}"),
        }
    }
    assert_eq!(raw.line().await, None, "the third garbage line closes the connection");
    assert_eq!(house.asked(), 0);
    assert!(house.client().await.request(Request::Status).await.is_ok());
}

#[tokio::test]
async fn a_line_above_the_limit_closes_the_client_and_no_other() {
    let house = House::open();
    let other = house.client().await;
    let mut raw = house.raw().await;
    let chunk = vec![b'x'; 64 * 1024];
    for _ in 0..=MAX_LINE / chunk.len() {
        // The server may have closed already.
        let _ = raw.stream.write_all(&chunk).await;
    }
    let refused = raw.line().await;
    assert!(matches!(refused, Some(ServerLine::Reply { id: 0, reply: Reply::Failed { .. } }) | None), "{refused:?}");
    assert!(other.request(Request::Status).await.is_ok());
}

#[tokio::test]
async fn replies_asked_for_before_the_client_stops_writing_still_arrive() {
    let house = House::open();
    let mut raw = house.raw().await;
    raw.ask(1, Request::Status).await;
    raw.ask(2, pause("crm")).await;
    raw.stream.shutdown().await.unwrap();
    for id in [1, 2] {
        assert!(matches!(raw.line().await, Some(ServerLine::Reply { id: got, .. }) if got == id));
    }
    assert_eq!(raw.line().await, None);
}

#[tokio::test]
async fn a_flood_reaches_the_supervisor_at_a_bounded_rate_and_delays_nobody() {
    let house = House::open();
    let other = house.client().await;
    let flood = house.raw().await;
    let began = Instant::now();
    let flooding = tokio::spawn(async move {
        let mut stream = flood.stream;
        let line = line_of(1, pause("crm"));
        while stream.write_all(&line).await.is_ok() {}
    });
    let mut slowest = Duration::ZERO;
    for _ in 0..20 {
        let asked = Instant::now();
        other.request(Request::Status).await.unwrap();
        slowest = slowest.max(asked.elapsed());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let (count, windows) = (house.asked(), began.elapsed().as_secs() + 1);
    flooding.abort();
    assert!(count <= 200 * windows, "{count} requests came through in {windows} s");
    assert!(count > 0, "the flood was never served");
    assert!(slowest < Duration::from_secs(1), "another client waited {slowest:?}");
}

#[tokio::test]
async fn a_client_sees_few_snapshots_of_many_and_always_the_newest() {
    let house = House::open();
    let mut raw = house.raw().await;
    raw.ask(1, Request::Subscribe).await;
    assert!(matches!(raw.line().await, Some(ServerLine::Reply { id: 1, .. })));
    let began = Instant::now();
    for revision in 2..=60 {
        house.publish(revision);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let mut seen = Vec::new();
    while seen.last() != Some(&60) {
        match raw.line().await {
            Some(ServerLine::Snapshot(snapshot)) => seen.push(snapshot.revision),
            other => panic!("{other:?}"),
        }
    }
    let most = began.elapsed().as_millis() / 250 + 2;
    assert!(seen.len() as u128 <= most, "{} snapshots where {most} are the most: {seen:?}", seen.len());
}

#[tokio::test]
async fn a_client_that_does_not_read_is_dropped() {
    let house = House::open();
    let mut raw = house.raw().await;
    raw.ask(1, Request::Subscribe).await;
    house.publish_large(2);
    let mut revision = 2;
    let closed = async {
        // Writing fails once the server has dropped its end; until then the lines below are read and answered into a
        // queue that nobody empties.
        loop {
            revision += 1;
            house.publish_large(revision);
            if raw.stream.write_all(b" ").await.is_err() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(15), closed).await.expect("the client was never dropped");
}

#[tokio::test]
async fn the_seventeenth_client_is_told_and_a_place_that_is_free_again_is_given() {
    let house = House::open();
    let mut sixteen = Vec::new();
    for _ in 0..16 {
        let client = house.client().await;
        client.request(Request::Status).await.unwrap();
        sixteen.push(client);
    }
    let mut raw = house.raw().await;
    assert!(matches!(raw.line().await, Some(ServerLine::Reply { id: 0, reply: Reply::Failed { .. } })));
    assert_eq!(raw.line().await, None);
    sixteen.pop();
    let again = async {
        while house.client().await.request(Request::Status).await.is_err() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    within(again).await;
}

#[tokio::test]
async fn a_client_learns_that_the_resident_has_ended() {
    let house = House::open();
    let client = house.client().await;
    client.request(Request::Status).await.unwrap();
    house.server.abort();
    within(client.closed()).await;
    assert!(matches!(client.request(Request::Status).await, Err(ControlError::Closed)));
    let path = house.path();
    within(async {
        while path.exists() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    assert!(matches!(Client::connect(&path).await, Err(ControlError::NotRunning(_))));
}

#[tokio::test]
async fn the_socket_of_a_dead_resident_is_replaced_but_a_file_is_not() {
    let (_folder, path) = private_place();
    // The standard library's listener leaves its file behind, as a killed resident does.
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    assert!(matches!(Client::connect(&path).await, Err(ControlError::NotRunning(_))));
    let listener = bind(&path).unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    drop(listener);

    std::fs::write(&path, "a person's file").unwrap();
    assert!(bind(&path).is_err());
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "a person's file");
}

#[tokio::test]
async fn another_users_connection_is_closed_unanswered() {
    let (folder, path) = private_place();
    let house = House::at(folder, bind(&path).unwrap().of_another_user(), path);
    let mut raw = house.raw().await;
    let _ = raw.stream.write_all(&line_of(1, Request::Quit)).await;
    assert_eq!(raw.line().await, None);
    assert_eq!(house.asked(), 0);
}

#[tokio::test]
async fn a_real_other_user_gets_nothing_even_when_the_files_let_it_in() {
    let name = "a_real_other_user_gets_nothing_even_when_the_files_let_it_in";
    let house = House::open();
    let folder = house.path().parent().unwrap().to_owned();
    for path in [house.path(), folder, house.folder.path().to_owned()] {
        std::fs::set_permissions(path, Permissions::from_mode(0o777)).unwrap();
    }
    let script = "import socket,sys; s=socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); \
                  s.sendall(b'{\"id\":1,\"request\":{\"kind\":\"status\"}}\\n'); print(len(s.recv(100)))";
    let ran = as_nobody(script, &house.path()).output().await;
    let got = match ran {
        Ok(ran) if ran.status.success() => String::from_utf8(ran.stdout).unwrap(),
        // Closed while the client wrote, or with its line unread: as good as an empty answer.
        Ok(ran) if closed_on(&ran.stderr) => "0".to_owned(),
        Ok(ran) => return skip(name, String::from_utf8_lossy(&ran.stderr).trim()),
        Err(error) => return skip(name, &format!("no setpriv: {error}")),
    };
    assert_eq!(got.trim(), "0", "another user was answered");
    assert_eq!(house.asked(), 0);
    assert!(house.client().await.request(Request::Status).await.is_ok());
}

#[tokio::test]
async fn a_socket_in_a_folder_that_is_not_this_users_alone_is_not_made() {
    let home = tempfile::tempdir().unwrap();
    let check = |folder: &Path, reason: &str| {
        let error = bind(&folder.join("control.sock")).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::PermissionDenied, "{error}");
        let words = error.to_string();
        assert!(words.contains(&folder.display().to_string()) && words.contains(reason), "{reason}: {words}");
        assert!(!folder.join("control.sock").exists(), "{reason}");
    };
    let folder = home.path().join("open");
    std::fs::create_dir(&folder).unwrap();
    for mode in [0o755, 0o770, 0o701, 0o1777] {
        std::fs::set_permissions(&folder, Permissions::from_mode(mode)).unwrap();
        check(&folder, "chmod 700");
    }
    std::fs::set_permissions(&folder, Permissions::from_mode(0o700)).unwrap();
    drop(bind(&folder.join("control.sock")).unwrap());
    let link = home.path().join("link");
    std::os::unix::fs::symlink(&folder, &link).unwrap();
    check(&link, "is not a folder");
    match std::os::unix::fs::chown(&folder, Some(NOBODY), None) {
        Ok(()) => check(&folder, "belongs to another user (uid 65534)"),
        Err(error) => {
            let name = "a_socket_in_a_folder_that_is_not_this_users_alone_is_not_made";
            skip(name, &format!("no folder can be given away: {error}"));
        }
    }
}

#[tokio::test]
async fn a_client_sends_nothing_to_a_socket_of_another_user() {
    let house = House::open();
    let me = std::fs::metadata(house.path()).unwrap().uid();
    assert!(connect_to(&house.path(), me).await.is_ok());
    let refused = connect_to(&house.path(), me + 1).await;
    assert!(matches!(refused, Err(ControlError::OtherUser { uid, .. }) if uid == me), "{refused:?}");
}

#[tokio::test]
async fn a_socket_that_another_user_put_in_our_place_gets_no_byte() {
    let folder = tempfile::tempdir().unwrap();
    // The umask counts where a folder is made.
    std::fs::set_permissions(folder.path(), Permissions::from_mode(0o777)).unwrap();
    let path = folder.path().join("control.sock");
    let script = "import os,socket,sys; s=socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); s.listen(1); \
                  os.chmod(sys.argv[1], 0o777); print('ready', flush=True); c,_=s.accept(); print(len(c.recv(100)))";
    let spawned = as_nobody(script, &path).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true).spawn();
    let name = "a_socket_that_another_user_put_in_our_place_gets_no_byte";
    let mut thief = match spawned {
        Ok(thief) => thief,
        Err(error) => return skip(name, &format!("no setpriv: {error}")),
    };
    let mut said = BufReader::new(thief.stdout.take().unwrap()).lines();
    if within(said.next_line()).await.unwrap().is_none() {
        let mut why = String::new();
        thief.stderr.take().unwrap().read_to_string(&mut why).await.unwrap();
        return skip(name, why.trim());
    }
    let refused = Client::connect(&path).await;
    assert!(matches!(refused, Err(ControlError::OtherUser { uid: NOBODY, .. })), "{refused:?}");
    assert_eq!(within(said.next_line()).await.unwrap().as_deref(), Some("0"), "it was sent something");
}

/// Where a socket may be, in a folder that goes with the first value.
fn private_place() -> (tempfile::TempDir, std::path::PathBuf) {
    let private = Permissions::from_mode(0o700);
    let folder = tempfile::Builder::new().permissions(private).tempdir().unwrap();
    let path = folder.path().join("control.sock");
    (folder, path)
}

/// The user who owns nothing.
const NOBODY: u32 = 65534;

/// A Python script as another user, with the socket's path as its argument.
fn as_nobody(script: &str, path: &Path) -> tokio::process::Command {
    let mut command = tokio::process::Command::new("setpriv");
    let nobody = NOBODY.to_string();
    command
        .args(["--reuid", &nobody, "--regid", &nobody, "--clear-groups", "/usr/bin/python3", "-c", script])
        .arg(path);
    command
}

/// Whether a Python client's last words say that the server closed.
fn closed_on(stderr: &[u8]) -> bool {
    let words = String::from_utf8_lossy(stderr);
    words.contains("BrokenPipeError") || words.contains("ConnectionResetError")
}

/// Answers everything with Ok and counts.
#[derive(Clone)]
struct Double {
    asked: Arc<AtomicU64>,
    snapshots: watch::Receiver<Arc<Snapshot>>,
}

impl Resident for Double {
    async fn request(&self, request: Request) -> Reply {
        self.asked.fetch_add(1, Ordering::Relaxed);
        if let Request::TestConnection { .. } = request {
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
        Reply::Ok
    }

    fn snapshots(&self) -> watch::Receiver<Arc<Snapshot>> {
        self.snapshots.clone()
    }
}

/// A served socket and everything behind it.
struct House {
    folder: tempfile::TempDir,
    path: std::path::PathBuf,
    double: Double,
    newest: watch::Sender<Arc<Snapshot>>,
    shell: mpsc::Receiver<ShellRequest>,
    pushes: broadcast::Sender<Push>,
    server: JoinHandle<()>,
}

impl House {
    fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run").join("control.sock");
        let listener = bind(&path).unwrap();
        Self::at(folder, listener, path)
    }

    fn at(folder: tempfile::TempDir, listener: Listener, path: std::path::PathBuf) -> Self {
        let (newest, snapshots) = watch::channel(Arc::new(snapshot(1)));
        let (to_shell, shell) = mpsc::channel(4);
        let (pushes, _) = broadcast::channel(4);
        let double = Double { asked: Arc::default(), snapshots };
        let server = tokio::spawn(serve(listener, double.clone(), to_shell, pushes.clone()));
        Self { folder, path, double, newest, shell, pushes, server }
    }

    fn path(&self) -> std::path::PathBuf {
        self.path.clone()
    }

    async fn client(&self) -> Client {
        Client::connect(&self.path).await.unwrap()
    }

    async fn raw(&self) -> Raw {
        Raw { stream: BufReader::new(UnixStream::connect(&self.path).await.unwrap()) }
    }

    fn asked(&self) -> u64 {
        self.double.asked.load(Ordering::Relaxed)
    }

    fn publish(&self, revision: u64) {
        self.newest.send_replace(Arc::new(snapshot(revision)));
    }

    /// A megabyte, so that a socket's buffer holds none of it.
    fn publish_large(&self, revision: u64) {
        let mut large = snapshot(revision);
        let message = "x".repeat(1024 * 1024);
        large.problems.push(Problem { kind: ProblemKind::Storage, file: None, line: None, message });
        self.newest.send_replace(Arc::new(large));
    }
}

/// A client that writes what it likes.
struct Raw {
    stream: BufReader<UnixStream>,
}

impl Raw {
    async fn write(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    async fn ask(&mut self, id: u64, request: Request) {
        self.write(&line_of(id, request)).await;
    }

    /// The next line; none when the server has closed.
    async fn line(&mut self) -> Option<ServerLine> {
        let mut line = Vec::new();
        match within((&mut self.stream).take(MAX_LINE as u64).read_until(b'\n', &mut line)).await {
            Ok(1..) => Some(serde_json::from_slice(&line).unwrap()),
            Ok(0) | Err(_) => None,
        }
    }
}

fn line_of(id: u64, request: Request) -> Vec<u8> {
    let mut line = serde_json::to_vec(&ClientLine { id, request }).unwrap();
    line.push(b'\n');
    line
}

fn pause(connection: &str) -> Request {
    Request::Pause { connection: Some(connection.to_owned()) }
}

async fn within<F: Future>(what: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(10), what).await.expect("nothing happened within 10 s")
}

fn snapshot(revision: u64) -> Snapshot {
    Snapshot {
        revision,
        at_ms: 0,
        connections: Vec::new(),
        history: Vec::new(),
        messages: Vec::new(),
        problems: Vec::new(),
        general: General { notifications: true, language: Language::System, keep_messages: 1 },
        demo: false,
        settings_file: String::new(),
    }
}
