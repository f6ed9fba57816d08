//! Proxies in the environment, as curl and its followers read them: `https_proxy`, `http_proxy`, `all_proxy` and
//! `no_proxy`, in lower case or else in upper case. Which of them counts for ws and wss is said by RFC 6455, section 4.1: the
//! proxy for HTTPS rather than the one for HTTP, because a tunnel is what it is for. curl differs in one point: for ws it
//! looks at `http_proxy` alone.

use hyper::Uri;
use hyper_util::client::proxy::matcher::Matcher;
use url::Url;

/// What the environment says of a server.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// It names no proxy.
    Nothing,
    /// It names one, and excludes this server.
    Straight,
    /// The variable and what it says, which may hold a password.
    Proxy(String, String),
}

/// Looks variables up in `read`.
pub(super) fn proxy(target: &Url, read: impl Fn(&str) -> Option<String>) -> Found {
    let wanted: &[&str] = match target.scheme() {
        "wss" => &["https_proxy", "all_proxy"],
        _ => &["https_proxy", "http_proxy", "all_proxy"],
    };
    // An empty variable says nothing, as with curl.
    let value = |name: &str| {
        let pair = [name.to_owned(), name.to_uppercase()];
        pair.into_iter().find_map(|name| {
            let value = read(&name)?.trim().to_owned();
            (!value.is_empty()).then_some((name, value))
        })
    };
    let Some((variable, given)) = wanted.iter().find_map(|name| value(name)) else { return Found::Nothing };
    match value("no_proxy") {
        Some((_, excluded)) if is_excluded(target, &excluded) => Found::Straight,
        _ => Found::Proxy(variable, given),
    }
}

/// Names with their subdomains, addresses, networks, and `*`.
fn is_excluded(target: &Url, excluded: &str) -> bool {
    // The matcher says whether any proxy is to be used; which one is not asked here.
    let anyone = Matcher::builder().all("http://proxy.invalid").no(excluded).build();
    as_web(target).iter().all(|uri| anyone.intercept(uri).is_none())
}

/// The same server for those who do not know ws and wss, in the order of RFC 6455.
pub(super) fn as_web(target: &Url) -> Vec<Uri> {
    let (Some(host), Some(port)) = (target.host_str(), target.port_or_known_default()) else { return Vec::new() };
    let schemes: &[&str] = if target.scheme() == "wss" { &["https"] } else { &["https", "http"] };
    schemes.iter().filter_map(|scheme| format!("{scheme}://{host}:{port}/").parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(url: &str, environment: &[(&str, &str)], expected: Option<(&str, &str)>) {
        let read =
            |name: &str| environment.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        let found = match proxy(&url.parse().unwrap(), read) {
            Found::Proxy(variable, given) => Some((variable, given)),
            Found::Nothing | Found::Straight => None,
        };
        let expected = expected.map(|(variable, given)| (variable.to_owned(), given.to_owned()));
        assert_eq!(found, expected, "{url} {environment:?}");
    }

    #[test]
    fn the_proxy_for_https_counts_before_the_one_for_http_and_that_before_the_one_for_all() {
        let (https, http, all) = (("https_proxy", "http://s"), ("HTTP_PROXY", "http://p"), ("ALL_PROXY", "socks5://a"));
        check("wss://h", &[https, http, all], Some(https));
        check("wss://h", &[http, all], Some(all));
        check("wss://h", &[http], None);
        check("ws://h", &[https, http, all], Some(https));
        check("ws://h", &[http, all], Some(http));
        check("ws://h", &[all], Some(all));
        check("ws://h", &[], None);
    }

    #[test]
    fn lower_case_counts_before_upper_case_and_nothing_is_nothing() {
        let (lower, upper) = (("https_proxy", "http://l"), ("HTTPS_PROXY", "http://u"));
        check("wss://h", &[upper, lower], Some(lower));
        check("wss://h", &[("https_proxy", " "), upper], Some(upper));
        check("wss://h", &[("https_proxy", ""), ("all_proxy", "p:1")], Some(("all_proxy", "p:1")));
    }

    #[test]
    fn excluded_servers_are_reached_straight() {
        let excluded = |url: &str, no_proxy: &str, expected: bool| {
            let read = |name: &str| match name {
                "all_proxy" => Some("http://p".to_owned()),
                "NO_PROXY" => Some(no_proxy.to_owned()),
                _ => None,
            };
            let found = proxy(&url.parse().unwrap(), read);
            assert_eq!(found == Found::Straight, expected, "{url} {no_proxy}: {found:?}");
        };
        excluded("wss://crm.example/x", "crm.example", true);
        excluded("wss://a.crm.example:8443/x", "other, .crm.example", true);
        excluded("wss://notcrm.example/x", "crm.example", false);
        excluded("ws://10.1.2.3:80/", "10.0.0.0/8", true);
        excluded("ws://11.1.2.3/", "10.0.0.0/8", false);
        excluded("ws://[fd00::1]:9/", "fd00::/8", true);
        excluded("wss://h", "*", true);
        excluded("wss://h", "", false);
    }
}
