//! Settings, CONNECT, CONNACK, subscriptions.

use std::time::Duration;

use mqttbytes::v4::{Connect, Login, Subscribe, UnsubAck, Unsubscribe};

use super::*;
use crate::cause::CauseCode;
use crate::dialect::tests::resolved;
use crate::dialect::{KeepAlive, Spec};
use crate::secret::Secret;

fn connect(keys: Value, user: Option<&str>, secret: Option<&str>) -> (Connect, Effects) {
    let mut dialect = dialect::new(&connection("mqtt", keys));
    let mut effects = Effects::default();
    let secret = secret.map(Secret::new);
    dialect.opened(
        &Opening { cursor: None, user, secret: secret.as_ref(), random: u64::MAX, passing: false },
        &mut effects,
    );
    let [Packet::Connect(connect)] = &sent(&effects)[..] else { panic!("{effects:?}") };
    (connect.clone(), effects)
}

#[test]
fn connect_asks_for_a_session_that_stays() {
    let (connect, effects) = connect(json!({ "subscribe": ["n"] }), None, None);
    assert_eq!((connect.client_id.as_str(), connect.clean_session), ("heartwireffffffffffffff", false));
    assert_eq!((connect.client_id.len(), connect.login, connect.last_will), (23, None, None));
    assert!(!effects.ready && effects.items.is_empty());
}

#[test]
fn credentials_go_into_connect() {
    let login = |user: Option<&str>, secret| connect(json!({ "subscribe": ["n"] }), user, secret).0.login;
    assert_eq!(login(Some("joe"), Some("x y")), Some(Login::new("joe", "x y")));
    assert_eq!(login(None, Some("abc")), Some(Login::new("token", "abc")));
    let mut dialect = dialect::new(&connection("mqtt", json!({ "subscribe": ["n"] })));
    let mut effects = Effects::default();
    let (user, secret) = ("u".repeat(65_536), Secret::new("x"));
    let opening = Opening { user: Some(&user), secret: Some(&secret), ..Opening::default() };
    dialect.opened(&opening, &mut effects);
    assert_eq!(effects.fatal.unwrap().code, CauseCode::Configuration);
    assert!(effects.frames.is_empty());
}

#[test]
fn the_broker_is_told_how_often_it_hears_of_us() {
    let check = |heartbeat: Value, seconds: u16, every: Option<Duration>| {
        let (connect, effects) = connect(json!({ "subscribe": ["n"], "heartbeat": heartbeat }), None, None);
        let timeout = Duration::from_secs(7);
        let expected = every.map(|every| KeepAlive { every, timeout, always: true, ours: true });
        assert_eq!((connect.keep_alive, effects.keep_alive), (seconds, expected), "{heartbeat}");
    };
    let auto = |every: &str| json!({ "every": every, "timeout": "7s" });
    check(auto("30s"), 30, Some(Duration::from_secs(30)));
    check(auto("1500ms"), 2, Some(Duration::from_millis(1500)));
    check(auto("1ms"), 1, Some(Duration::from_millis(1)));
    check(auto("24h"), 65_535, Some(Duration::from_secs(65_535)));
    check(json!({ "kind": "ping", "every": "30s", "timeout": "7s" }), 0, None);
}

#[test]
fn the_first_contact_subscribes_and_is_ready_after_the_answer() {
    let mut socket = Socket::opened(json!({ "subscribe": ["b/+", "a/#", "b/+"] }), None);
    let effects = socket.frame(&connack(false));
    let [Packet::Subscribe(Subscribe { pkid: 1, filters })] = &sent(&effects)[..] else { panic!("{effects:?}") };
    let filters: Vec<_> = filters.iter().map(|filter| (filter.path.as_str(), filter.qos)).collect();
    assert_eq!(filters, [("a/#", QoS::AtLeastOnce), ("b/+", QoS::AtLeastOnce)]);
    assert!(
        !effects.ready && matches!(effects.items[..], [Item::Cursor(_)]),
        "the name of the session is kept at once"
    );

    let effects = socket.frame(&suback(2));
    assert!(effects.ready && effects.frames.is_empty());
    assert!(matches!(effects.items[..], [Item::CaughtUp(CaughtUp::FirstContact), Item::Cursor(_)]));
    let cursor: Value = serde_json::from_str(&socket.cursor.unwrap().0).unwrap();
    let expected =
        json!({ "client": "heartwire00000000000007", "filters": ["a/#", "b/+"], "unkept": false, "doubts": [] });
    assert_eq!(cursor, expected);
}

