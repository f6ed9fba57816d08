use proptest::prelude::*;
use serde_json::{Value, json};
use url::Url;

use super::*;
use crate::dialect::tests::connection;
use crate::secret::Secret;
use crate::settings::{ConnectionForm, Preset};

fn opened_at(url: &str, cursor: Option<&str>, user: Option<&str>, secret: Option<&str>) -> (Box<dyn Dialect>, Effects) {
    let mut dialect = crate::dialect::new(&connection("pushover", json!({ "url": url })));
    let (cursor, secret) = (cursor.map(|cursor| ResumeData(cursor.to_owned())), secret.map(Secret::new));
    let opening = Opening { cursor: cursor.as_ref(), user, secret: secret.as_ref(), random: 7, passing: false };
    let mut effects = Effects::default();
    dialect.opened(&opening, &mut effects);
    (dialect, effects)
}

fn opened(cursor: Option<&str>) -> (Box<dyn Dialect>, Effects) {
    opened_at("wss://client.pushover.net/push", cursor, Some("dev"), Some("s3cret"))
}

const CURSOR: &str = r#"{"device":"dev","highest":5}"#;

fn heard(dialect: &mut dyn Dialect, sign: &[u8]) -> Effects {
    let mut effects = Effects::default();
    dialect.frame(Incoming::Binary(sign), &mut effects);
    effects
}

fn fetched(dialect: &mut dyn Dialect, fetched: Fetched<'_>) -> Effects {
    let mut effects = Effects::default();
    dialect.fetched(fetched, &mut effects);
    effects
}

/// The answer to the download under way.
fn answered(dialect: &mut dyn Dialect, messages: &Value) -> Effects {
    let answer = json!({ "messages": messages, "status": 1 }).to_string();
    let part = fetched(dialect, Fetched::Part(&answer));
    assert!(part.items.is_empty() && part.fetch.is_none(), "it may still break off");
    fetched(dialect, Fetched::End)
}

fn committed(dialect: &mut dyn Dialect, mark: u64) -> Effects {
    let mut effects = Effects::default();
    dialect.committed(mark, &mut effects);
    effects
}

fn note(id: u64) -> Value {
    json!({ "id": id, "message": format!("m{id}") })
}

/// What is given, in short.
fn given(effects: &Effects) -> Vec<String> {
    let short = |item: &Item| match item {
        Item::Message(message) => format!("{} {:?}", message.body, message.arrival),
        Item::Cursor(cursor) => cursor.0.clone(),
        Item::CaughtUp(caught_up) => format!("{caught_up:?}"),
        Item::Mark(mark) => format!("mark {mark}"),
        Item::Withdrawn(_) => panic!("nothing is withdrawn"),
    };
    effects.items.iter().map(short).collect()
}

fn is_download(effects: &Effects) -> bool {
    effects.fetch.as_ref().is_some_and(|fetch| fetch.form.is_none() && fetch.url.path() == "/1/messages.json")
}

/// The id up to which the server is told to delete.
fn acknowledged(effects: &Effects) -> Option<&str> {
    let form = effects.fetch.as_ref()?.form.as_ref()?;
    form.iter().find(|(name, _)| name == "message").map(|(_, value)| value.as_str())
}

#[test]
fn it_logs_in_and_downloads() {
    let check = |url: &str, messages: &str, acknowledge: &str| {
        let (mut dialect, effects) = opened_at(url, None, Some("dev/1"), Some("a&b"));
        assert_eq!(effects.frames, [super::super::Outgoing::Text("login:dev/1:a&b\n".to_owned())]);
        assert!(!effects.ready, "nothing is proved yet");
        let fetch = effects.fetch.unwrap();
        assert_eq!((fetch.url.as_str(), fetch.form, fetch.answer), (messages, None, Answer::Whole));
        answered(dialect.as_mut(), &json!([note(7)]));
        let fetch = committed(dialect.as_mut(), 7).fetch.unwrap();
        let form = [("secret", "a&b"), ("message", "7")].map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!((fetch.url.as_str(), fetch.form), (acknowledge, Some(form.into())));
    };
    check(
        "wss://client.pushover.net/push",
        "https://api.pushover.net/1/messages.json?secret=a%26b&device_id=dev%2F1",
        "https://api.pushover.net/1/devices/dev%2F1/update_highest_message.json",
    );
    check(
        "ws://localhost:81/push?x=y",
        "http://localhost:81/1/messages.json?secret=a%26b&device_id=dev%2F1",
        "http://localhost:81/1/devices/dev%2F1/update_highest_message.json",
    );
    check(
        "wss://h/push",
        "https://h/1/messages.json?secret=a%26b&device_id=dev%2F1",
        "https://h/1/devices/dev%2F1/update_highest_message.json",
    );
}

