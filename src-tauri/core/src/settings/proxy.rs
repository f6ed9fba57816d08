//! `[connections.proxy]`: through whom a connection is dialled.

use std::fmt;

use percent_encoding::percent_decode_str;
use url::Url;

use super::form::ProxyForm;
use super::validate::{Errors, FieldErrorCode};

/// RFC 1929, section 2: each length is one byte, and not nothing.
const SOCKS_CREDENTIALS: std::ops::RangeInclusive<usize> = 1..=255;

/// Schemes that a person may take for those of a proxy. No other one is repeated: where `//` is missing, a name or a
/// token stands in its place.
const KNOWN_SCHEMES: [&str; 9] = ["https", "socks4", "socks4a", "ftp", "ws", "wss", "ssh", "quic", "file"];

/// The way to the server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Proxy {
    /// What this computer's settings say for the server.
    #[default]
    System,
    /// Straight.
    None,
    /// Through this one.
    Through(ProxyAddress),
}

/// A proxy and how to speak with it.
#[derive(Clone, PartialEq, Eq)]
pub struct ProxyAddress {
    /// How to speak with it.
    pub kind: ProxyKind,
    /// Where it is; user information is what it is told of us.
    pub url: Url,
}

/// Never the credentials.
impl fmt::Debug for ProxyAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {}:{}", self.kind, self.url.host_str().unwrap_or_default(), self.port())
    }
}

/// As a person may write it, without the credentials.
impl fmt::Display for ProxyAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.kind {
            ProxyKind::Http => "http",
            ProxyKind::Socks5 => "socks5",
            ProxyKind::Socks5h => "socks5h",
        };
        write!(f, "{scheme}://{}:{}", self.url.host_str().unwrap_or_default(), self.port())
    }
}

/// What a proxy speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyKind {
    /// HTTP with CONNECT (RFC 9110, section 9.3.6).
    Http,
    /// SOCKS5 (RFC 1928); names are resolved on this computer.
    Socks5,
    /// SOCKS5; names are resolved by the proxy.
    Socks5h,
}

impl ProxyAddress {
    /// Reads `http://`, `socks5://` or `socks5h://`; the error says what is wrong and what to do.
    pub fn parse(given: &str) -> Result<Self, String> {
        let wrong =
            |why: &str| format!("{why}: write it as http://host:port, socks5://host:port or socks5h://host:port");
        let url = Url::parse(given).map_err(|_| wrong("this is not the address of a proxy"))?;
        let kind = match url.scheme() {
            "http" => ProxyKind::Http,
            "socks5" => ProxyKind::Socks5,
            "socks5h" | "socks" => ProxyKind::Socks5h,
            known if KNOWN_SCHEMES.contains(&known) => {
                return Err(wrong(&format!("\"{known}\" is not a kind of proxy that is known here")));
            }
            _ => return Err(wrong("the address begins with no kind of proxy that is known here")),
        };
        if url.host_str().is_none_or(str::is_empty) || url.port() == Some(0) {
            return Err(wrong("the address of the proxy has no host"));
        }
        if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
            return Err(wrong("the address of a proxy ends after the port"));
        }
        let address = Self { kind, url };
        if kind != ProxyKind::Http
            && address.credentials().is_some_and(|(user, password)| {
                !SOCKS_CREDENTIALS.contains(&user.len()) || !SOCKS_CREDENTIALS.contains(&password.len())
            })
        {
            return Err(
                "a SOCKS5 proxy takes a user and a password of 1 to 255 bytes each: write both before the host, \
                        as user:password@, or neither"
                    .to_owned(),
            );
        }
        Ok(address)
    }

    /// What the proxy is told of us, without the percent-encoding of URLs: user and password, either may be empty.
    pub fn credentials(&self) -> Option<(String, String)> {
        let (user, password) = (self.url.username(), self.url.password());
        if user.is_empty() && password.is_none() {
            return None;
        }
        let decoded = |text| percent_decode_str(text).decode_utf8_lossy().into_owned();
        Some((decoded(user), decoded(password.unwrap_or_default())))
    }

    /// The port, or the usual one: 80 for HTTP, 1080 for SOCKS5 (RFC 1928, section 3).
    pub fn port(&self) -> u16 {
        self.url.port_or_known_default().unwrap_or(match self.kind {
            ProxyKind::Http => 80,
            ProxyKind::Socks5 | ProxyKind::Socks5h => 1080,
        })
    }
}

pub(super) fn proxy(form: &ProxyForm, errors: &mut Errors) -> Option<Proxy> {
    match form.url.as_deref().map(str::trim) {
        Some("system") | None => Some(Proxy::System),
        Some("none") => Some(Proxy::None),
        Some(given) => match ProxyAddress::parse(given) {
            Ok(address) => Some(Proxy::Through(address)),
            Err(message) => {
                // The value may hold a password: it is not repeated.
                errors.push("proxy.url", FieldErrorCode::ProxyInvalid, "", message);
                None
            }
        },
    }
}