#[test]
fn what_cannot_be_kept_comes_in_a_session_of_its_own_that_waits_for_no_acknowledgement() {
    let mut dialect = dialect::new(&connection("mqtt", json!({ "subscribe": ["n"] })));
    let mut effects = Effects::default();
    dialect.opened(&Opening { passing: true, ..Opening::default() }, &mut effects);
    let [Packet::Connect(connect)] = &sent(&effects)[..] else { panic!("{effects:?}") };
    assert!(connect.clean_session);
    let mut socket = Socket { dialect, cursor: None, mark: 0 };
    let effects = socket.frame(&connack(false));
    let [Packet::Subscribe(subscribe)] = &sent(&effects)[..] else { panic!("{effects:?}") };
    assert_eq!(subscribe.filters[0].qos, QoS::AtMostOnce);
    socket.frame(&packet!(SubAck::new(1, vec![SubscribeReasonCode::Success(QoS::AtMostOnce)])));
    assert!(matches!(socket.publish(&publish(0, "a")).items[..], [Item::Message(_)]));

    let mut dialect = dialect::new(&connection("mqtt", json!({ "subscribe": ["n"] })));
    dialect.opened(
        &Opening { passing: true, cursor: socket.cursor.as_ref(), ..Opening::default() },
        &mut Effects::default(),
    );
    let mut next = Socket { dialect, cursor: None, mark: 0 };
    next.frame(&connack(false));
    let effects = next.frame(&packet!(SubAck::new(1, vec![SubscribeReasonCode::Success(QoS::AtMostOnce)])));
    assert_eq!(words(&effects), [CaughtUp::Missing(Missing::NoReplay)], "it was never to be found again");
}

#[test]
fn a_handshake_that_was_cut_off_is_still_the_first_contact_under_the_same_name() {
    let mut socket = Socket::opened(json!({}), None);
    socket.frame(&connack(false));
    let mut next = Socket::opened(json!({}), socket.cursor);
    assert!(matches!(sent(&next.frame(&connack(true)))[..], [Packet::Subscribe(_)]));
    assert_eq!(words(&next.frame(&suback(1))), [CaughtUp::FirstContact]);
    assert!(next.cursor.unwrap().0.contains("heartwire00000000000007"));
}

#[test]
fn a_session_that_is_there_is_gone_on_with() {
    let mut socket = Socket::opened(json!({}), Socket::first().cursor);
    let effects = socket.frame(&connack(true));
    assert!(effects.ready && words(&effects).is_empty());
    assert_eq!(sent(&effects), [Packet::PingReq]);
    for _ in 1..10 {
        let effects = socket.frame(&pingresp());
        assert_eq!((words(&effects), sent(&effects)), (vec![], vec![Packet::PingReq]));
    }
    let effects = socket.frame(&pingresp());
    assert_eq!((words(&effects), sent(&effects)), (vec![RECOVERED], vec![]));
}

