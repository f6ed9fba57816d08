//! The desktop's proxy settings on Linux and the BSDs, asked of the desktop portal (`org.freedesktop.portal.ProxyResolver`,
//! version 1), which speaks for GNOME, KDE and others, and runs their automatic configuration (PAC) too. Where no portal
//! answers there are no settings to be followed.

use std::time::Duration;

use hyper::Uri;
use tokio::time::timeout;
use url::Url;
use zbus::Connection;

use super::environment;

const NAME: &str = "org.freedesktop.portal.Desktop";
const PATH: &str = "/org/freedesktop/portal/desktop";
const INTERFACE: &str = "org.freedesktop.portal.ProxyResolver";

/// How long the portal may take. A dial waits for it, and one that hangs must not cost the connection.
const LIMIT: Duration = Duration::from_millis(500);

/// The first proxy that the desktop would use for a server, as a URL. None: straight, or nobody to ask.
pub(super) async fn proxy(target: &Url) -> Option<String> {
    match timeout(LIMIT, look_up(&environment::as_web(target))).await {
        Ok(Ok(found)) => found,
        Ok(Err(error)) => {
            tracing::debug!(%error, "the desktop was not asked for a proxy");
            None
        }
        Err(_) => {
            tracing::warn!("the desktop's portal does not say which proxy to use; the connection is made without one");
            None
        }
    }
}

/// Asks for one URI after the other.
async fn look_up(uris: &[Uri]) -> zbus::Result<Option<String>> {
    let bus = Connection::session().await?;
    for uri in uris {
        let answer = bus.call_method(Some(NAME), PATH, Some(INTERFACE), "Lookup", &(uri.to_string(),)).await?;
        // At least one, in the order in which they are to be tried.
        let found: Vec<String> = answer.body().deserialize()?;
        if let Some(proxy) = found.into_iter().next().filter(|first| !first.starts_with("direct:")) {
            return Ok(Some(proxy));
        }
    }
    Ok(None)
}
