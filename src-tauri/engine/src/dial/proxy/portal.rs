//! The desktop's proxy settings on Linux and the BSDs, asked of the desktop portal (`org.freedesktop.portal.ProxyResolver`,
//! version 1), which speaks for GNOME, KDE and others, and runs their automatic configuration (PAC) too. Where no portal
//! answers there are no settings to be followed.

use std::time::Duration;

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
    let uri = environment::as_web(target)?.to_string();
    match timeout(LIMIT, look_up(&uri)).await {
        Ok(Ok(found)) => found.into_iter().next().filter(|first| !first.starts_with("direct:")),
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

/// The portal's answer: at least one URI, in the order in which they are to be tried.
async fn look_up(uri: &str) -> zbus::Result<Vec<String>> {
    let bus = Connection::session().await?;
    bus.call_method(Some(NAME), PATH, Some(INTERFACE), "Lookup", &(uri,)).await?.body().deserialize()
}
