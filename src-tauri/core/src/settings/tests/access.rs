//! The tables auth, tls and proxy.

use super::*;

const KEY: &str = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
const KEY_DIGITS: &str =
    "E3:B0:C4:42:98:fc:1c:14:9a:fb:f4:c8:99:6f:b9:24:27:ae:41:e4:64:9b:93:4c:a4:95:99:1b:78:52:b8:55";

fn with(more: &str) -> Connection {
    resolved(&format!("{MINIMAL}{more}"))
}

fn refused(more: &str) -> Vec<(String, FieldErrorCode)> {
    let given = format!("{MINIMAL}{more}");
    let errors = resolve(&form(&given), &defaults(), &presets()).expect_err(more);
    errors.into_iter().map(|error| (error.field, error.code)).collect()
}

#[test]
fn nothing_said_is_no_credentials_the_platforms_trust_and_the_systems_proxy() {
    let connection = with("");
    assert_eq!(connection.auth, Auth::None);
    assert_eq!(connection.tls, TlsSettings::default());
    assert_eq!(connection.proxy, Proxy::System);
}

#[test]
fn a_secret_is_named_by_its_place() {
    let check = |secret: &str, expected: SecretSource| {
        let token = with(&format!("[auth]\nkind = 'token'\nsecret = {secret}"));
        assert_eq!(token.auth, Auth::Token(expected.clone()), "{secret}");
        let basic = with(&format!("[auth]\nkind = 'basic'\nuser = 'me'\nsecret = {secret}"));
        assert_eq!(basic.auth, Auth::Basic { user: "me".to_owned(), password: expected }, "{secret}");
    };
    check("{ keyring = true }", SecretSource::Keyring);
    check("{ command = ['pass', 'crm'] }", SecretSource::Command(vec!["pass".to_owned(), "crm".to_owned()]));
    check("{ env = 'CRM_TOKEN' }", SecretSource::Env("CRM_TOKEN".to_owned()));
    check("{ file = '~/crm.token' }", SecretSource::File("~/crm.token".to_owned()));
}

#[test]
fn a_secret_without_exactly_one_place_or_with_a_wrong_one_is_refused() {
    use FieldErrorCode::{ExactlyOne, Missing, PathInvalid, TextInvalid, UnknownChoice};
    let check = |auth: &str, field: &str, code: FieldErrorCode| {
        assert_eq!(refused(&format!("[auth]\n{auth}")), [(field.to_owned(), code)], "{auth}");
    };
    check("kind = 'token'", "auth.secret", ExactlyOne);
    check("kind = 'token'\nsecret = { keyring = false }", "auth.secret", ExactlyOne);
    check("kind = 'token'\nsecret = { keyring = true, env = 'X' }", "auth.secret", ExactlyOne);
    check("kind = 'token'\nsecret = { command = [] }", "auth.secret.command", Missing);
    check("kind = 'token'\nsecret = { command = [' '] }", "auth.secret.command", Missing);
    check("kind = 'token'\nsecret = { env = 'A=B' }", "auth.secret.env", TextInvalid);
    check("kind = 'token'\nsecret = { file = 'crm.token' }", "auth.secret.file", PathInvalid);
    check("kind = 'basic'\nsecret = { keyring = true }", "auth.user", Missing);
    check("kind = 'basic'\nuser = 'a:b'\nsecret = { keyring = true }", "auth.user", TextInvalid);
    check("kind = 'digest'", "auth.kind", UnknownChoice);
}

#[test]
fn a_secret_or_a_user_without_a_kind_is_not_passed_over() {
    let check = |auth: &str| {
        let errors = resolve(&form(&format!("{MINIMAL}[auth]\n{auth}")), &defaults(), &presets()).expect_err(auth);
        assert_eq!(errors.len(), 1, "{errors:?}");
        assert_eq!((errors[0].field.as_str(), errors[0].code), ("auth.kind", FieldErrorCode::Missing), "{auth}");
        assert!(errors[0].message.contains("kind = \"token\""), "{errors:?}");
    };
    check("secret = { keyring = true }");
    check("user = 'me'");
    check("user = 'me'\nsecret = { env = 'X' }");
    // Who says so means it, here or for every connection.
    assert_eq!(with("[auth]\nkind = 'none'\nuser = 'me'\nsecret = { keyring = true }").auth, Auth::None);
    let tokens = overlay(&form("[auth]\nkind = 'token'\nsecret = { keyring = true }"), &defaults());
    let own_place = form(&format!("{MINIMAL}[auth]\nsecret = {{ env = 'X' }}"));
    let resolved = resolve(&own_place, &tokens, &presets()).unwrap();
    assert_eq!(resolved.auth, Auth::Token(SecretSource::Env("X".to_owned())));
    // What every connection would use, if it had a kind, asks nothing of one that has none.
    let place = overlay(&form("[auth]\nsecret = { keyring = true }"), &defaults());
    assert_eq!(resolve(&form(MINIMAL), &place, &presets()).unwrap().auth, Auth::None);
    let token = form(&format!("{MINIMAL}[auth]\nkind = 'token'"));
    assert_eq!(resolve(&token, &place, &presets()).unwrap().auth, Auth::Token(SecretSource::Keyring));
}

#[test]
fn a_preset_can_give_the_kind_of_a_secret_or_the_secret_of_a_kind() {
    let check = |preset: &str, own: &str| {
        let preset = Preset { connection: form(preset), ..presets().remove(0) };
        let own = form(&format!("{MINIMAL}preset = '{}'\n{own}", preset.id));
        resolve(&own, &defaults(), &[preset]).map(|connection| connection.auth)
    };
    let token = Ok(Auth::Token(SecretSource::Keyring));
    assert_eq!(check("[auth]\nkind = 'token'", "[auth]\nsecret = { keyring = true }"), token);
    assert_eq!(check("[auth]\nsecret = { keyring = true }", "[auth]\nkind = 'token'"), token);
    assert_eq!(check("[auth]\nsecret = { keyring = true }", "").unwrap_err()[0].field, "auth.kind");
}

