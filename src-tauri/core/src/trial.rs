//! What a test of a connection finds: its steps from the secret to the first message, and what to do where one fails.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::cause::{Cause, CauseCode, CauseView};

/// How long a test that the window asks for may take: less than a client waits for its answer.
pub const TEST_LIMIT: Duration = Duration::from_secs(25);

/// A step of a test, in the order in which they are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS), ts(export, export_to = "bindings.ts"))]
pub enum Step {
    /// The password or token is there.
    Secret,
    /// Which proxy leads to the server.
    Proxy,
    /// The host, or the proxy's, has an address.
    Dns,
    /// Something listens there.
    Tcp,
    /// The proxy opens a way to the server.
    Tunnel,
    /// The server proves its name.
    Tls,
    /// The server speaks WebSocket at this path and takes the credentials of the request.
    Upgrade,
    /// The server takes what the dialect says first: its login and its subscriptions.
    Subscription,
    /// The server gives what was missed, where the dialect asks for that beside the socket.
    Fetch,
    /// The server answers a heartbeat.
    Heartbeat,
    /// A message comes.
    Message,
}

impl Step {
    /// Its word, as it is serialized.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Secret => "secret",
            Self::Proxy => "proxy",
            Self::Dns => "dns",
            Self::Tcp => "tcp",
            Self::Tunnel => "tunnel",
            Self::Tls => "tls",
            Self::Upgrade => "upgrade",
            Self::Subscription => "subscription",
            Self::Fetch => "fetch",
            Self::Heartbeat => "heartbeat",
            Self::Message => "message",
        }
    }
}

/// How a step went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS), ts(export, export_to = "bindings.ts"))]
pub enum Outcome {
    /// It works.
    Ok,
    /// It does not; the steps behind it were not made, unless they do not depend on it.
    Failed,
    /// There is nothing to do in it.
    Skipped,
}

/// A step that was made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS), ts(export, export_to = "bindings.ts"))]
pub struct StepView {
    /// Which one.
    pub step: Step,
    /// How it went.
    pub outcome: Outcome,
    /// How long it took, in milliseconds.
    pub took_ms: f64,
    /// What was found: a part of an English sentence, safe to show. Of a failure its cause's words.
    pub detail: String,
    /// Why it failed.
    pub cause: Option<CauseView>,
    /// What to do about that: an English sentence.
    pub advice: Option<String>,
}

