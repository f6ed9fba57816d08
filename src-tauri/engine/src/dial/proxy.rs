//! The way to the server through a proxy: which one, and the tunnel through it. What fails before the tunnel is open is
//! the cause `proxy` and names the proxy, never its credentials; only its silence is left to the deadline of the dial.

mod environment;
mod http;
#[cfg(all(unix, not(target_os = "macos")))]
mod portal;
mod socks;
mod system;

use std::fmt;

use hyper::body::Bytes;
use tokio::net::TcpStream;
use tokio_socks::TargetAddr;
use url::{Host, Url};

use heartwire_core::cause::{Cause, CauseCode};
use heartwire_core::settings::{Proxy, ProxyAddress, ProxyKind};

use super::{Deadline, connect};

/// The proxy of a dial.
#[derive(Debug)]
pub(super) struct Via {
    address: ProxyAddress,
    /// It comes from this computer's settings and not from the connection's, which may surprise the person.
    from_system: bool,
}

/// As a part of a sentence.
impl fmt::Display for Via {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whose = if self.from_system { "this computer's proxy" } else { "the proxy" };
        write!(f, "{whose} {}", self.address)
    }
}

/// A stream to the server.
pub(super) struct Tunnel {
    /// Through it everything goes to the server and comes from it.
    pub tcp: TcpStream,
    /// What came from the server together with the proxy's own answer.
    pub early: Bytes,
}

impl From<TcpStream> for Tunnel {
    fn from(tcp: TcpStream) -> Self {
        Self { tcp, early: Bytes::new() }
    }
}

impl Via {
    /// The proxy on the way to `target`. None: the way is straight.
    ///
    /// # Errors
    /// This computer's settings name one that cannot be used, or its desktop did not say which one.
    pub async fn find(wanted: &Proxy, target: &Url) -> Result<Option<Self>, Cause> {
        match wanted {
            Proxy::None => Ok(None),
            Proxy::Through(address) => Ok(Some(Self { address: address.clone(), from_system: false })),
            Proxy::System => {
                let found = system::proxy(target).await;
                let found = found.map_err(|why| Cause::new(CauseCode::Proxy, why))?;
                Ok(found.map(|address| Self { address, from_system: true }))
            }
        }
    }

    /// Opens a tunnel to the server.
    pub async fn tunnel(&self, host: &Host<&str>, port: u16, deadline: &Deadline) -> Result<Tunnel, Cause> {
        match self.address.kind {
            ProxyKind::Http => {
                let tcp = self.reach(deadline).await?;
                let silent = format!("{self} did not answer the CONNECT request");
                deadline.within(&silent, http::connect(self, tcp, host, port)).await
            }
            ProxyKind::Socks5h => self.tunnel_by_socks(socks::target(host, port), deadline).await.map_err(Into::into),
            ProxyKind::Socks5 => {
                let found = deadline.within("the name server did not answer", connect::resolve(host, port)).await?;
                let mut first = None;
                for at in found {
                    match self.tunnel_by_socks(TargetAddr::Ip(at), deadline).await {
                        // Another address of the server may be within the proxy's reach.
                        Err(socks::Failure::Unreached(cause)) => first = first.or(Some(cause)),
                        done => return done.map_err(Into::into),
                    }
                }
                Err(first.unwrap_or_else(|| Cause::new(CauseCode::Dns, "the host has no address")))
            }
        }
    }

    async fn tunnel_by_socks(&self, target: TargetAddr<'_>, deadline: &Deadline) -> Result<Tunnel, socks::Failure> {
        let tcp = self.reach(deadline).await?;
        let silent = format!("{self} did not finish the SOCKS handshake");
        let opened = deadline.within(&silent, async { Ok(socks::connect(self, tcp, target).await) }).await?;
        opened.map(Into::into)
    }

    /// TCP to the proxy itself.
    async fn reach(&self, deadline: &Deadline) -> Result<TcpStream, Cause> {
        let url = &self.address.url;
        let host = match url.host() {
            // The parser takes the hosts of schemes that it does not know for names, whatever they look like.
            Some(Host::Domain(name)) => name.parse().map_or(Host::Domain(name), Host::Ipv4),
            Some(host) => host,
            None => return Err(self.failed("has no host")),
        };
        let reached = connect::reach(&host, self.address.port(), deadline).await;
        let tcp = reached.map_err(|cause| match cause {
            offline if offline.offline => offline,
            cause => self.failed(&format!("cannot be reached: {}", cause.text)),
        })?;
        // Given up in the middle of the handshake it leaves nothing behind in the kernel.
        tcp.set_zero_linger().map_err(|error| self.failed(&format!("was lost again ({error})")))?;
        Ok(tcp)
    }

    fn failed(&self, how: &str) -> Cause {
        Cause::new(CauseCode::Proxy, format!("{self} {how}"))
    }

    /// Names the proxy in what went wrong behind it.
    pub fn behind(&self, cause: Cause) -> Cause {
        if cause.offline || cause.code == CauseCode::Configuration || cause.text.contains(&self.address.to_string()) {
            return cause;
        }
        Cause { text: format!("{} (through {self})", cause.text), ..cause }
    }
}
