//! Opening a socket: name, TCP, proxy, TLS and upgrade under one deadline, and every failure in words. It never retries
//! and never waits for anything but the secret and the network. What is fetched beside a socket goes by the same way.

mod connect;
mod failure;
mod offline;
mod proxy;
mod redirect;
mod request;
mod route;
mod watch;

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};
use tokio_tungstenite::client_async_with_config;
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::handshake::client::Request;
use url::Url;

use heartwire_core::cause::{Cause, CauseCode};
use heartwire_core::dialect::Login;
use heartwire_core::dialect::sockjs::may_stand_in;
use heartwire_core::settings::{Connection, Proxy};

use crate::secrets::{Credentials, Keyring};
use crate::socket::{Limits, Socket, Transport};
use crate::tls::TlsConfig;

pub(crate) use failure::{asking, broke, lost, refused, said};
pub(crate) use request::{authorization, beside, fields, judged};
pub(crate) use route::Route;
pub(crate) use watch::Passed;
pub use watch::Watch;

/// The kernel's patience with a peer that acknowledges nothing, in times of the heartbeat's. Twice: of a link that still
/// has its driver the heartbeat decides, always before the kernel; what is left for the kernel is a socket that is closed
/// in good order and still has something to say (RFC 9293, section 3.6), which would otherwise stay for many minutes.
const BACKSTOP: u32 = 2;

/// What is dialled.
#[derive(Clone)]
pub struct DialRequest {
    /// `ws` or `wss`. User information in it becomes Basic credentials, unless there are others.
    pub url: Url,
    /// Where the credentials go: with [`Login::InFrames`] no request carries any but those of the headers.
    pub login: Login,
    /// Sent with the upgrade request. An `Authorization` among them is the only one that is sent.
    pub headers: BTreeMap<String, String>,
    /// Offered in the upgrade request.
    pub subprotocols: Vec<String>,
    /// How the connection names itself to the server.
    pub credentials: Credentials,
    /// The secret, DNS, TCP, proxy, TLS and upgrade together.
    pub connect_timeout: Duration,
    /// For wss.
    pub tls: TlsConfig,
    /// The way to the server.
    pub proxy: Proxy,
    /// How long the kernel lets sent bytes go without an acknowledgement before it gives the connection up: a backstop
    /// behind the heartbeat, where the kernel can do that.
    pub unacknowledged: Duration,
    /// What the socket may hold.
    pub limits: Limits,
    /// Who is told how far the dial comes.
    pub watch: Watch,
}

/// Neither the URL's user information and query nor the headers: any of them may hold a secret.
impl fmt::Debug for DialRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = (self.url.scheme(), self.url.host_str().unwrap_or_default(), self.url.port());
        f.debug_tuple("DialRequest").field(&shown).finish_non_exhaustive()
    }
}

impl DialRequest {
    /// The dial of a connection, with the limits of its dialect. A secret that is in the keyring is looked for in this
    /// person's session, as an entry of Heartwire.
    pub fn new(connection: &Connection, tls: TlsConfig) -> Self {
        Self::with(connection, tls, Credentials::new(connection, &Keyring::session("heartwire")))
    }

    /// The same with the credentials' secret shared with others.
    pub fn with(connection: &Connection, tls: TlsConfig, credentials: Credentials) -> Self {
        Self {
            url: connection.url.clone(),
            login: connection.dialect.spec.login,
            headers: connection.headers.clone(),
            subprotocols: connection.subprotocols.clone(),
            credentials,
            connect_timeout: connection.connect_timeout,
            tls,
            proxy: connection.proxy.clone(),
            unacknowledged: BACKSTOP * (connection.heartbeat.every + connection.heartbeat.timeout),
            limits: Limits { message: connection.dialect.spec.longest_message, ..Limits::default() },
            watch: Watch::default(),
        }
    }
}

