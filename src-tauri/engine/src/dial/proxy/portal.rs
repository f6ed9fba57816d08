//! The desktop's proxy settings on Linux and the BSDs, asked of the desktop portal (`org.freedesktop.portal.ProxyResolver`,
//! version 1), which speaks for GNOME, KDE and others, and runs their automatic configuration (PAC) too. Where there is no
//! portal there are no settings to be followed. One that does not answer may want a proxy, which is never gone around.

use std::time::Duration;

use hyper::Uri;
use tokio::time::timeout;
use url::Url;
use zbus::{Connection, Error};

use super::environment;
use crate::dial::said;

const NAME: &str = "org.freedesktop.portal.Desktop";
const PATH: &str = "/org/freedesktop/portal/desktop";
const INTERFACE: &str = "org.freedesktop.portal.ProxyResolver";

/// How long the portal may take: it may have to be started, and its automatic configuration to be fetched.
const LIMIT: Duration = Duration::from_secs(3);

/// What a bus says of a name that nobody owns and nobody can be started for (D-Bus specification, "Message Bus Starting
/// Services"; the last where systemd starts them), and a service of what it does not have.
const NOBODY: [&str; 7] = [
    "org.freedesktop.DBus.Error.ServiceUnknown",
    "org.freedesktop.DBus.Error.NameHasNoOwner",
    "org.freedesktop.DBus.Error.UnknownObject",
    "org.freedesktop.DBus.Error.UnknownInterface",
    "org.freedesktop.DBus.Error.UnknownMethod",
    "org.freedesktop.DBus.Error.Spawn.",
    "org.freedesktop.systemd1.",
];

/// The first proxy that the desktop would use for a server, as a URL. None: straight, or nobody to ask.
///
/// # Errors
/// There is a desktop that did not say, in words.
pub(super) async fn proxy(target: &Url) -> Result<Option<String>, String> {
    let asked = timeout(LIMIT, look_up(&environment::as_web(target))).await;
    let why = match asked {
        Ok(Ok(found)) => return Ok(found),
        Ok(Err(error)) if is_nobody(&error) => {
            tracing::debug!(%error, "there is no desktop to be asked for a proxy");
            return Ok(None);
        }
        Ok(Err(error)) => format!("the desktop did not say which proxy to use ({})", said(&error)),
        Err(_) => format!("the desktop did not say within {} s which proxy to use", LIMIT.as_secs()),
    };
    Err(format!("{why}; if there is none, set this connection's proxy.url to \"none\""))
}

fn is_nobody(error: &Error) -> bool {
    match error {
        Error::MethodError(name, ..) => NOBODY.iter().any(|nobody| match nobody.strip_suffix('.') {
            Some(_) => name.starts_with(nobody),
            None => name == nobody,
        }),
        _ => false,
    }
}

/// Asks for one URI after the other.
async fn look_up(uris: &[Uri]) -> zbus::Result<Option<String>> {
    let bus = match Connection::session().await {
        Ok(bus) => bus,
        Err(error) => {
            tracing::debug!(%error, "there is no session whose desktop could be asked for a proxy");
            return Ok(None);
        }
    };
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
