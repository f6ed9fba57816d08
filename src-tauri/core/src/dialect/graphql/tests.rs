use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::dialect::new;
use crate::dialect::tests::connection;
use crate::secret::Secret;

const ONE: &str = "subscription { order { title text } }";

fn graphql(subscribe: &[&str]) -> Box<dyn Dialect> {
    new(&connection("graphql", json!({ "subscribe": subscribe })))
}

fn frame(dialect: &mut dyn Dialect, text: &str) -> Effects {
    let mut effects = Effects::default();
    dialect.frame(Incoming::Text(text), &mut effects);
    effects
}

fn running(subscribe: &[&str]) -> Box<dyn Dialect> {
    let mut dialect = graphql(subscribe);
    assert!(frame(dialect.as_mut(), r#"{"type":"connection_ack"}"#).ready);
    dialect
}

fn sent(effects: &Effects) -> Vec<Value> {
    let json = |frame: &Outgoing| match frame {
        Outgoing::Text(text) => serde_json::from_str(text).unwrap(),
        Outgoing::Binary(_) => panic!("a binary frame"),
    };
    effects.frames.iter().map(json).collect()
}

#[test]
fn the_credentials_are_in_the_first_message() {
    let check = |user: Option<&str>, secret: Option<&str>, expected: Value| {
        let secret = secret.map(Secret::new);
        let mut effects = Effects::default();
        graphql(&[ONE]).opened(&Opening { user, secret: secret.as_ref(), ..Opening::default() }, &mut effects);
        assert_eq!(sent(&effects), [expected]);
        assert!(!effects.ready);
    };
    let init = |it: &str| {
        let payload = json!({ "Authorization": it, "headers": { "Authorization": it } });
        json!({ "type": "connection_init", "payload": payload })
    };
    check(None, None, json!({ "type": "connection_init" }));
    check(None, Some("to\"ken"), init("Bearer to\"ken"));
    check(Some("me"), Some("secret"), init("Basic bWU6c2VjcmV0"));
}

#[test]
fn the_acknowledgement_starts_the_subscriptions() {
    let mut dialect = graphql(&[ONE, "subscription {\n  other\n}"]);
    let effects = frame(dialect.as_mut(), r#"{"type":"connection_ack","payload":{"a":1}}"#);
    let subscribe = |id: &str, query: &str| json!({ "id": id, "type": "subscribe", "payload": { "query": query } });
    assert_eq!(sent(&effects), [subscribe("0", ONE), subscribe("1", "subscription {\n  other\n}")]);
    assert!(effects.ready);
    assert_eq!(effects.items, [Item::CaughtUp(CaughtUp::Missing(Missing::NoReplay))]);
}

#[test]
fn the_value_of_the_root_field_is_a_message() {
    let check = |data: Value, expected: &[(&str, &str, Option<&str>)]| {
        let mut dialect = running(&[ONE]);
        let next = json!({ "id": "0", "type": "next", "payload": { "data": data } }).to_string();
        let effects = frame(dialect.as_mut(), &next);
        let seen: Vec<_> =
            effects.messages().map(|it| (it.title.as_str(), it.body.as_str(), it.id.as_deref())).collect();
        assert_eq!(seen, expected, "{next}");
        assert!(effects.end.is_none() && effects.fatal.is_none());
        effects.trouble.is_some()
    };
    assert!(!check(json!({ "order": { "title": "New", "text": "Two", "id": 7 } }), &[("New", "Two", Some("7"))]));
    assert!(!check(json!({ "order": { "text": "Two" } }), &[("order", "Two", None)]));
    assert!(!check(json!({ "order": "a \"word\"" }), &[("order", "a \"word\"", None)]));
    assert!(!check(json!({ "order": [1, 2] }), &[("order", "[1,2]", None)]));
    assert!(!check(json!({ "a": 1, "b": 2 }), &[("crm", r#"{"a":1,"b":2}"#, None)]), "by no rule");
    assert!(check(Value::Null, &[]), "it is told that there was no result");
}

#[test]
fn a_result_of_very_many_values_is_a_message_like_any_other() {
    for many in [format!("[{}0]", "0,".repeat(20_000)), format!("{}{}", "[".repeat(1_000), "]".repeat(1_000))] {
        let mut dialect = running(&[ONE]);
        let next = |data: &str| format!(r#"{{"id":"0","type":"next","payload":{{"data":{data}}}}}"#);
        let effects = frame(dialect.as_mut(), &next(&format!(r#"{{"order":{many}}}"#)));
        assert!(effects.end.is_none(), "{:?}", effects.end);
        let [message] = effects.messages().collect::<Vec<_>>()[..] else { panic!("{effects:?}") };
        assert_eq!(
            (message.title.as_str(), &message.body[..9], message.size),
            ("order", &many[..9], many.len() as u64)
        );
        let effects = frame(dialect.as_mut(), &next(r#"{"order":"next"}"#));
        assert_eq!(effects.messages().next().unwrap().body, "next");
    }
    // What else has many values is read all the same.
    let ack = format!(r#"{{"type":"connection_ack","payload":[{}0]}}"#, "0,".repeat(20_000));
    assert!(frame(graphql(&[ONE]).as_mut(), &ack).ready);
}

#[test]
fn both_sides_ping() {
    let mut dialect = graphql(&[ONE]);
    let effects = frame(dialect.as_mut(), r#"{"type":"ping","payload":{"a":1}}"#);
    assert_eq!(sent(&effects), [json!({ "type": "pong" })]);
    assert!(!effects.heartbeat_answered);
    let mut ours = Effects::default();
    ours.frames.extend(dialect.heartbeat());
    assert_eq!(sent(&ours), [json!({ "type": "ping" })]);
    assert!(frame(dialect.as_mut(), r#"{"type":"pong"}"#).heartbeat_answered);
}

#[test]
fn a_document_that_the_server_refuses_is_the_persons_to_mend() {
    let error = |id: &str, more: &str| {
        format!(r#"{{"id":"{id}","type":"error","payload":[{{"message":"Cannot\nquery"{more}}}]}}"#)
    };
    let mut two = running(&[ONE, ONE]);
    let effects = frame(two.as_mut(), &error("1", ""));
    assert!(effects.fatal.is_none() && effects.end.is_none());
    assert!(effects.trouble.is_some_and(|it| it.contains("subscribe[1]") && !it.contains("Cannot")));
    assert!(frame(two.as_mut(), &error("1", "")).trouble.is_none(), "it is over");
    let cause = frame(two.as_mut(), &error("0", "")).fatal.unwrap();
    assert_eq!(cause.code, CauseCode::Configuration);
    assert_eq!(cause.text, "the server refused subscribe[0]: Cannot query");

    let next = r#"{"id":"0","type":"next","payload":{"errors":[{"message":"no such feed"}]}}"#;
    let cause = frame(running(&[ONE]).as_mut(), next).fatal.unwrap();
    assert_eq!(cause.text, "the server refused subscribe[0]: no such feed");

    let mut two = running(&[ONE, ONE]);
    let cause = frame(two.as_mut(), &error("1", r#","extensions":{"code":"FORBIDDEN"}"#)).fatal.unwrap();
    assert_eq!(cause.code, CauseCode::Unauthorized);
}

#[test]
fn a_subscription_that_ends_is_begun_anew() {
    let next = r#"{"id":"0","type":"next","payload":{"data":{"a":1}}}"#;
    for over in [r#"{"id":"0","type":"error","payload":[{"message":"broke"}]}"#, r#"{"id":"0","type":"complete"}"#] {
        let mut dialect = running(&[ONE]);
        frame(dialect.as_mut(), next);
        let effects = frame(dialect.as_mut(), over);
        assert!(effects.fatal.is_none());
        assert_eq!(effects.end.map(|cause| cause.code), Some(CauseCode::Protocol));
    }
}

#[test]
fn what_breaks_the_protocol_ends_the_connection() {
    let check = |dialect: &mut dyn Dialect, text: &str| {
        let effects = frame(dialect, text);
        assert_eq!(effects.end.map(|cause| cause.code), Some(CauseCode::Protocol), "{text:.80}");
        assert!(effects.items.is_empty() && effects.frames.is_empty());
    };
    check(graphql(&[ONE]).as_mut(), r#"{"id":"0","type":"next","payload":{"data":{"a":1}}}"#);
    check(running(&[ONE]).as_mut(), r#"{"type":"connection_ack"}"#);
    check(running(&[ONE]).as_mut(), r#"{"type":"ka"}"#);
    for text in ["", "x", "[]", "null", "{}", r#"{"type":7}"#] {
        check(running(&[ONE]).as_mut(), text);
    }
    for payload in ["", r#","payload":[]"#, r#","payload":7"#, r#","payload":{"data":1,"data":2}"#] {
        check(running(&[ONE]).as_mut(), &format!(r#"{{"id":"0","type":"next"{payload}}}"#));
    }
    check(running(&[ONE]).as_mut(), &"[".repeat(100_000));
    check(running(&[ONE]).as_mut(), &format!(r#"{{"id":"0","type":"next","payload":[{}0]"#, "[],".repeat(4_600_000)));
    let mut effects = Effects::default();
    running(&[ONE]).frame(Incoming::Binary(b"{}"), &mut effects);
    assert!(effects.end.is_some());
    let stranger = frame(running(&[ONE]).as_mut(), r#"{"id":"9","type":"next","payload":{"data":{"a":1}}}"#);
    assert!(stranger.items.is_empty() && stranger.end.is_none());
}

#[test]
fn close_codes_are_the_persons_to_mend_or_may_pass() {
    let check = |code: u16, reason: &str, expected: Option<CauseCode>| {
        assert_eq!(graphql(&[ONE]).closed(code, reason).map(|cause| cause.code), expected, "{code}");
    };
    check(4401, "Unauthorized", Some(CauseCode::Unauthorized));
    check(4403, "Forbidden", Some(CauseCode::Unauthorized));
    for code in [4400, 4406, 4409, 4429] {
        check(code, "", Some(CauseCode::Configuration));
    }
    check(4500, "Syntax Error: Expected Name, found <EOF>.", Some(CauseCode::Configuration));
    check(4500, "the database is away", Some(CauseCode::Closed(1011)));
    check(4408, "Connection initialisation timeout", None);
    check(1000, "", None);
}

proptest! {
    #[test]
    fn whatever_comes_nothing_panics_and_nothing_is_made_up(
        text in any::<String>(), kind in "(next|error|complete|connection_ack|ping|pong|x)", id in "[0-2]",
        payload in r#"[\[\]{},:"a-z0-9 ]{0,30}"#, at in any::<prop::sample::Index>(),
    ) {
        let good = format!(r#"{{"id":"{id}","type":"{kind}","payload":{{"data":{{"a":{payload}1}}}}}}"#);
        let mut mutated: Vec<char> = good.chars().collect();
        let at = at.index(mutated.len());
        mutated.splice(at..=at, text.chars().take(2));
        let mutated: String = mutated.into_iter().collect();
        for frame in [text.as_str(), &good, &mutated] {
            let mut dialect = running(&[ONE]);
            let mut effects = Effects::default();
            dialect.frame(Incoming::Text(frame), &mut effects);
            let messages = effects.messages().count();
            prop_assert!(messages == 0 || frame.contains("data"), "{}", frame);
            prop_assert!(effects.end.is_none() || messages == 0);
        }
    }
}
