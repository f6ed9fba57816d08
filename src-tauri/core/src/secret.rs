//! A password or token on its way. It is never shown: not in logs, errors or snapshots.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use zeroize::Zeroizing;

/// The longest secret, in bytes: servers refuse longer header fields.
pub const SECRET_MAX: usize = 8 * 1024;

/// A password or token. Its memory is cleared when it is dropped; copies that a network library or the operating
/// system makes are beyond it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes it over.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// The secret itself, for the one place that sends or stores it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Why this cannot be sent as a password (RFC 7617, section 2, forbids control characters); none if it can.
    pub fn fault(&self) -> Option<&'static str> {
        match self.expose() {
            "" => Some("is empty"),
            text if text.len() > SECRET_MAX => Some("is longer than 8 KiB, which servers refuse"),
            text if text.chars().any(char::is_control) => Some("has a line break or another control character"),
            _ => None,
        }
    }

    /// Why this cannot be sent as a token: it is one word of visible ASCII (RFC 6750, section 2.1, allows even less);
    /// none if it can.
    pub fn fault_as_token(&self) -> Option<&'static str> {
        self.fault().or_else(|| {
            let whole = self.expose().bytes().all(|byte| byte.is_ascii_graphic());
            (!whole).then_some("has a blank or another character that a token cannot have")
        })
    }
}

/// Says that there is one, and no more.
impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Only for the control socket, which this person's own processes speak over.
impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.expose())
    }
}

/// The error never repeats what was given: serde's own would.
impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::new).map_err(|_| de::Error::custom("the secret is not a text"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_of_it_is_that_it_is_there() {
        assert_eq!(format!("{:?}", Secret::new("canary")), "Secret(…)");
        assert_eq!(format!("{:#?}", Some(Secret::new("canary"))), "Some(\n    Secret(…),\n)");
    }

    #[test]
    fn it_crosses_the_control_socket_whole_and_a_wrong_one_is_not_repeated() {
        let secret = Secret::new("a\"b€");
        let line = serde_json::to_string(&secret).unwrap();
        assert_eq!(serde_json::from_str::<Secret>(&line).unwrap(), secret);
        let error = serde_json::from_str::<Secret>("424242").unwrap_err().to_string();
        assert!(error.contains("not a text") && !error.contains("424242"), "{error}");
    }

    #[test]
    fn what_no_header_can_carry_is_a_fault() {
        let check = |text: &str, password: bool, token: bool| {
            let secret = Secret::new(text);
            assert_eq!((secret.fault().is_none(), secret.fault_as_token().is_none()), (password, token), "{text:?}");
        };
        check("abc-._~+/123=", true, true);
        check("two words", true, false);
        check("Grüße", true, false);
        check("", false, false);
        check("a\nb", false, false);
        check("a\u{7f}", false, false);
        check(&"x".repeat(SECRET_MAX), true, true);
        check(&"x".repeat(SECRET_MAX + 1), false, false);
    }
}
