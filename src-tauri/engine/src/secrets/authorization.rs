//! The `Authorization` field of an upgrade request.

use data_encoding::BASE64;
use tokio_tungstenite::tungstenite::http::HeaderValue;

use heartwire_core::secret::Secret;
use heartwire_core::settings::Auth;
use zeroize::Zeroizing;

/// `Bearer` (RFC 6750, section 2.1) or `Basic` (RFC 7617, section 2) with this secret; none without credentials.
///
/// # Errors
/// Why the secret cannot be sent, to follow its name.
pub(super) fn field(auth: &Auth, secret: &Secret) -> Result<Option<HeaderValue>, &'static str> {
    let (fault, value) = match auth {
        Auth::None => return Ok(None),
        Auth::Token(_) => (secret.fault_as_token(), Zeroizing::new(format!("Bearer {}", secret.expose()))),
        Auth::Basic { user, .. } => {
            let pair = Zeroizing::new(format!("{user}:{}", secret.expose()));
            (secret.fault(), Zeroizing::new(format!("Basic {}", BASE64.encode(pair.as_bytes()))))
        }
    };
    if let Some(fault) = fault {
        return Err(fault);
    }
    let mut field = HeaderValue::from_str(&value).map_err(|_| "has a character that no header can carry")?;
    // Its Debug shows nothing.
    field.set_sensitive(true);
    Ok(Some(field))
}

#[cfg(test)]
mod tests {
    use heartwire_core::settings::SecretSource;

    use super::*;

    #[test]
    fn the_field_is_what_the_two_rfcs_say() {
        let check = |auth: &Auth, secret: &str, expected: Result<&str, &str>| {
            let field = field(auth, &Secret::new(secret));
            let field = field.as_ref().map(|field| field.as_ref().unwrap().to_str().unwrap()).map_err(|fault| *fault);
            assert_eq!(field, expected, "{secret}");
        };
        let token = Auth::Token(SecretSource::Keyring);
        // The examples of RFC 6750, section 2.1, and RFC 7617, sections 2 and 2.1.
        check(&token, "mF_9.B5f-4.1JqM", Ok("Bearer mF_9.B5f-4.1JqM"));
        let basic = |user: &str| Auth::Basic { user: user.to_owned(), password: SecretSource::Keyring };
        check(&basic("Aladdin"), "open sesame", Ok("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="));
        check(&basic("test"), "123£", Ok("Basic dGVzdDoxMjPCow=="));
        check(&token, "two words", Err("has a blank or another character that a token cannot have"));
        check(&basic("a"), "b\r\nX: y", Err("has a line break or another control character"));
    }

    #[test]
    fn it_is_marked_as_a_secret() {
        let field = field(&Auth::Token(SecretSource::Keyring), &Secret::new("canary")).unwrap().unwrap();
        assert!(field.is_sensitive() && !format!("{field:?}").contains("canary"));
    }
}