#[test]
fn without_a_device_and_its_secret_nothing_is_sent() {
    for (user, secret) in [
        (None, Some("s")),
        (Some("dev"), None),
        (Some(""), Some("s")),
        (Some("a:b"), Some("s")),
        (Some("d"), Some("a\nb")),
    ] {
        let (_, effects) = opened_at("wss://client.pushover.net/push", None, user, secret);
        assert_eq!(
            effects.fatal.as_ref().map(|cause| cause.code),
            Some(CauseCode::Configuration),
            "{user:?} {secret:?}"
        );
        assert!(effects.frames.is_empty() && effects.fetch.is_none());
    }
}

#[test]
fn what_waits_at_the_first_contact_is_old_and_what_waits_later_was_missed() {
    let (mut dialect, _) = opened(None);
    let first = answered(dialect.as_mut(), &json!([note(9), note(4)]));
    assert!(first.ready);
    let cursor = r#"{"device":"dev","highest":9}"#;
    assert_eq!(given(&first), ["m4 Old", "m9 Old", cursor, "FirstContact", "mark 9"]);

    let (mut dialect, _) = opened(None);
    let none = answered(dialect.as_mut(), &json!([]));
    assert_eq!(given(&none), [r#"{"device":"dev","highest":0}"#, "FirstContact"], "the first gap is covered too");

    let (mut dialect, _) = opened(Some(CURSOR));
    let missed = answered(dialect.as_mut(), &json!([note(5), note(7), note(6)]));
    let cursor = r#"{"device":"dev","highest":7}"#;
    assert_eq!(given(&missed), ["m6 CaughtUp", "m7 CaughtUp", cursor, "Recovered { keeps: None }", "mark 7"]);

    for lost in [r#"{"device":"other","highest":50}"#, "what?"] {
        let (mut dialect, _) = opened(Some(lost));
        let missed = answered(dialect.as_mut(), &json!([note(1)]));
        let cursor = r#"{"device":"dev","highest":1}"#;
        assert_eq!(given(&missed), ["m1 CaughtUp", cursor, "Missing(CursorLost)", "mark 1"], "{lost}");
    }
}

#[test]
fn what_the_server_was_not_told_yet_is_told_and_not_given_again() {
    let (mut dialect, _) = opened(Some(CURSOR));
    let again = answered(dialect.as_mut(), &json!([note(3), note(5)]));
    assert_eq!(given(&again), ["Recovered { keeps: None }", "mark 5"]);
    assert_eq!(acknowledged(&committed(dialect.as_mut(), 5)), Some("5"));
}

#[test]
fn each_sign_of_a_message_is_followed_by_a_download_and_there_is_one_at_a_time() {
    let (mut dialect, _) = opened(Some(CURSOR));
    let sign = heard(dialect.as_mut(), b"!");
    assert!(sign.ready && sign.fetch.is_none(), "one is under way");
    heard(dialect.as_mut(), b"!");
    assert!(is_download(&answered(dialect.as_mut(), &json!([note(6)]))), "it may have been answered before the sign");
    let second = answered(dialect.as_mut(), &json!([note(6), note(7)]));
    assert_eq!(given(&second), ["m7 Live", r#"{"device":"dev","highest":7}"#, "mark 7"]);
    assert!(second.fetch.is_none(), "one more is enough");
    assert!(is_download(&heard(dialect.as_mut(), b"!")));
}

#[test]
fn the_first_sign_of_life_proves_the_login_and_looks_once_more() {
    let (mut dialect, _) = opened(Some(CURSOR));
    assert!(!is_download(&answered(dialect.as_mut(), &json!([]))));
    let first = heard(dialect.as_mut(), b"#");
    assert!(first.ready && is_download(&first));
    let effects = answered(dialect.as_mut(), &json!([note(6)]));
    assert_eq!(given(&effects)[0], "m6 Live");
    assert!(heard(dialect.as_mut(), b"#").fetch.is_none());
    assert!(heard(dialect.as_mut(), b"?").end.is_none(), "a sign that is not known yet");
}

#[test]
fn messages_come_before_acknowledgements() {
    let (mut dialect, _) = opened(Some(CURSOR));
    answered(dialect.as_mut(), &json!([note(6)]));
    heard(dialect.as_mut(), b"!");
    assert!(committed(dialect.as_mut(), 6).fetch.is_none(), "the download goes first");
    assert_eq!(acknowledged(&answered(dialect.as_mut(), &json!([note(6)]))), Some("6"));
    fetched(dialect.as_mut(), Fetched::Broken);
    assert!(is_download(&heard(dialect.as_mut(), b"!")), "an acknowledgement that fails holds nothing up");
    let next = answered(dialect.as_mut(), &json!([note(6), note(7)]));
    assert_eq!((acknowledged(&next), given(&next).last().unwrap().as_str()), (Some("6"), "mark 7"));
    assert!(committed(dialect.as_mut(), 7).fetch.is_none());
    fetched(dialect.as_mut(), Fetched::Part(r#"{"status":1}"#));
    assert_eq!(acknowledged(&fetched(dialect.as_mut(), Fetched::End)), Some("7"));
    assert!(fetched(dialect.as_mut(), Fetched::End).fetch.is_none());
}

#[test]
fn an_acknowledgement_that_is_refused_is_told_in_the_log() {
    let (mut dialect, _) = opened(Some(CURSOR));
    answered(dialect.as_mut(), &json!([note(6)]));
    committed(dialect.as_mut(), 6);
    let refused = fetched(dialect.as_mut(), Fetched::Refused(400));
    assert!(refused.trouble.is_some() && refused.fatal.is_none() && refused.fetch.is_none());
}

#[test]
fn the_servers_other_signs() {
    let said = |sign: &[u8]| heard(opened(None).0.as_mut(), sign);
    let refused = said(b"E").fatal.unwrap();
    assert_eq!(refused.code, CauseCode::Unauthorized);
    let elsewhere = said(b"A").fatal.unwrap();
    assert_eq!(elsewhere.code, CauseCode::Closed(1005));
    let reload = said(b"R");
    assert!(reload.fatal.is_none() && reload.end.unwrap().text.contains("new connection"));
    let mut text = Effects::default();
    opened(None).0.frame(Incoming::Text("!"), &mut text);
    assert!(text.ready);
    for frame in [&b""[..], b"##", "é".as_bytes(), &vec![b'#'; 100_000]] {
        let effects = said(frame);
        assert!(effects.end.is_some() && !effects.ready, "{frame:?}");
    }
}

#[test]
fn a_refused_or_unreadable_answer_is_not_taken_for_an_empty_one() {
    let (mut dialect, _) = opened(Some(CURSOR));
    let refused = fetched(dialect.as_mut(), Fetched::Refused(400)).fatal.unwrap();
    assert_eq!(refused.code, CauseCode::Unauthorized);
    let many = format!(r#"{{"messages":[{}{}]}}"#, r#"{"id":1},"#.repeat(200_000), r#"{"id":1}"#);
    let endless = format!(r#"{{"messages":[{}"#, "[],".repeat(14_000_000 / 3));
    let deep = format!(r#"{{"messages":[{{"id":1,"title":{}"#, "[".repeat(100_000));
    let bad =
        ["", "{}", "[]", r#"{"messages":7}"#, r#"{"messages":[{"id":"x"}]}"#, r#"{"messages":[{"message":"m"}]}"#];
    for answer in bad.into_iter().chain([many.as_str(), &endless, &deep]) {
        let (mut dialect, _) = opened(Some(CURSOR));
        fetched(dialect.as_mut(), Fetched::Part(answer));
        let effects = fetched(dialect.as_mut(), Fetched::End);
        assert!(effects.end.is_some() && effects.items.is_empty(), "{}", &answer[..answer.len().min(60)]);
    }
}

#[test]
fn an_answer_that_breaks_off_is_waited_for_again() {
    let (mut dialect, _) = opened(Some(CURSOR));
    fetched(dialect.as_mut(), Fetched::Part(r#"{"messages":[{"id":6}]}"#));
    assert!(fetched(dialect.as_mut(), Fetched::Broken).items.is_empty());
    assert_eq!(given(&answered(dialect.as_mut(), &json!([note(7)])))[0], "m7 CaughtUp");
}

#[test]
fn a_message_has_what_pushover_gives() {
    let shaped = |note: Value| {
        let (mut dialect, _) = opened(Some(CURSOR));
        let effects = answered(dialect.as_mut(), &json!([note]));
        effects.messages().next().cloned().unwrap()
    };
    let whole = json!({ "id": 8, "id_str": "8", "umid": 77, "title": "Disk", "app": "Nagios", "aid": 3, "icon": "nagios",
        "message": "full", "date": 1_763_640_000, "priority": 2, "acked": 0, "sound": "pushover", "receipt": "r",
        "url": "https://n.example/1", "url_title": "Open", "html": 0 });
    let message = shaped(whole.clone());
    assert_eq!((message.title.as_str(), message.body.as_str()), ("Disk", "full\nOpen: https://n.example/1"));
    assert_eq!((message.id.as_deref(), message.priority, message.sent_ms), (Some("77"), 5, Some(1_763_640_000_000)));
    assert_eq!(message.size, whole.to_string().len() as u64);
    let check = |note: Value, title: &str, body: &str, priority: u8| {
        let message = shaped(note);
        assert_eq!((message.title.as_str(), message.body.as_str(), message.priority), (title, body, priority));
    };
    check(json!({ "id": 8, "app": "Nagios", "title": "", "message": "m", "priority": -2 }), "Nagios", "m", 1);
    check(json!({ "id": 8, "title": null, "message": "a\u{202e}b", "priority": -1, "url": "u" }), "crm", "ab\nu", 2);
    check(json!({ "id": 8, "message": "m", "priority": 99 }), "crm", "m", 5);
    check(json!({ "id": 8, "date": i64::MAX, "priority": i64::MIN, "url_title": " " }), "crm", "", 1);
    check(json!({ "id": 8, "html": 1, "message": "<b>a</b> &amp; c" }), "crm", "a & c", 3);
    check(json!({ "id": 8, "html": 0, "message": "<b>a</b> &amp; c" }), "crm", "<b>a</b> &amp; c", 3);
    assert_eq!(shaped(json!({ "id": 8 })).id.as_deref(), Some("8"));
}

#[test]
fn html_is_read_as_text() {
    let check = |html: &str, expected: &str| assert_eq!(html::text(html), expected, "{html}");
    check("plain", "plain");
    check("<b>b</b> <I>i</I> <u>u</u> <font color=\"#0000ff\">blue</font>", "b i u blue");
    check("see <a href=\"https://e.example/?a=1&amp;b=2\">this</a>!", "see this https://e.example/?a=1&b=2!");
    check("<a href='https://e.example/'>https://e.example/</a>", "https://e.example/");
    check("<a href=\"https://e.example/\"></a>", "https://e.example/");
    check("<a>x</a></a><a href=y>z</a><a href=\"\">w</a>", "xzw");
    check("1 < 2 > 1 <script>x</script> <", "1 < 2 > 1 <script>x</script> <");
    check("&lt;b&gt; &quot;q&quot; &#39;s&#39; &amp;lt; &nbsp;", "<b> \"q\" 's' &lt; &nbsp;");
    check("é<é>é</é><", "é<é>é</é><");
    let many = "<".repeat(1_000_000);
    assert_eq!(html::text(&many), many);
    let many = "<a href=\"x\">".repeat(100_000);
    assert_eq!(html::text(&many), "");
}

#[test]
fn the_preset_asks_for_the_device_and_keeps_the_secret_in_the_keyring() {
    let preset: Preset = toml_edit::de::from_str(SPEC.presets[0]).unwrap();
    let answers = [("device".to_owned(), "dev".to_owned())];
    let named = ConnectionForm { name: Some("po".to_owned()), ..ConnectionForm::default() };
    let form = preset.fill(&named, &answers.into()).unwrap();
    assert_eq!(form.auth.as_ref().and_then(|auth| auth.user.as_deref()), Some("dev"));
    assert_eq!(form.url, None, "it is the preset's");
    let whole = crate::settings::overlay(&form, &preset.connection);
    assert_eq!(Url::parse(whole.url.as_deref().unwrap()).unwrap().host_str(), Some("client.pushover.net"));
    let auth = whole.auth.unwrap();
    assert_eq!((auth.kind.as_deref(), auth.secret.and_then(|secret| secret.keyring)), (Some("basic"), Some(true)));
}

proptest! {
    #[test]
    fn nothing_makes_it_panic(text in any::<String>(), bytes in any::<Vec<u8>>(), cursor in any::<String>()) {
        let (mut dialect, _) = opened(Some(&cursor));
        heard(dialect.as_mut(), &bytes);
        fetched(dialect.as_mut(), Fetched::Part(&text));
        fetched(dialect.as_mut(), Fetched::End);
        html::text(&text);
    }

    #[test]
    fn a_good_answer_that_is_damaged_does_not_either(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut damaged = json!({ "messages": [{ "id": 6, "umid": 7, "title": "t", "message": "<a href=\"x\">é</a>",
            "html": 1, "date": 3, "priority": -1 }], "status": 1 }).to_string().into_bytes();
        let at = at.index(damaged.len());
        damaged[at] = byte;
        let (mut dialect, _) = opened(Some(CURSOR));
        fetched(dialect.as_mut(), Fetched::Part(&String::from_utf8_lossy(&damaged)));
        fetched(dialect.as_mut(), Fetched::End);
    }

    #[test]
    fn html_of_any_kind_comes_to_an_end(html in r#"[<>/a-cu &;="'lté]{0,60}"#) {
        html::text(&html);
    }

    /// Whatever happens in whatever order, each message is given once, in order, never acknowledged before it is on disk,
    /// and never left behind by the cursor.
    #[test]
    fn each_message_is_given_once_and_acknowledged_after_its_commit(steps in prop::collection::vec(0..7_u8, 0..120)) {
        let (mut held, mut newest, mut cursor) = (Vec::new(), 5_u64, CURSOR.to_owned());
        let mut all = Vec::new();
        let (mut dialect, mut effects) = opened(Some(&cursor));
        let (mut asked, mut marks, mut on_disk) = (None, Vec::new(), 5);
        for step in steps {
            if let Some(fetch) = effects.fetch.take() {
                asked = Some(fetch);
            }
            for item in effects.items.drain(..) {
                match item {
                    Item::Message(message) => all.push(message.body),
                    Item::Cursor(given) => cursor = given.0,
                    Item::Mark(mark) => marks.push(mark),
                    Item::CaughtUp(_) | Item::Withdrawn(_) => {}
                }
            }
            effects = match step {
                // A message is posted, and its sign comes.
                0 => {
                    newest += 1;
                    held.push(newest);
                    heard(dialect.as_mut(), b"!")
                }
                1 => heard(dialect.as_mut(), b"#"),
                // The fetch under way is answered.
                2 | 3 => match asked.take() {
                    Some(Fetch { form: None, .. }) => {
                        let page: Vec<_> = held.iter().map(|id| note(*id)).collect();
                        answered(dialect.as_mut(), &json!(page))
                    }
                    Some(Fetch { form: Some(form), .. }) => {
                        let highest: u64 = form[1].1.parse().unwrap();
                        prop_assert!(highest <= on_disk, "{highest} was acknowledged, but only {on_disk} is on disk");
                        held.retain(|id| *id > highest);
                        fetched(dialect.as_mut(), Fetched::End)
                    }
                    None => Effects::default(),
                },
                4 => fetched(dialect.as_mut(), Fetched::Broken),
                5 => match marks.first().copied() {
                    Some(mark) => {
                        marks.remove(0);
                        on_disk = on_disk.max(mark);
                        committed(dialect.as_mut(), mark)
                    }
                    None => Effects::default(),
                },
                // The connection breaks; the store has all that was given.
                _ => {
                    (asked, on_disk) = (None, on_disk.max(marks.last().copied().unwrap_or_default()));
                    marks.clear();
                    let (again, opened) = opened(Some(&cursor));
                    dialect = again;
                    opened
                }
            };
        }
        // In the end all is downloaded.
        let (mut dialect, _) = opened(Some(&cursor));
        for item in effects.items {
            if let Item::Message(message) = item {
                all.push(message.body);
            } else if let Item::Cursor(given) = item {
                let (again, _) = opened(Some(&given.0));
                dialect = again;
            }
        }
        let page: Vec<_> = held.iter().map(|id| note(*id)).collect();
        all.extend(answered(dialect.as_mut(), &json!(page)).messages().map(|message| message.body.clone()));
        let expected: Vec<_> = (6..=newest).map(|id| format!("m{id}")).collect();
        prop_assert_eq!(all, expected);
    }
}
