//! Every rule, and what is wrong when it is broken.

use super::*;

#[test]
fn a_name_and_a_url_are_enough() {
    let connection = resolved(MINIMAL);
    assert_eq!(connection.name, "crm");
    assert_eq!(connection.dialect.name(), "plain");
    assert_eq!(connection.connect_timeout, Duration::from_secs(10));
    let heartbeat = Heartbeat {
        kind: HeartbeatKind::Ping,
        every: Duration::from_secs(30),
        timeout: Duration::from_secs(10),
        always: false,
    };
    assert_eq!(connection.heartbeat, heartbeat);
    let (first, cap) = (Duration::from_millis(500), Duration::from_secs(30));
    assert_eq!(connection.backoff, Backoff { first, cap, fixed: None, jitter: Jitter::Full });
    assert_eq!((connection.on_open.len(), connection.headers.len(), connection.subprotocols.len()), (0, 0, 0));
    let dialect = connection.dialect;
    assert_eq!((dialect.auto_heartbeat, dialect.reply, dialect.message.ignore.len()), (true, None, 0));
}

#[test]
fn the_general_defaults_are_what_the_window_is_told() {
    let general = General { notifications: true, language: Language::System, keep_messages: 10_000 };
    assert_eq!(default_file().general, general);
}

#[test]
fn http_becomes_ws_and_what_may_be_shown_has_no_password() {
    let check = |given: &str, url: &str, shown: &str| {
        let connection = resolved(&format!("name = 'crm'\nurl = '{given}'"));
        assert_eq!((connection.url.as_str(), shown_url(&connection.url).as_str()), (url, shown), "{given}");
    };
    check("ws://h", "ws://h/", "ws://h/");
    check("  wss://h:8443/x?y=1  ", "wss://h:8443/x?y=1", "wss://h:8443/x?y=1");
    check("http://h/p", "ws://h/p", "ws://h/p");
    check("https://h:443/p", "wss://h/p", "wss://h/p");
    check("HTTPS://H/P", "wss://h/P", "wss://h/P");
    check("https://h:80/p", "wss://h:80/p", "wss://h:80/p");
    check("ws://me:pa%40ss@h/p", "ws://me:pa%40ss@h/p", "ws://h/p");
    check("ws://[::1]:9/p", "ws://[::1]:9/p", "ws://[::1]:9/p");
    check(
        "ws://例子.测试/消息",
        "ws://xn--fsqu00a.xn--0zwm56d/%E6%B6%88%E6%81%AF",
        "ws://xn--fsqu00a.xn--0zwm56d/%E6%B6%88%E6%81%AF",
    );
}

#[test]
fn what_is_written_lies_over_the_preset_and_that_over_the_defaults() {
    let connection = resolved(
        "name = 'crm'\nurl = 'ws://h'\npreset = 'crm-heartbeat'\n[heartbeat]\nevery = '7s'\nreply = { contains = 'x' }\n\
         [message]\ntitle = 'T'",
    );
    assert_eq!(connection.heartbeat.every, Duration::from_secs(7));
    assert_eq!(connection.heartbeat.timeout, Duration::from_secs(5));
    assert_eq!(connection.heartbeat.kind, HeartbeatKind::Text("HeartBeat".to_owned()));
    assert_eq!(connection.backoff.fixed, Some(Duration::from_secs(4)));
    assert_eq!(connection.preset.as_deref(), Some("crm-heartbeat"));
    let dialect = connection.dialect;
    assert_eq!(dialect.reply, Some(ReplyMatcher::Contains("x".to_owned())));
    assert_eq!((dialect.message.title.as_str(), dialect.message.id.as_str()), ("T", "{{ json.id }}"));
}

#[test]
fn headers_are_joined_without_regard_to_capitals() {
    let upper = form("[headers]\nx-tenant = 'green'\nA = '1'");
    let lower = form("[headers]\nX-Tenant = 'blue'\nB = '2'");
    let expected: BTreeMap<_, _> =
        [("A", "1"), ("B", "2"), ("x-tenant", "green")].map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    assert_eq!(overlay(&upper, &lower).headers, Some(expected));
}

#[test]
fn none_undoes_a_presets_fixed_delay() {
    let connection = resolved("name = 'e'\nurl = 'ws://h'\npreset = 'heartbeat-echo'\n[reconnect]\nfixed = 'none'");
    assert_eq!(connection.backoff.fixed, None);
}