#[test]
fn only_what_changed_is_subscribed_to_or_no_longer() {
    let check = |filters: Value, suback_first: bool| {
        let mut socket = Socket::opened(json!({ "subscribe": filters }), Socket::first().cursor);
        let effects = socket.frame(&connack(true));
        assert!(!effects.ready);
        let packets = sent(&effects);
        let unsuback = packet!(UnsubAck::new(2));
        let answers = if suback_first { [suback(1), unsuback] } else { [unsuback, suback(1)] };
        assert!(!socket.frame(&answers[0]).ready);
        let effects = socket.frame(&answers[1]);
        assert!(effects.ready && words(&effects).is_empty());
        assert_eq!(sent(&effects), [Packet::PingReq]);
        assert!(socket.cursor.unwrap().0.contains("\"m\""));
        packets
    };
    for suback_first in [true, false] {
        let packets = check(json!(["m"]), suback_first);
        let [Packet::Subscribe(subscribe), Packet::Unsubscribe(Unsubscribe { pkid: 2, topics })] = &packets[..] else {
            panic!("{packets:?}")
        };
        assert_eq!(
            (subscribe.filters[0].path.as_str(), subscribe.filters.len(), &topics[..]),
            ("m", 1, &["n".to_owned()][..])
        );
    }
}

#[test]
fn a_session_that_is_lost_is_told_and_begun_anew_under_the_same_name() {
    let mut socket = Socket::first();
    socket.publish(&publish(1, "a"));
    let client = |socket: &Socket| socket.cursor.as_ref().unwrap().0[..40].to_owned();
    let name = client(&socket);
    let mut socket = Socket::opened(json!({}), socket.cursor);
    assert!(matches!(sent(&socket.frame(&connack(false)))[..], [Packet::Subscribe(_)]));
    let effects = socket.frame(&suback(1));
    assert!(effects.ready);
    assert_eq!(words(&effects), [CaughtUp::Missing(Missing::CursorLost)]);
    assert_eq!((client(&socket), socket.doubts()), (name, vec![]));
    let effects = socket.publish(&Publish { dup: true, ..publish(1, "a") });
    assert_eq!(only_message(&effects).arrival, Arrival::Live);
}

#[test]
fn a_session_that_is_lost_is_told_however_often_the_socket_ends_before() {
    let mut socket = Socket::opened(json!({}), Socket::first().cursor);
    socket.frame(&connack(false));
    for _ in 0..2 {
        // The broker has one of this name again.
        socket = Socket::opened(json!({}), socket.cursor);
        socket.frame(&connack(true));
    }
    assert_eq!(words(&socket.frame(&suback(1))), [CaughtUp::Missing(Missing::CursorLost)]);
    let mut socket = Socket::opened(json!({}), socket.cursor);
    socket.frame(&connack(true));
    assert_eq!(socket.quiet_rounds(), [RECOVERED]);
}

#[test]
fn a_cursor_that_cannot_be_read_is_told() {
    for cursor in ["", "null", "{}", "42", r#"{"client":7}"#] {
        let mut socket = Socket::opened(json!({}), Some(ResumeData(cursor.to_owned())));
        socket.frame(&connack(false));
        assert_eq!(words(&socket.frame(&suback(1))), [CaughtUp::Missing(Missing::CursorLost)], "{cursor}");
    }
}

#[test]
fn refusals_say_whose_turn_it_is() {
    let check = |code, fatal: bool, expected: CauseCode| {
        let effects = Socket::opened(json!({}), None).frame(&packet!(ConnAck { session_present: false, code }));
        assert_eq!((effects.fatal.is_some(), effects.end.is_some()), (fatal, !fatal), "{code:?}");
        assert_eq!(effects.fatal.or(effects.end).unwrap().code, expected, "{code:?}");
        assert!(!effects.ready && effects.items.is_empty() && effects.frames.is_empty());
    };
    check(ConnectReturnCode::BadUserNamePassword, true, CauseCode::Unauthorized);
    check(ConnectReturnCode::NotAuthorized, true, CauseCode::Unauthorized);
    check(ConnectReturnCode::BadClientId, true, CauseCode::Configuration);
    check(ConnectReturnCode::RefusedProtocolVersion, true, CauseCode::Configuration);
    check(ConnectReturnCode::ServiceUnavailable, false, CauseCode::Protocol);
}