/// Opens a socket. Dropping the future closes whatever is half open.
///
/// # Errors
/// Why there is none, ready to be shown.
pub async fn dial(request: &DialRequest) -> Result<Socket, Cause> {
    dial_by(request, &Deadline::of(request)).await
}

/// The same; where the server refuses the raw WebSocket, SockJS is tried at `sockjs` before the same deadline. True: it
/// is SockJS.
pub(crate) async fn dial_or_sockjs(request: &DialRequest, sockjs: Option<Url>) -> Result<(Socket, bool), Cause> {
    let deadline = Deadline::of(request);
    let refusal = match dial_by(request, &deadline).await {
        Ok(socket) => return Ok((socket, false)),
        Err(refusal) => refusal,
    };
    let Some(url) = sockjs.filter(|_| may_stand_in(&refusal)) else { return Err(refusal) };
    match dial_by(&DialRequest { url, ..request.clone() }, &deadline).await {
        Ok(socket) => Ok((socket, true)),
        Err(cause) => {
            let text = format!("{}; nor is there SockJS: {}", refusal.text, cause.text);
            Err(Cause { text, ..cause })
        }
    }
}

async fn dial_by(request: &DialRequest, deadline: &Deadline) -> Result<Socket, Cause> {
    let authorization = authorization(request, deadline.at).await?;
    if request.login == Login::InRequest {
        deadline.passed(Passed::Secret(authorization.is_some()));
    }
    let mut route = Route::of(request);
    loop {
        let upgrade = request::upgrade(route.request(), authorization.clone())?;
        let transport = route.travel(deadline).await?;
        match open(upgrade, transport, request.limits, deadline).await {
            Ok(socket) => return Ok(socket),
            Err(Failure::Cause(cause)) => return Err(route.behind(cause)),
            Err(Failure::Answer(error)) => {
                let turned = match &error {
                    Error::Http(answer) => route.turn(answer.status(), answer.headers()),
                    _ => None,
                };
                match turned {
                    Some(turned) => turned?,
                    None => return Err(route.behind(judged(request, failure::upgrading(&error)))),
                }
            }
        }
    }
}

/// No socket.
enum Failure {
    Cause(Cause),
    /// What came of the upgrade request; it may say where to ask instead.
    Answer(Error),
}

impl From<Cause> for Failure {
    fn from(cause: Cause) -> Self {
        Self::Cause(cause)
    }
}

/// Asks for the upgrade.
async fn open(upgrade: Request, transport: Transport, limits: Limits, deadline: &Deadline) -> Result<Socket, Failure> {
    let config = Some(limits.websocket());
    let upgraded = async { Ok(client_async_with_config(upgrade, transport, config).await) };
    let upgraded = deadline.within("no answer to the upgrade request", upgraded).await?;
    let (stream, answer) = upgraded.map_err(Failure::Answer)?;
    request::agreed(&answer)?;
    deadline.passed(Passed::Upgraded(&answer));
    Ok(Socket::new(stream))
}

/// The one deadline over every step; each step says what was waited for when it passed.
pub(crate) struct Deadline {
    /// When it passes.
    pub at: Instant,
    allowed: Duration,
    watch: Watch,
}

impl Deadline {
    /// That of a dial, or of a question beside its socket.
    pub fn of(request: &DialRequest) -> Self {
        Self { watch: request.watch.clone(), ..Self::after(request.connect_timeout) }
    }

    fn after(allowed: Duration) -> Self {
        Self { at: Instant::now() + allowed, allowed, watch: Watch::default() }
    }

    /// Tells whom it may concern.
    pub fn passed(&self, step: Passed<'_>) {
        self.watch.tell(step);
    }

    pub async fn within<T>(&self, missing: &str, step: impl Future<Output = Result<T, Cause>>) -> Result<T, Cause> {
        timeout_at(self.at, step).await.unwrap_or_else(|_| {
            let allowed = self.allowed.as_secs_f64();
            Err(Cause::new(CauseCode::ConnectTimeout, format!("{missing} within {allowed} s")))
        })
    }
}