/// What a person can do about a step that failed.
pub fn advice(step: Step, cause: &Cause) -> &'static str {
    if cause.offline {
        return "Connect this computer to a network.";
    }
    match (step, cause.code) {
        (_, CauseCode::Configuration) => "Correct this in the connection's settings.",
        (Step::Secret, CauseCode::ConnectTimeout) => {
            "Unlock the keyring, or see why the command for the secret does not end."
        }
        (Step::Secret, _) => "Give the secret with `heartwire secret NAME`, or correct its place in the settings.",
        (Step::Proxy, _) | (_, CauseCode::Proxy) => {
            "Correct the connection's proxy.url, or set it to \"none\" if no proxy is needed."
        }
        (Step::Dns, _) => {
            "See whether the host in the address is spelt right; a name inside a company is often known only with its VPN."
        }
        (Step::Tcp | Step::Tunnel, CauseCode::Refused) => {
            "See whether the server runs, and whether the port in the address is the one it listens on."
        }
        (Step::Tcp | Step::Tunnel, _) => {
            "See whether the server can be reached from this network: a firewall may be in the way, or a VPN or proxy be missing."
        }
        (Step::Tls, CauseCode::Tls) => {
            "If this is your server, name its authority in tls.ca_file; else see whether the host in the address and this \
             computer's clock are right, and whether the port speaks TLS."
        }
        (Step::Fetch, CauseCode::Unauthorized) => {
            "Use credentials that may also read messages, or what is missed in an outage stays missing."
        }
        (Step::Upgrade | Step::Subscription, CauseCode::Unauthorized) => {
            "Give another token or password, and see whether it may subscribe to what the settings name."
        }
        (Step::Upgrade, CauseCode::Http(300..=399)) => "If you trust it, write the address that it redirects to.",
        (Step::Upgrade | Step::Fetch, CauseCode::Http(429)) => {
            "Wait before you try again: the server says it is asked too often."
        }
        (Step::Upgrade, CauseCode::Http(404 | 405 | 410)) => {
            "Correct the path in the address: the server has no WebSocket there."
        }
        (Step::Upgrade, CauseCode::Http(500..=599)) => "See the log of the server, or of the proxy before it.",
        (Step::Upgrade, _) => {
            "See whether this address is a WebSocket's: its path, its port, and whether it is ws or wss."
        }
        (Step::Subscription, CauseCode::ConnectTimeout) => {
            "See whether the dialect is the one that this server speaks: it does not answer in it."
        }
        (Step::Subscription, _) => {
            "See whether the dialect, what is subscribed to, and the credentials fit this server."
        }
        (Step::Fetch, _) => "See the log of the server: messages of an outage cannot be fetched from it now.",
        (Step::Heartbeat, CauseCode::HeartbeatTimeout) => {
            "Set heartbeat.kind = \"ping\", or a text and a reply that this server knows, or \"none\" if it sends often itself."
        }
        (Step::Heartbeat | Step::Message, CauseCode::Closed(_) | CauseCode::Reset) => {
            "The server itself ends the connection: see whether the dialect and the credentials fit it, and what its log says."
        }
        (Step::Tls | Step::Heartbeat | Step::Message, _) => "Try again, and see the log of the server if it stays so.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEPS: [Step; 11] = [
        Step::Secret,
        Step::Proxy,
        Step::Dns,
        Step::Tcp,
        Step::Tunnel,
        Step::Tls,
        Step::Upgrade,
        Step::Subscription,
        Step::Fetch,
        Step::Heartbeat,
        Step::Message,
    ];

    #[test]
    fn the_words_are_those_of_the_protocol_and_the_order_that_of_the_test() {
        for step in STEPS {
            assert_eq!(serde_json::to_value(step).unwrap(), step.word());
        }
        assert!(STEPS.is_sorted());
    }

    #[test]
    fn every_failure_has_an_advice_that_is_a_sentence() {
        let codes = [
            CauseCode::Dns,
            CauseCode::Refused,
            CauseCode::Unreachable,
            CauseCode::ConnectTimeout,
            CauseCode::Tls,
            CauseCode::Proxy,
            CauseCode::Http(302),
            CauseCode::Http(404),
            CauseCode::Http(429),
            CauseCode::Http(503),
            CauseCode::Unauthorized,
            CauseCode::HeartbeatTimeout,
            CauseCode::Closed(1008),
            CauseCode::Reset,
            CauseCode::Protocol,
            CauseCode::TooLarge,
            CauseCode::Configuration,
        ];
        for step in STEPS {
            for code in codes {
                let advice = advice(step, &Cause::new(code, ""));
                assert!(advice.starts_with(char::is_uppercase) && advice.ends_with('.'), "{step:?} {code}: {advice}");
            }
        }
    }

    #[test]
    fn the_common_causes_have_advice_of_their_own() {
        let check = |step, code, part: &str| {
            let advice = advice(step, &Cause::new(code, ""));
            assert!(advice.contains(part), "{step:?} {code}: {advice}");
        };
        check(Step::Secret, CauseCode::Unauthorized, "heartwire secret");
        check(Step::Secret, CauseCode::Configuration, "settings");
        check(Step::Tcp, CauseCode::Proxy, "proxy.url");
        check(Step::Dns, CauseCode::Dns, "spelt");
        check(Step::Tcp, CauseCode::Refused, "port");
        check(Step::Tcp, CauseCode::ConnectTimeout, "firewall");
        check(Step::Tls, CauseCode::Tls, "tls.ca_file");
        check(Step::Upgrade, CauseCode::Unauthorized, "token or password");
        check(Step::Upgrade, CauseCode::Http(404), "path");
        check(Step::Upgrade, CauseCode::Http(502), "log of the server");
        check(Step::Upgrade, CauseCode::Protocol, "ws or wss");
        check(Step::Subscription, CauseCode::Unauthorized, "subscribe");
        check(Step::Subscription, CauseCode::ConnectTimeout, "dialect");
        check(Step::Fetch, CauseCode::Unauthorized, "read messages");
        check(Step::Heartbeat, CauseCode::HeartbeatTimeout, "heartbeat.kind");
        check(Step::Message, CauseCode::Closed(1008), "credentials");
        let offline = Cause { offline: true, ..Cause::new(CauseCode::Unreachable, "") };
        assert!(advice(Step::Dns, &offline).contains("network"));
    }
}