#[test]
fn a_refusal_may_stand_in_the_close_frame_alone() {
    let socket = Socket::opened(json!({}), None);
    let check = |code, reason, expected| {
        assert_eq!(socket.dialect.closed(code, reason).map(|cause| cause.code), expected, "{code} {reason}");
    };
    check(1002, "unauthenticated", Some(CauseCode::Unauthorized));
    check(1002, "unauthorized", Some(CauseCode::Unauthorized));
    check(1002, "access_refused", Some(CauseCode::Unauthorized));
    check(1002, "invalid_client_id", Some(CauseCode::Configuration));
    check(1002, "unsupported_protocol_version", Some(CauseCode::Configuration));
    check(1002, "unavailable", None);
    check(1000, "unauthorized", None);
}

#[test]
fn a_refused_subscription_names_its_filter() {
    let answer = |codes: Vec<SubscribeReasonCode>| {
        let mut socket = Socket::opened(json!({ "subscribe": ["a", "b"] }), None);
        socket.frame(&connack(false));
        let effects = socket.frame(&packet!(SubAck::new(1, codes)));
        (effects.ready, effects.fatal.map(|cause| cause.text), effects.end.is_some())
    };
    let good = SubscribeReasonCode::Success(QoS::AtLeastOnce);
    let refused = Some("the broker refuses the subscription to \"b\"".to_owned());
    assert_eq!(answer(vec![good, SubscribeReasonCode::Failure]), (false, refused, false));
    assert_eq!(answer(vec![good]), (false, None, true));
    assert_eq!(answer(vec![good; 3]), (false, None, true));
    assert_eq!(answer(vec![good; 2]), (true, None, false));
}

#[test]
fn a_broker_that_keeps_nothing_is_known_for_it() {
    let mut socket = Socket::opened(json!({}), None);
    socket.frame(&connack(false));
    let granted = SubscribeReasonCode::Success(QoS::AtMostOnce);
    assert!(socket.frame(&packet!(SubAck::new(1, vec![granted]))).ready);
    let mut socket = Socket::opened(json!({}), socket.cursor);
    socket.frame(&connack(true));
    assert_eq!(socket.quiet_rounds(), [CaughtUp::Missing(Missing::NoReplay)]);
}

#[test]
fn filters_follow_the_rules() {
    let check = Spec::find("mqtt").unwrap().subscribe.unwrap().check;
    for good in ["a", "/", "a/b", "#", "a/#", "+", "+/a/+", "/#", "$SYS/#", "a//b", "with blank", "门/+"] {
        assert_eq!(check(good), None, "{good}");
    }
    for bad in ["a#", "#/a", "a/#/b", "##", "a/b#"] {
        assert_eq!(check(bad).unwrap(), "has a \"#\" that is not its whole last level", "{bad}");
    }
    for bad in ["a+", "+a", "a/b+/c", "++"] {
        assert_eq!(check(bad).unwrap(), "has a \"+\" that is not a whole level", "{bad}");
    }
}

#[test]
fn settings_that_no_broker_would_survive_are_refused() {
    let check = |keys: Value, field: &str, words: &str| {
        let errors = resolved("mqtt", keys).unwrap_err();
        let [error] = &errors[..] else { panic!("{errors:?}") };
        assert!(error.field == field && error.message.contains(words), "{error:?}");
    };
    check(json!({}), "subscribe", "give a topic filter");
    check(json!({ "subscribe": ["a", "b#"] }), "subscribe[1]", "not its whole last level");
    check(json!({ "subscribe": ["a"], "on_open": ["x"] }), "on_open", "leave this out");
    let heartbeat = json!({ "kind": "text", "send": "x" });
    check(json!({ "subscribe": ["a"], "heartbeat": heartbeat }), "heartbeat.send", "use kind = \"auto\"");
}