#[test]
fn every_wrong_field_is_told_at_its_path_with_what_to_do() {
    use FieldErrorCode as Code;
    let check = |toml: &str, field: &str, code: Code, part: &str| {
        // A later key of the same name would be a syntax error, so the base holds only what the case does not.
        let base: String = MINIMAL
            .lines()
            .filter(|line| !toml.starts_with(&line[..4]))
            .fold(String::new(), |all, line| all + line + "\n");
        let whole = format!("{base}{toml}");
        let errors = resolve(&form(&whole), &defaults(), &presets()).expect_err(&whole);
        assert_eq!(errors.len(), 1, "{toml}: {errors:?}");
        assert_eq!((errors[0].field.as_str(), errors[0].code), (field, code), "{toml}: {}", errors[0].message);
        assert!(errors[0].message.contains(part), "{toml}: {}", errors[0].message);
    };
    let long = "n".repeat(65);
    check("name = ''", "name", Code::Missing, "give it one");
    check("name = '  '", "name", Code::Missing, "give it one");
    check(&format!("name = '{long}'"), "name", Code::TooLong, "65 characters: use at most 64");
    check(r#"name = "a\u0007b""#, "name", Code::TextInvalid, "cannot be seen");
    check(r#"name = "a\u202Eb""#, "name", Code::TextInvalid, "cannot be seen");
    check("url = ''", "url", Code::Missing, "ws://, wss://, http:// or https://");
    check("url = 'ftp://h'", "url", Code::UrlScheme, "\"ftp://h\" is not a WebSocket address: begin it with ws://");
    check("url = 'crm.example/x'", "url", Code::UrlScheme, "begin it with");
    check("url = 'localhost:80/x'", "url", Code::UrlScheme, "begin it with");
    check("url = 'ws://'", "url", Code::UrlInvalid, "no host");
    check("url = 'ws://h:99999'", "url", Code::UrlInvalid, "invalid port");
    check("url = 'ws://h:0/'", "url", Code::UrlInvalid, "port 0");
    check("url = 'ws://h h/'", "url", Code::UrlInvalid, "is not an address");
    check(r#"url = "ws://h\n.evil/""#, "url", Code::UrlInvalid, "control characters");
    check("url = 'ws://h/#part'", "url", Code::UrlFragment, "RFC 6455");
    check(&format!("url = 'ws://h/{}'", "p".repeat(9_000)), "url", Code::TooLong, "at most 8192");
    check("sockjs = ''", "sockjs", Code::Missing, "ws://, wss://, http:// or https://");
    check("sockjs = 'ftp://h'", "sockjs", Code::UrlScheme, "begin it with ws://");
    check("dialect = 'sockjs'\nsockjs = 'ws://h'", "sockjs", Code::NotTaken, "leave this out");
    check("dialect = 'klingon'", "dialect", Code::UnknownChoice, "use \"plain\"");
    check("preset = 'nope'", "preset", Code::UnknownPreset, "\"crm-heartbeat\"");
    check("connect_timeout = '0s'", "connect_timeout", Code::DurationZero, "no time at all");
    check("connect_timeout = 'soon'", "connect_timeout", Code::DurationInvalid, "500ms");
    check("heartbeat.every = '25h'", "heartbeat.every", Code::DurationRange, "1ms to 24h");
    check("heartbeat.timeout = '10'", "heartbeat.timeout", Code::DurationInvalid, "write 10s for seconds");
    check(
        "heartbeat.kind = 'pong'",
        "heartbeat.kind",
        Code::UnknownChoice,
        "\"auto\" or \"text\" or \"ping\" or \"none\"",
    );
    check("heartbeat.kind = 'text'", "heartbeat.send", Code::Missing, "kind = \"ping\"");
    check("heartbeat.reply = {}", "heartbeat.reply", Code::ExactlyOne, "exactly one");
    check("heartbeat.reply = { equals = 'a', contains = 'b' }", "heartbeat.reply", Code::ExactlyOne, "exactly one");
    check("heartbeat.reply = { contains = '' }", "heartbeat.reply.contains", Code::Missing, "empty");
    check("heartbeat.reply = { matches = '(' }", "heartbeat.reply.matches", Code::RegexInvalid, "unclosed group");
    check(
        "heartbeat.reply = { matches = '\\w{500}{500}' }",
        "heartbeat.reply.matches",
        Code::RegexInvalid,
        "size limit",
    );
    check("heartbeat.reply = { json-path = 'pong' }", "heartbeat.reply.json-path", Code::JsonPathInvalid, "$.pong");
    check("reconnect.fixed = '0s'", "reconnect.fixed", Code::DurationZero, "no time at all");
    check("reconnect.jitter = 'some'", "reconnect.jitter", Code::UnknownChoice, "\"full\" or \"none\"");
    check("reconnect.first = '31s'", "reconnect.first", Code::FirstAboveCap, "(31s) is above the cap (30s)");
    check("reconnect.cap = '100ms'", "reconnect.cap", Code::FirstAboveCap, "(500ms) is above the cap (100ms)");
    check("headers = { 'a b' = 'x' }", "headers.a b", Code::HeaderInvalid, "letters, digits");
    check(r#"headers = { X = "a\r\nHost: evil" }"#, "headers.X", Code::HeaderInvalid, "line break");
    check(r#"headers = { X = "a\u0000" }"#, "headers.X", Code::HeaderInvalid, "control character");
    check("headers = { Host = 'x' }", "headers.Host", Code::HeaderInvalid, "remove it");
    check("headers = { Sec-WebSocket-Key = 'x' }", "headers.Sec-WebSocket-Key", Code::HeaderInvalid, "remove it");
    check("headers = { X = '1', x = '2' }", "headers.x", Code::HeaderInvalid, "twice");
    check("subprotocols = ['a', 'b c']", "subprotocols[1]", Code::SubprotocolInvalid, "without spaces");
    check("subprotocols = ['a', 'a']", "subprotocols[1]", Code::SubprotocolInvalid, "twice");
    check(&format!("on_open = ['', '{}']", "x".repeat(70_000)), "on_open[1]", Code::TooLong, "at most 65536");
    check(&format!("on_open = [{}]", "'x',".repeat(65)), "on_open", Code::TooLong, "65 entries");
    check("message.title = '{{ json.a'", "message.title", Code::TemplateInvalid, "correct it");
    check("message.body = '{{ text | uper }}'", "message.body", Code::TemplateInvalid, "uper");
    check("message.id = '{% for %}'", "message.id", Code::TemplateInvalid, "correct it");
    check("message.ignore = ['true', 'a =']", "message.ignore[1]", Code::TemplateInvalid, "correct it");
}

#[test]
fn all_errors_are_told_at_once() {
    let toml = "url = 'ftp://h'\nheaders = { Host = 'x' }\n[heartbeat]\nevery = '0s'\ntimeout = 'x'\n[reconnect]\njitter = '?'";
    let errors = resolve(&form(toml), &defaults(), &presets()).unwrap_err();
    let fields: Vec<_> = errors.iter().map(|error| error.field.as_str()).collect();
    assert_eq!(fields, ["name", "url", "headers.Host", "heartbeat.every", "heartbeat.timeout", "reconnect.jitter"]);
}

#[test]
fn no_password_stands_in_an_error() {
    for url in ["ftp://me:hunter2@h/", "ws://me:hunter2@h:99999/", "ws://me:hunter2@h/#x", "me:hunter2@h/x"] {
        let errors = resolve(&form(&format!("name = 'x'\nurl = '{url}'")), &defaults(), &[]).unwrap_err();
        assert!(!format!("{errors:?}").contains("hunter2"), "{url}: {errors:?}");
    }
    let errors =
        resolve(&form("name = 'x'\nurl = 'ws://h'\nheaders = { X = \"hunter2\\n\" }"), &defaults(), &[]).unwrap_err();
    assert!(!format!("{errors:?}").contains("hunter2"), "{errors:?}");
}

#[test]
fn a_name_used_twice_is_told_for_the_second() {
    let twice = names_unique(["a", "b", " a", "A", "a"]);
    let positions: Vec<_> = twice.iter().map(|(at, error)| (*at, error.field.as_str(), error.code)).collect();
    assert_eq!(positions, [(2, "name", FieldErrorCode::NameTaken), (4, "name", FieldErrorCode::NameTaken)]);
}
