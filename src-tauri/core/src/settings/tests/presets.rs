//! Each preset does what its row of the recipe says.

use super::*;

fn answers(given: &[(&str, &str)]) -> BTreeMap<String, String> {
    given.iter().map(|(name, answer)| ((*name).to_owned(), (*answer).to_owned())).collect()
}

fn preset(id: &str) -> Preset {
    presets().into_iter().find(|preset| preset.id == id).unwrap()
}

fn from_preset(id: &str, given: &[(&str, &str)]) -> (ConnectionForm, Connection) {
    let named = ConnectionForm { name: Some("crm".to_owned()), ..ConnectionForm::default() };
    let filled = preset(id).fill(&named, &answers(given)).unwrap();
    let connection = resolve(&filled, &defaults(), &presets()).unwrap();
    (filled, connection)
}

/// Kind, every, timeout, fixed delay in seconds, jitter.
fn recipe(connection: &Connection) -> (&str, u64, u64, Option<u64>, Jitter) {
    let HeartbeatKind::Text(text) = &connection.heartbeat.kind else { panic!("{:?}", connection.heartbeat) };
    let (heartbeat, backoff) = (&connection.heartbeat, &connection.backoff);
    (
        text,
        heartbeat.every.as_secs(),
        heartbeat.timeout.as_secs(),
        backoff.fixed.map(|fixed| fixed.as_secs()),
        backoff.jitter,
    )
}

/// Which of the frames the connection's dialect takes for a heartbeat's answer.
fn replies<'a>(connection: &Connection, frames: &[&'a str]) -> Vec<&'a str> {
    let mut dialect = dialect::new(connection);
    let mut answers = |frame: &str| {
        let mut effects = Effects::default();
        dialect.frame(Incoming::Text(frame), &mut effects);
        effects.heartbeat_answered
    };
    frames.iter().copied().filter(|frame| answers(frame)).collect()
}

#[test]
fn heartbeat_echo_is_the_recipes_first_row() {
    let (form, connection) = from_preset("heartbeat-echo", &[("url", "http://h/echo/?a=b")]);
    assert_eq!(form.url.as_deref(), Some("http://h/echo/?a=b"));
    assert_eq!(connection.url.as_str(), "ws://h/echo/?a=b");
    assert_eq!(recipe(&connection), ("检测", 10, 11, Some(3), Jitter::Full));
    assert_eq!(replies(&connection, &["检测", "检测!", "{\"检测\":1}", ""]), ["检测"]);
}

#[test]
fn crm_heartbeat_is_the_recipes_second_row() {
    let url = |server: &str, user: &str| {
        let (form, connection) = from_preset("crm-heartbeat", &[("server", server), ("user", user)]);
        assert_eq!(recipe(&connection), ("HeartBeat", 5, 5, Some(4), Jitter::Full));
        let only = ConnectionForm {
            name: Some("crm".to_owned()),
            preset: Some("crm-heartbeat".to_owned()),
            url: form.url.clone(),
            sockjs: form.sockjs.clone(),
            ..ConnectionForm::default()
        };
        assert_eq!(form, only, "only the answers' keys are written");
        let sockjs = connection.sockjs.as_ref().map(ToString::to_string);
        assert_eq!(sockjs, Some(connection.url.as_str().replace("/wsCrm?", "/wsCrm/sockJs?")));
        connection.url.to_string()
    };
    assert_eq!(url("http://h/path", "42"), "ws://h/path/wsCrm?jspCode=42");
    assert_eq!(url("https://h:8443/path/", " 42 "), "wss://h:8443/path/wsCrm?jspCode=42");
    assert_eq!(url("https://h", "a b&c=d#张"), "wss://h/wsCrm?jspCode=a%20b%26c%3Dd%23%E5%BC%A0");
    let (_, connection) = from_preset("crm-heartbeat", &[("server", "ws://h"), ("user", "1")]);
    let yes = [
        "HeartBeat",
        "heartbeat",
        " HEARTBEAT\n",
        "\"HeartBeat\"",
        "heart beat",
        "{\"type\":\"heartbeat\"}",
        "{ \"msg\" : \"HeartBeat\" }",
    ];
    let no = [
        "HeartBeat lost on server 3",
        "Re: HeartBeat",
        "{\"title\":\"HeartBeat\",\"text\":\"monitor is down\"}",
        "{\"text\":\"HeartBeat was missed\"}",
        "",
        "beat",
        "HeartBeat\nHeartBeat",
    ];
    assert_eq!(replies(&connection, &[&yes[..], &no[..]].concat()), yes);
}

#[test]
fn json_heart_is_the_recipes_third_row() {
    let (_, connection) = from_preset("json-heart", &[("url", "wss://h/x"), ("id", "a1b2c3")]);
    assert_eq!(connection.url.as_str(), "wss://h/x");
    assert_eq!(connection.on_open, ["{\"id\":\"a1b2c3\"}"]);
    assert_eq!(recipe(&connection), ("{\"heart\":1}", 60, 60, Some(60), Jitter::Full));
    let yes = [
        "{\"pong\":1}",
        "{ \"heart\" : \"ok\" }",
        "{\"heart\":1}",
        "{\"pong\":null}",
        "{\"type\":\"pong\"}",
        "pong",
        "\"pong\"",
        "{\"pong\":\"\"}",
    ];
    let no = [
        "{\"pong\":1,\"title\":\"Table tennis\"}",
        "{\"title\":\"pong\"}",
        "{\"type\":\"message\"}",
        "{\"type\":\"pong\",\"text\":\"You won\"}",
        "{\"heart\":\"attack on floor 3\"}",
        "{\"heart\":{\"text\":\"a message\"}}",
        "{\"text\":\"{\\\"pong\\\":1}\"}",
        "{\"id\":\"a1b2c3\"}",
        "ping pong",
        "",
    ];
    assert_eq!(replies(&connection, &[&yes[..], &no[..]].concat()), yes);
}

