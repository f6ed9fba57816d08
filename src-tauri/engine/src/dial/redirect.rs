//! Where an answer redirects to, and whether we go there (RFC 9110, section 15.4; for the upgrade request RFC 6455, section
//! 4.2.2, leaves it to the client). The headers and credentials of the connection go along, so only to the same server: the
//! same host and port, or the same host by wss where it was ws. Never from wss to ws.

use tokio_tungstenite::tungstenite::http::header::LOCATION;
use tokio_tungstenite::tungstenite::http::{HeaderMap, StatusCode};
use url::Url;

use heartwire_core::cause::{Cause, CauseCode};

use super::failure::said;

/// How many redirects of one question are followed; those of a server that redirects in circles end here.
const MOST: usize = 5;

/// The redirects of one question.
#[derive(Default)]
pub(super) struct Redirects {
    followed: usize,
}

impl Redirects {
    /// Where to ask next, as ws or wss. None: the answer is no redirect.
    ///
    /// # Errors
    /// It is a redirect that is not followed.
    pub fn next(&mut self, from: &Url, status: StatusCode, headers: &HeaderMap) -> Option<Result<Url, Cause>> {
        // 300 and 304 name no one place, 305 and 306 are deprecated.
        if !matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308) {
            return None;
        }
        let to = target(from, status, headers);
        if to.is_ok() && self.followed == MOST {
            return Some(Err(refused(status, &format!("more than {MOST} times"))));
        }
        self.followed += 1;
        Some(to)
    }
}

fn target(from: &Url, status: StatusCode, headers: &HeaderMap) -> Result<Url, Cause> {
    let location = headers.get(LOCATION).and_then(|value| value.to_str().ok());
    let nowhere = || refused(status, "without saying where to");
    let mut to = from.join(location.ok_or_else(nowhere)?).map_err(|_| nowhere())?;
    let Some(host) = to.host_str().map(|host| said(&host)) else { return Err(nowhere()) };
    let scheme = match to.scheme() {
        "ws" | "http" => "ws",
        "wss" | "https" => "wss",
        other => {
            let how = format!("to {} on {host}, which is neither WebSocket nor HTTP", said(&other));
            return Err(refused(status, &how));
        }
    };
    // None of these can fail: both schemes are of the kind that has a host.
    let _ = to.set_scheme(scheme);
    let _ = to.set_username(from.username());
    let _ = to.set_password(from.password());
    to.set_fragment(None);
    same_server(from, &to).map_err(|other| refused(status, &format!("to {other}")))?;
    Ok(to)
}

/// Whether what is meant for the server of one URL may go to that of another; both are ws or wss.
///
/// # Errors
/// In which way it is another server.
pub(super) fn same_server(from: &Url, to: &Url) -> Result<(), String> {
    let host = to.host_str().map(|host| said(&host)).unwrap_or_default();
    if to.host_str() != from.host_str() {
        return Err(format!("another host, {host}"));
    }
    if from.scheme() == "wss" && to.scheme() != "wss" {
        return Err(format!("{host} without TLS"));
    }
    if from.scheme() == to.scheme() && to.port_or_known_default() != from.port_or_known_default() {
        let port = to.port_or_known_default().unwrap_or_default();
        return Err(format!("another port, {host}:{port}"));
    }
    Ok(())
}

fn refused(status: StatusCode, how: &str) -> Cause {
    let text = format!("the server redirects {how} ({status}), which is not followed");
    Cause::new(CauseCode::Http(status.as_u16()), text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn to(location: &str) -> HeaderMap {
        HeaderMap::from_iter([(LOCATION, location.parse().unwrap())])
    }

    fn status(code: u16) -> StatusCode {
        code.try_into().unwrap()
    }

    fn next(from: &str, code: u16, location: &str) -> Option<Result<Url, Cause>> {
        Redirects::default().next(&from.parse().unwrap(), status(code), &to(location))
    }

    #[test]
    fn the_same_host_is_followed_and_keeps_its_credentials() {
        let check = |from: &str, location: &str, expected: &str| {
            for status in [301, 302, 303, 307, 308] {
                assert_eq!(next(from, status, location).unwrap().unwrap().as_str(), expected, "{from} {location}");
            }
        };
        check("ws://h/a", "/b?c#d", "ws://h/b?c");
        check("ws://me:pw@h:81/a", "ws://h:81/b", "ws://me:pw@h:81/b");
        check("ws://h/a", "http://other@H/b", "ws://h/b");
        check("wss://h/a", "https://h:443/b", "wss://h/b");
        check("ws://h/a", "wss://h/b", "wss://h/b");
        check("ws://h:8080/a", "https://h/b", "wss://h/b");
    }

    #[test]
    fn another_host_another_port_and_less_security_are_refused_by_name() {
        let check = |from: &str, location: &str, words: &str| {
            let cause = next(from, 302, location).unwrap().unwrap_err();
            assert_eq!(cause.code, CauseCode::Http(302));
            assert_eq!(cause.text, format!("the server redirects {words} (302 Found), which is not followed"));
        };
        check("wss://h/a", "wss://evil.example/?x=secret", "to another host, evil.example");
        check("wss://h/a", "//evil.example", "to another host, evil.example");
        check("ws://h/a", "wss://h.evil.example", "to another host, h.evil.example");
        check("wss://h/a", "ws://h/a", "to h without TLS");
        check("wss://h/a", "http://h:443/a", "to h without TLS");
        check("ws://h/a", "ws://h:81/a", "to another port, h:81");
        check("wss://h:8443/a", "https://h/a", "to another port, h:443");
        check("ws://h/a", "ftp://h/a", "to ftp on h, which is neither WebSocket nor HTTP");
        check("ws://h/a", "mailto:me", "without saying where to");
        check("ws://h/a", "http://[", "without saying where to");
    }

    #[test]
    fn other_answers_are_no_redirects() {
        for code in [200, 300, 304, 305, 404] {
            assert!(next("ws://h", code, "/b").is_none(), "{code}");
        }
        let nowhere = Redirects::default().next(&"ws://h".parse().unwrap(), status(301), &HeaderMap::new());
        let none = nowhere.unwrap().unwrap_err();
        assert!(none.text.contains("without saying where to"), "{}", none.text);
    }

    #[test]
    fn circles_end() {
        let (from, circle) = ("ws://h/".parse().unwrap(), to("/"));
        let mut redirects = Redirects::default();
        for _ in 0..MOST {
            redirects.next(&from, status(301), &circle).unwrap().unwrap();
        }
        let cause = redirects.next(&from, status(301), &circle).unwrap().unwrap_err();
        assert!(cause.text.contains("more than 5 times"), "{}", cause.text);
    }
}
