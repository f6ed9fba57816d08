//! The upgrade request (RFC 6455, section 4.1), and what every request to the server carries. No `Origin` unless the settings have one: servers that check it allow
//! web pages, and this is none.

use std::collections::BTreeMap;

use data_encoding::BASE64;
use percent_encoding::percent_decode_str;
use rustls::pki_types::ServerName;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::handshake::client::{Request, Response, generate_key};
use tokio_tungstenite::tungstenite::http::header::{
    AUTHORIZATION, HOST, SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_PROTOCOL,
};
use tokio_tungstenite::tungstenite::http::{HeaderMap, HeaderName, HeaderValue, Uri};
use url::{Host, Url};

use heartwire_core::cause::{Cause, CauseCode};
use heartwire_core::dialect::Login;

use super::redirect::same_server;
use super::{DialRequest, Watch, said};
use crate::secrets::Credentials;

/// The credentials that the request carries: those of the headers, else the configured ones, else the URL's. Waits for
/// the secret until `deadline`.
pub(crate) async fn authorization(from: &DialRequest, deadline: Instant) -> Result<Option<HeaderValue>, Cause> {
    if from.login == Login::InFrames {
        return Ok(None);
    }
    if from.headers.keys().any(|name| AUTHORIZATION == *name.as_str()) {
        return Ok(None);
    }
    let configured = from.credentials.authorization(deadline, from.connect_timeout).await?;
    Ok(configured.or_else(|| basic(&from.url)))
}

/// A server that refused the credentials is asked again with what their place holds then.
pub(crate) fn judged(from: &DialRequest, cause: Cause) -> Cause {
    if cause.code == CauseCode::Unauthorized {
        from.credentials.forget();
    }
    cause
}

pub(super) fn upgrade(from: &DialRequest, authorization: Option<HeaderValue>) -> Result<Request, Cause> {
    let mut url = from.url.clone();
    // The server must not find credentials in its request log. Neither call can fail for a URL with a host.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    let uri: Uri = url.as_str().parse().map_err(|_| wrong("the URL cannot be put into a request"))?;
    let mut request = Request::builder()
        .uri(uri)
        .header("Connection", "Upgrade")
        .header("Upgrade", "websocket")
        .header("Sec-WebSocket-Version", "13")
        .header("Sec-WebSocket-Key", generate_key())
        .body(())
        .map_err(|_| wrong("the URL cannot be put into a request"))?;
    let mut own = fields(from, authorization)?;
    if !from.subprotocols.is_empty() {
        let offered = from.subprotocols.join(", ");
        let offered = HeaderValue::from_str(&offered).map_err(|_| wrong("a subprotocol cannot be sent"))?;
        own.insert(SEC_WEBSOCKET_PROTOCOL, offered);
    }
    request.headers_mut().extend(own);
    Ok(request)
}

/// The same request to this URL, `http` or `https`, as a dial sees it. Headers and credentials go along only where the
/// server is the same. Its steps are not those of the dial.
pub(crate) fn beside(from: &DialRequest, url: &Url) -> Result<DialRequest, Cause> {
    let mut to = DialRequest { url: url.clone(), watch: Watch::default(), ..from.clone() };
    let scheme = if url.scheme() == "https" { "wss" } else { "ws" };
    to.url.set_scheme(scheme).map_err(|()| wrong("what is to be fetched is not at a web address"))?;
    let same = same_server(&from.url, &to.url).is_ok();
    if !same {
        to.headers = BTreeMap::new();
        to.credentials = Credentials::default();
    }
    let (user, password) = if same { (from.url.username(), from.url.password()) } else { ("", None) };
    // Neither can fail: the scheme is of the kind that has a host.
    let _ = to.url.set_username(user);
    let _ = to.url.set_password(password);
    Ok(to)
}

/// The fields of every request to the server of the URL: its name, the connection's headers, and the credentials.
pub(crate) fn fields(from: &DialRequest, authorization: Option<HeaderValue>) -> Result<HeaderMap, Cause> {
    let host = HeaderValue::try_from(host_field(&from.url)?).map_err(|_| wrong("the URL's host cannot be sent"))?;
    let mut fields = HeaderMap::from_iter([(HOST, host)]);
    for (name, value) in &from.headers {
        let wrong = || wrong(&format!("the header {name:?} cannot be sent"));
        let key = HeaderName::from_bytes(name.as_bytes()).map_err(|_| wrong())?;
        let value = HeaderValue::from_bytes(value.as_bytes()).map_err(|_| wrong())?;
        fields.insert(key, value);
    }
    if let Some(authorization) = authorization {
        fields.insert(AUTHORIZATION, authorization);
    }
    Ok(fields)
}

/// What of the answer nobody else looks at: none of the extensions, which all change the frames, is offered, so the server
/// may not use one (RFC 6455, section 4.1).
pub(super) fn agreed(answer: &Response) -> Result<(), Cause> {
    let named = |value: &&HeaderValue| !value.as_bytes().trim_ascii().is_empty();
    let Some(named) = answer.headers().get_all(SEC_WEBSOCKET_EXTENSIONS).iter().find(named) else { return Ok(()) };
    let named = said(&String::from_utf8_lossy(named.as_bytes()));
    let text = format!("the server uses an extension of WebSocket that was not offered ({named})");
    Err(Cause::new(CauseCode::Protocol, text))
}

pub(super) fn server_name(host: &Host<&str>) -> Result<ServerName<'static>, Cause> {
    match host {
        Host::Domain(name) => ServerName::try_from((*name).to_owned())
            .map_err(|_| wrong(&format!("{name:?} is not a name that a certificate can be for"))),
        Host::Ipv4(address) => Ok(ServerName::from(*address)),
        Host::Ipv6(address) => Ok(ServerName::from(*address)),
    }
}

/// `Host`: the port only where it is not the scheme's own (RFC 9110, section 7.2).
fn host_field(url: &Url) -> Result<String, Cause> {
    let host = url.host_str().ok_or_else(|| wrong("the URL names no host"))?;
    Ok(match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    })
}

/// RFC 7617, section 2.
fn basic(url: &Url) -> Option<HeaderValue> {
    if url.username().is_empty() && url.password().is_none() {
        return None;
    }
    let mut pair: Vec<u8> = percent_decode_str(url.username()).collect();
    pair.push(b':');
    pair.extend(percent_decode_str(url.password().unwrap_or_default()));
    let mut field = HeaderValue::from_str(&format!("Basic {}", BASE64.encode(&pair))).ok()?;
    field.set_sensitive(true);
    Some(field)
}

fn wrong(text: &str) -> Cause {
    Cause::new(CauseCode::Configuration, text)
}