/// It may be the secret itself.
#[test]
fn what_is_no_path_of_a_secret_is_not_repeated() {
    let given = form(&format!("{MINIMAL}[auth]\nkind = 'token'\nsecret = {{ file = 'hunter2' }}"));
    let errors = resolve(&given, &defaults(), &presets()).expect_err("no path");
    assert!(errors[0].message.contains("not a whole path") && !errors[0].message.contains("hunter2"), "{errors:?}");
}

#[test]
fn certificates_are_whole_paths_and_pins_are_keys() {
    let tls = with(&format!(
        "[tls]\nca_file = '/etc/our-ca.pem'\nclient_certificate = '~/me.pem'\nclient_key = 'C:\\me.key'\n\
         pin_sha256 = ['{KEY}', 'sha256//{KEY}', '{KEY_DIGITS}']"
    ))
    .tls;
    let client = ClientCertificate { certificate: "~/me.pem".to_owned(), key: "C:\\me.key".to_owned() };
    assert_eq!((tls.ca_file.as_deref(), tls.client), (Some("/etc/our-ca.pem"), Some(client)));
    assert_eq!(tls.pins.len(), 3);
    assert!(tls.pins.iter().all(|pin| pin.0[..3] == [0xe3, 0xb0, 0xc4]), "{:?}", tls.pins);
}

#[test]
fn half_a_client_certificate_and_a_pin_of_another_length_are_refused() {
    use FieldErrorCode::{Missing, PathInvalid, PinInvalid};
    let check = |tls: &str, field: &str, code: FieldErrorCode| {
        assert_eq!(refused(&format!("[tls]\n{tls}")), [(field.to_owned(), code)], "{tls}");
    };
    check("ca_file = 'ca.pem'", "tls.ca_file", PathInvalid);
    check("client_key = '/me.key'", "tls.client_certificate", Missing);
    check("client_certificate = '/me.pem'", "tls.client_key", Missing);
    check("pin_sha256 = ['AAAA']", "tls.pin_sha256[0]", PinInvalid);
    check(&format!("pin_sha256 = ['{KEY}', '']"), "tls.pin_sha256[1]", PinInvalid);
}

#[test]
fn a_proxy_is_the_systems_none_or_an_address_with_its_usual_port() {
    assert_eq!(with("[proxy]\nurl = 'system'").proxy, Proxy::System);
    assert_eq!(with("[proxy]\nurl = 'none'").proxy, Proxy::None);
    let check = |given: &str, kind: ProxyKind, host: &str, port: u16| {
        let Proxy::Through(address) = with(&format!("[proxy]\nurl = '{given}'")).proxy else { panic!("{given}") };
        assert_eq!((address.kind, address.url.host_str(), address.port()), (kind, Some(host), port), "{given}");
        assert!(!format!("{address:?}").contains("secret"), "{address:?}");
    };
    check("http://proxy.example:3128", ProxyKind::Http, "proxy.example", 3128);
    check("http://me:secret@proxy.example/", ProxyKind::Http, "proxy.example", 80);
    check("socks5://me:secret@10.0.0.1:1081", ProxyKind::Socks5, "10.0.0.1", 1081);
    check("socks5://10.0.0.1", ProxyKind::Socks5, "10.0.0.1", 1080);
    check("socks5h://[::1]:9050", ProxyKind::Socks5h, "[::1]", 9050);
}

#[test]
fn a_proxys_credentials_are_read_without_their_encoding_and_never_shown() {
    let check = |given: &str, credentials: Option<(&str, &str)>, shown: &str| {
        let address = ProxyAddress::parse(given).unwrap();
        let expected = credentials.map(|(user, password)| (user.to_owned(), password.to_owned()));
        assert_eq!((address.credentials(), address.to_string().as_str()), (expected, shown), "{given}");
    };
    check("http://p", None, "http://p:80");
    check("http://me@p", Some(("me", "")), "http://p:80");
    check("http://a%40b:x%3Ay%20z@p:3128", Some(("a@b", "x:y z")), "http://p:3128");
    check("socks5://me:%E2%82%AC@[::1]", Some(("me", "\u{20ac}")), "socks5://[::1]:1080");
    check("socks5h://p", None, "socks5h://p:1080");
}

#[test]
fn what_is_no_proxy_is_refused_without_repeating_its_password() {
    let check = |given: &str, part: &str| {
        let given = form(&format!("{MINIMAL}[proxy]\nurl = '{given}'"));
        let errors = resolve(&given, &defaults(), &presets()).expect_err(part);
        assert_eq!((errors.len(), errors[0].code), (1, FieldErrorCode::ProxyInvalid), "{part}");
        assert!(errors[0].message.contains(part), "{part}: {}", errors[0].message);
        assert!(!format!("{errors:?}").contains("secret"), "{errors:?}");
    };
    check("", "not the address");
    check("secret.example:3128", "begins with no kind of proxy");
    check("secret:x@p:80", "begins with no kind of proxy");
    check("https://me:secret@proxy.example", "\"https\" is not a kind");
    check("http://me:secret@proxy.example/path", "ends after the port");
    check("socks5://", "has no host");
    check("socks5://me@10.0.0.1", "a user and a password");
    check(&format!("socks5h://me:secret{}@10.0.0.1", "x".repeat(250)), "1 to 255 bytes");
}
