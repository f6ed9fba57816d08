//! The proxy that this computer's settings name for a server: the environment counts first, then the desktop's settings.
//! They are read at each dial, because a laptop changes its network and its proxies with it.

use heartwire_core::settings::ProxyAddress;
use url::{Host, Url};

use super::environment;

/// The proxy for a server. None: the way is straight.
///
/// # Errors
/// There is one that cannot be used, or the desktop did not say, in words.
pub(super) async fn proxy(target: &Url) -> Result<Option<ProxyAddress>, String> {
    if is_loopback(target) {
        return Ok(None);
    }
    match environment::proxy(target, |name| std::env::var(name).ok()) {
        environment::Found::Nothing => of_the_desktop(target).await,
        environment::Found::Straight => Ok(None),
        environment::Found::Proxy(variable, given) => usable(&variable, &given).map(Some),
    }
}

/// A server on this computer is never asked for through another one.
fn is_loopback(target: &Url) -> bool {
    match target.host() {
        // RFC 6761, section 6.3.
        Some(Host::Domain(name)) => {
            let name = name.trim_end_matches('.');
            name == "localhost" || name.ends_with(".localhost")
        }
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => {
            address.is_loopback() || address.to_ipv4_mapped().is_some_and(|address| address.is_loopback())
        }
        None => false,
    }
}

/// What the settings of the desktop say, through its portal.
#[cfg(all(unix, not(target_os = "macos")))]
async fn of_the_desktop(target: &Url) -> Result<Option<ProxyAddress>, String> {
    match super::portal::proxy(target).await? {
        Some(given) => usable("the desktop's settings", &given).map(Some),
        None => Ok(None),
    }
}

/// What System Preferences or the Internet Options say; the environment is known to say nothing.
#[cfg(any(windows, target_os = "macos"))]
async fn of_the_desktop(target: &Url) -> Result<Option<ProxyAddress>, String> {
    use hyper_util::client::proxy::matcher::Matcher;

    let settings = Matcher::from_system();
    match environment::as_web(target).iter().find_map(|uri| settings.intercept(uri)) {
        Some(found) => usable("the system's settings", &found.uri().to_string()).map(Some),
        None => Ok(None),
    }
}

fn usable(place: &str, given: &str) -> Result<ProxyAddress, String> {
    // curl, and with it everybody, takes an address without a scheme for an HTTP proxy.
    let address = if given.contains("://") { given.to_owned() } else { format!("http://{given}") };
    ProxyAddress::parse(&address).map_err(|why| {
        format!(
            "the proxy in {place} cannot be used ({why}); correct it, or set this connection's proxy.url to \"none\" or \
             to another proxy"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_on_this_computer_is_reached_straight() {
        let check = |url: &str, expected: bool| assert_eq!(is_loopback(&url.parse().unwrap()), expected, "{url}");
        for url in ["ws://localhost:1/", "ws://LOCALHOST.", "wss://a.localhost", "ws://127.1.2.3", "ws://[::1]:9"] {
            check(url, true);
        }
        check("ws://[::ffff:127.0.0.1]", true);
        for url in ["ws://localhost.example", "ws://notlocalhost", "ws://10.0.0.1", "ws://[::2]"] {
            check(url, false);
        }
    }

    #[test]
    fn an_address_without_a_scheme_is_an_http_proxy_and_a_wrong_one_names_its_place() {
        assert_eq!(usable("x", "proxy.example:3128").unwrap().to_string(), "http://proxy.example:3128");
        assert_eq!(usable("x", "socks5h://p").unwrap().to_string(), "socks5h://p:1080");
        let why = usable("HTTPS_PROXY", "https://me:secret@p:443").unwrap_err();
        assert!(why.starts_with("the proxy in HTTPS_PROXY cannot be used (\"https\" is not"), "{why}");
        assert!(!why.contains("secret"), "{why}");
    }
}