#[test]
fn an_answer_cannot_leave_its_place_in_the_template() {
    let (_, connection) = from_preset("json-heart", &[("url", "wss://h/x"), ("id", "a\",\"admin\":\"{{ 1 }}")]);
    let opening: serde_json::Value = serde_json::from_str(&connection.on_open[0]).unwrap();
    assert_eq!(opening, serde_json::json!({ "id": "a\",\"admin\":\"{{ 1 }}" }));
}

#[test]
fn a_wrong_answer_is_told_at_the_question() {
    use FieldErrorCode as Code;
    let check = |id: &str, given: &[(&str, &str)], expected: &[(&str, Code)]| {
        let named = ConnectionForm { name: Some("crm".to_owned()), ..ConnectionForm::default() };
        let wrong = |form: &ConnectionForm| resolve(form, &defaults(), &presets()).err().unwrap_or_default();
        let errors = preset(id).fill_checked(&named, &answers(given), wrong).unwrap_err();
        let found: Vec<_> = errors.iter().map(|error| (error.field.as_str(), error.code)).collect();
        assert_eq!(found, expected, "{given:?}");
    };
    check("crm-heartbeat", &[], &[("answers.server", Code::Missing), ("answers.user", Code::Missing)]);
    check(
        "crm-heartbeat",
        &[("server", "ftp://h"), ("user", " ")],
        &[("answers.server", Code::UrlScheme), ("answers.user", Code::Missing)],
    );
    check("crm-heartbeat", &[("server", "http://h/?a=1"), ("user", "1")], &[("answers.server", Code::UrlInvalid)]);
    check("crm-heartbeat", &[("server", "http://h/#a"), ("user", "1")], &[("answers.server", Code::UrlFragment)]);
    check("crm-heartbeat", &[("server", "http://h"), ("user", "4\u{200b}2")], &[("answers.user", Code::TextInvalid)]);
    check("heartbeat-echo", &[("url", "ws://h"), ("user", "1")], &[("answers.user", Code::UnknownKey)]);
    check("heartbeat-echo", &[("url", &format!("ws://h/{}", "x".repeat(5_000)))], &[("answers.url", Code::TooLong)]);
    // What only the dialect knows to be wrong, and all at once.
    let topic = ("answers.topic", Code::SubscribeInvalid);
    check("mqtt", &[("url", "ws://h"), ("topic", "a/#/b")], &[topic]);
    check("mqtt", &[("url", "mqtt://h"), ("topic", "a/#/b")], &[("answers.url", Code::UrlScheme), topic]);
    check("mqtt", &[], &[("answers.url", Code::Missing), ("answers.topic", Code::Missing)]);
    check("phoenix", &[("server", "h"), ("topic", "phoenix")], &[("answers.server", Code::UrlScheme), topic]);
    let both = [("answers.server", Code::UrlScheme), ("answers.channel", Code::SubscribeInvalid)];
    check("action-cable", &[("server", "h"), ("channel", "{")], &both[..1]);
    check("action-cable", &[("server", "ftp://h"), ("channel", "{")], &both);
    check("ntfy", &[("server", "https://h"), ("topics", "a/b")], &[("answers.topics", Code::SubscribeInvalid)]);
    check("pushover", &[("device", "a:b")], &[("answers.device", Code::TextInvalid)]);
}

#[test]
fn what_the_answers_did_not_make_is_told_at_its_own_field() {
    let form = form("name = ''\nheartbeat.every = 'soon'");
    for server in ["https://h", "h"] {
        let wrong = |form: &ConnectionForm| resolve(form, &defaults(), &presets()).err().unwrap_or_default();
        let given = answers(&[("server", server), ("channel", "RoomChannel")]);
        let errors = preset("action-cable").fill_checked(&form, &given, wrong).unwrap_err();
        let found: Vec<_> = errors.iter().map(|error| error.field.as_str()).collect();
        assert_eq!(found[found.len() - 2..], ["name", "heartbeat.every"], "{found:?}");
    }
}

#[test]
fn new_answers_replace_what_older_ones_made() {
    let old = form("name = 'crm'\nurl = 'ws://old/'\non_open = ['x']\nheartbeat.every = '9s'");
    let filled = preset("heartbeat-echo").fill(&old, &answers(&[("url", "ws://new/")])).unwrap();
    assert_eq!((filled.url.as_deref(), filled.preset.as_deref()), (Some("ws://new/"), Some("heartbeat-echo")));
    assert_eq!(filled.heartbeat.and_then(|heartbeat| heartbeat.every).as_deref(), Some("9s"));
}
