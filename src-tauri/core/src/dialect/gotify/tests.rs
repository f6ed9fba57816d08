use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::json;
use url::Url;

use super::*;
use crate::dialect::Outgoing;
use crate::dialect::tests::{connection, resolved};
use crate::link::HeartbeatKind;
use crate::settings::{Auth, ConnectionForm, Preset, SecretSource};

/// What `GET /message` and the socket of a Gotify server do, with one user.
#[derive(Default)]
struct Server {
    count: u64,
    now_s: i64,
    messages: BTreeMap<u64, String>,
}

impl Server {
    fn with(count: u64) -> Self {
        let mut server = Self { now_s: 1_800_000_000, ..Self::default() };
        for _ in 0..count {
            server.post();
        }
        server
    }

    /// A new message; its frame. Ten seconds later than the one before.
    fn post(&mut self) -> String {
        self.count += 1;
        self.now_s += 10;
        let date = Timestamp::from_second(self.now_s).unwrap();
        let (id, text) = (self.count, format!("at {}", self.now_s));
        let frame = json!({ "id": id, "appid": 1, "message": text, "title": "app", "priority": 4, "date": date });
        self.messages.insert(id, frame.to_string());
        frame.to_string()
    }

    fn answer(&self, url: &Url) -> String {
        let query: BTreeMap<_, _> = url.query_pairs().into_owned().collect();
        let limit: usize = query["limit"].parse().unwrap();
        assert!((1..=200).contains(&limit));
        let since = query.get("since").map_or(u64::MAX, |since| since.parse().unwrap());
        let mut below = self.messages.range(..since).rev();
        let page: Vec<_> = below.by_ref().take(limit).collect();
        let since = if below.next().is_some() { *page.last().unwrap().0 } else { 0 };
        let list = page.iter().map(|(_, message)| message.as_str()).collect::<Vec<_>>().join(",");
        format!(r#"{{"paging":{{"size":{},"since":{since},"limit":{limit}}},"messages":[{list}]}}"#, page.len())
    }

    /// The database is lost; the time is not.
    fn reset(&mut self) {
        (self.count, self.messages) = (0, BTreeMap::new());
    }
}

/// What the engine and the store do.
#[derive(Default)]
struct Client {
    socket: Option<Box<dyn Dialect>>,
    fetch: Option<Fetch>,
    requests: usize,
    cursor: Option<ResumeData>,
    ids: BTreeSet<String>,
    /// What was new to the store, in order, and how it came.
    got: Vec<(String, Arrival)>,
    caught_up: Vec<CaughtUp>,
}

impl Client {
    fn open(&mut self) {
        let mut socket = new();
        let cursor = self.cursor.clone();
        let effects = effects(|effects| {
            socket.opened(&Opening { cursor: cursor.as_ref(), ..Opening::default() }, effects);
        });
        assert!(effects.ready);
        self.caught_up.clear();
        self.socket = Some(socket);
        self.take(effects);
    }

    fn close(&mut self) {
        (self.socket, self.fetch) = (None, None);
    }

    fn frame(&mut self, frame: &str) {
        let Some(socket) = &mut self.socket else { return };
        let effects = effects(|effects| socket.frame(Incoming::Text(frame), effects));
        self.take(effects);
    }

    fn frames(&mut self, frames: &[String]) {
        for frame in frames {
            self.frame(frame);
        }
    }

    /// Answers one request. False: there is none.
    fn answer(&mut self, server: &Server) -> bool {
        let Some(fetch) = self.fetch.take() else { return false };
        let answer = server.answer(&fetch.url);
        self.fetched(Fetched::Part(&answer));
        self.fetched(Fetched::End);
        true
    }

    fn fetched(&mut self, fetched: Fetched<'_>) {
        let socket = self.socket.as_mut().unwrap();
        let effects = effects(|effects| socket.fetched(fetched, effects));
        self.take(effects);
    }

    fn settle(&mut self, server: &Server) {
        while self.answer(server) {}
    }

    fn take(&mut self, effects: Effects) {
        assert_eq!((effects.end, effects.fatal, effects.frames.len()), (None, None, 0));
        if effects.fetch.is_some() {
            self.fetch = effects.fetch;
            self.requests += 1;
        }
        for item in effects.items {
            match item {
                Item::Message(message) => {
                    if self.ids.insert(message.id.unwrap()) {
                        self.got.push((message.body, message.arrival));
                    }
                }
                Item::Cursor(cursor) => self.cursor = Some(cursor),
                Item::CaughtUp(caught_up) => self.caught_up.push(caught_up),
                other => panic!("{other:?}"),
            }
        }
    }

    fn got(&mut self) -> Vec<(String, Arrival)> {
        std::mem::take(&mut self.got)
    }
}

fn new() -> Box<dyn Dialect> {
    crate::dialect::new(&connection("gotify", json!({ "url": "wss://h/sub/stream" })))
}

fn effects(of: impl FnOnce(&mut Effects)) -> Effects {
    let mut effects = Effects::default();
    of(&mut effects);
    effects
}

fn all(messages: &[String], arrival: Arrival) -> Vec<(String, Arrival)> {
    messages.iter().map(|frame| (serde_json::from_str::<Wire>(frame).unwrap().message, arrival)).collect()
}

const RECOVERED: CaughtUp = CaughtUp::Recovered { keeps: None };

#[test]
fn a_frame_is_a_message() {
    let check = |frame: &str, title: &str, body: &str, id: &str, priority: u8, sent_ms: Option<i64>| {
        let mut socket = new();
        let effects = effects(|effects| socket.frame(Incoming::Text(frame), effects));
        let message = effects.messages().next().unwrap_or_else(|| panic!("{frame}"));
        assert_eq!((message.title.as_str(), message.body.as_str(), message.priority), (title, body, priority));
        assert_eq!((message.id.as_deref(), message.sent_ms, message.size), (Some(id), sent_ms, frame.len() as u64));
        assert_eq!((message.arrival, &message.key, &effects.end), (Arrival::Live, &None, &None));
    };
    let real = r#"{"id":4,"appid":1,"message":"m *3*","title":"t","priority":3,"extras":{"client::display":{"contentType":"text/markdown"}},"date":"2026-11-20T12:56:50.207436648Z"}"#;
    check(&format!("{real}\n"), "t", "m *3*", "4@1795179410", 2, Some(1_795_179_410_207));
    check(
        r#"{"id":1,"message":"m","title":" ","date":"2018-02-27T19:36:10.5045044+01:00"}"#,
        "crm",
        "m",
        "1@1519756571",
        3,
        Some(1_519_756_570_504),
    );
    check(r#"{"id":1,"priority":null,"date":"soon"}"#, "crm", "", "1", 3, None);
    for (given, expected) in [(-5, 1), (0, 1), (1, 2), (3, 2), (4, 3), (7, 3), (8, 4), (9, 4), (10, 5), (i64::MAX, 5)] {
        check(&format!(r#"{{"id":1,"title":"t","priority":{given}}}"#), "t", "", "1", expected, None);
    }
}

#[test]
fn the_same_message_has_one_id_however_a_database_rounds_its_date() {
    let id = |date: &str| {
        let wire: Wire = serde_json::from_value(json!({ "id": 1, "date": date })).unwrap();
        wire.message(&context(), 0).id.unwrap()
    };
    for (pushed, kept) in [
        ("2026-11-20T12:56:50.207436648Z", "2026-11-20T12:56:50.207437Z"),
        ("2026-11-20T12:56:50.999999999Z", "2026-11-20T12:56:51Z"),
        ("2026-11-20T12:56:50.5Z", "2026-11-20T13:56:51+01:00"),
        ("2026-11-20T12:56:50.499Z", "2026-11-20T12:56:50Z"),
    ] {
        assert_eq!(id(pushed), id(kept), "{pushed}");
    }
    assert_ne!(id("2026-11-20T12:56:50Z"), id("2026-11-20T12:56:51Z"));
}

fn context() -> Context {
    Context {
        name: "crm".to_owned(),
        url: Url::parse("ws://h/stream").unwrap(),
        subscribe: Vec::new(),
        every: std::time::Duration::from_secs(30),
        timeout: std::time::Duration::from_secs(10),
        auto_heartbeat: true,
        shape: Arc::new(crate::dialect::Shape::new(
            &crate::settings::MessageSettings {
                title: String::new(),
                body: String::new(),
                id: String::new(),
                ignore: Vec::new(),
            },
            None,
        )),
    }
}

#[test]
fn the_list_is_beside_the_stream() {
    let check = |stream: &str, expected: &str| {
        assert_eq!(page_url(&Url::parse(stream).unwrap(), 200, Some(7)).as_str(), expected);
    };
    check("wss://h/stream", "https://h/message?limit=200&since=7");
    check("ws://h:8080/sub/stream/", "http://h:8080/sub/message?limit=200&since=7");
    check("ws://u:p@h/stream?token=a%26b", "http://u:p@h/message?token=a%26b&limit=200&since=7");
    check("ws://h/", "http://h/message?limit=200&since=7");
    assert_eq!(page_url(&Url::parse("ws://h/stream").unwrap(), 1, None).as_str(), "http://h/message?limit=1");
}

#[test]
fn the_preset_asks_for_the_server_and_keeps_the_token_in_the_keyring() {
    let preset: Preset = toml_edit::de::from_str(SPEC.presets[0]).unwrap();
    let answers = [("server".to_owned(), "https://h/sub/".to_owned())].into();
    let filled = preset.fill(&ConnectionForm::default(), &answers).unwrap();
    assert_eq!((preset.id.as_str(), filled.url.as_deref()), (SPEC.name, Some("https://h/sub/stream")));
    let keys = ConnectionForm { url: filled.url, ..preset.connection };
    let connection = connection("gotify", serde_json::to_value(keys).unwrap());
    assert_eq!(connection.auth, Auth::Token(SecretSource::Keyring));
    assert_eq!((connection.dialect.spec, connection.heartbeat.kind), (&SPEC, HeartbeatKind::Ping));
}

#[test]
fn an_address_that_has_no_list_beside_it_is_refused() {
    let check = |url: &str, good: bool| assert_eq!(resolved("gotify", json!({ "url": url })).is_ok(), good, "{url}");
    check("wss://h/stream", true);
    check("ws://h/sub/stream/?token=a", true);
    check("ws://h/", false);
    check("ws://h/upstream", false);
    check("ws://h/stream/x", false);
}

#[test]
fn at_the_first_contact_nothing_old_is_told_and_the_first_gap_is_covered() {
    for there in [0, 1, 300] {
        let (mut server, mut client) = (Server::with(there), Client::default());
        client.open();
        assert_eq!((client.cursor.clone(), client.caught_up.len()), (None, 0), "not before it is known");
        client.settle(&server);
        assert_eq!(
            (client.got().len(), client.requests, client.caught_up.as_slice()),
            (0, 1, &[CaughtUp::FirstContact][..])
        );
        client.close();
        let missed = [server.post(), server.post()];
        client.open();
        client.settle(&server);
        assert_eq!((client.got(), client.caught_up.as_slice()), (all(&missed, Arrival::CaughtUp), &[RECOVERED][..]));
    }
}

#[test]
fn what_is_pushed_before_the_first_contact_is_known_is_told_once() {
    let (mut server, mut client) = (Server::with(5), Client::default());
    client.open();
    let live = [server.post(), server.post()];
    client.frames(&live);
    assert_eq!((client.got(), client.cursor.clone()), (all(&live, Arrival::Live), None));
    client.settle(&server);
    assert_eq!((client.got().len(), client.caught_up.as_slice()), (0, &[CaughtUp::FirstContact][..]));
    assert!(client.cursor.is_some());
}

#[test]
fn ten_thousand_missed_messages_are_given_oldest_first_and_the_cursor_follows() {
    let (mut server, mut client) = (Server::with(3), Client::default());
    client.open();
    client.settle(&server);
    client.close();
    let missed: Vec<_> = (0..10_000).map(|_| server.post()).collect();
    client.open();
    let before = client.requests;
    for _ in 0..60 {
        client.answer(&server);
    }
    let first = client.got();
    assert!((200..10_000).contains(&first.len()), "{}", first.len());

    // The socket is cut in the middle, and its successor goes on from there.
    client.close();
    client.open();
    client.settle(&server);
    let got = [first, client.got()].concat();
    assert!(got == all(&missed, Arrival::CaughtUp));
    assert_eq!(client.caught_up, [RECOVERED]);
    assert!(client.requests - before < 200, "{}", client.requests - before);
}

#[test]
fn a_walk_of_fifty_pages_takes_about_a_hundred_requests() {
    let (mut server, mut client) = (Server::with(1), Client::default());
    client.open();
    client.settle(&server);
    client.close();
    for _ in 0..9_990 {
        server.post();
    }
    client.requests = 0;
    client.open();
    client.settle(&server);
    assert_eq!((client.requests, client.got().len()), (99, 9_990));
}

#[test]
fn what_is_deleted_meanwhile_ends_no_walk() {
    let (mut server, mut client) = (Server::with(10), Client::default());
    client.open();
    client.settle(&server);
    client.close();
    let missed: Vec<_> = (0..1_000).map(|_| server.post()).collect();
    client.open();
    // Down to the third page, whose end is then deleted, with the page below it and the cursor's own message.
    for _ in 0..3 {
        client.answer(&server);
    }
    server.messages.retain(|&id, _| !(10..=500).contains(&id) && id != 700);
    client.settle(&server);
    let left: Vec<_> = missed.iter().skip(490).cloned().collect();
    let expected: Vec<_> = all(&left, Arrival::CaughtUp)
        .into_iter()
        .enumerate()
        .filter(|(at, _)| *at != 199)
        .map(|(_, got)| got)
        .collect();
    assert!(client.got() == expected);
    assert_eq!(client.caught_up, [RECOVERED]);
}

#[test]
fn what_is_pushed_during_a_walk_is_told_at_once_and_moves_no_cursor() {
    let (mut server, mut client) = (Server::with(1), Client::default());
    client.open();
    client.settle(&server);
    client.close();
    let missed: Vec<_> = (0..300).map(|_| server.post()).collect();
    client.open();
    let cursor = client.cursor.clone();
    let live: Vec<_> = (0..40).map(|_| server.post()).collect();
    client.frames(&live);
    assert_eq!((client.got(), client.cursor.clone()), (all(&live, Arrival::Live), cursor));
    client.settle(&server);
    assert!(client.got() == all(&missed, Arrival::CaughtUp));
    client.close();
    client.open();
    client.settle(&server);
    assert_eq!((client.got().len(), client.caught_up.as_slice()), (0, &[RECOVERED][..]));
}

#[test]
fn what_is_posted_before_the_server_knows_the_socket_is_found_when_it_does() {
    let (mut server, mut client) = (Server::with(1), Client::default());
    client.open();
    client.settle(&server);
    let unpushed = server.post();
    let pushed = server.post();
    client.frame(&pushed);
    client.settle(&server);
    assert_eq!(client.got(), [all(&[pushed], Arrival::Live), all(&[unpushed], Arrival::CaughtUp)].concat());
    assert_eq!((client.caught_up.as_slice(), client.requests), (&[CaughtUp::FirstContact][..], 2));
    let frame = server.post();
    client.frame(&frame);
    assert_eq!((client.got().len(), client.requests), (1, 2), "once is enough");
}

#[test]
fn messages_pushed_in_the_other_order_are_not_lost_by_a_cut_between_them() {
    let (mut server, mut client) = (Server::with(1), Client::default());
    client.open();
    client.settle(&server);
    let frame = server.post();
    client.frame(&frame);
    client.settle(&server);
    client.got();
    let (late, early) = (server.post(), server.post());
    client.frame(&early);
    client.close();
    client.open();
    client.settle(&server);
    assert_eq!(client.got(), [all(&[early], Arrival::Live), all(&[late], Arrival::CaughtUp)].concat());
}

#[test]
fn the_cursor_stays_small() {
    let (mut server, mut client) = (Server::with(1), Client::default());
    client.open();
    client.settle(&server);
    for _ in 0..5_000 {
        let frame = server.post();
        client.frame(&frame);
        client.settle(&server);
    }
    let cursor = client.cursor.clone().unwrap().0;
    assert!(cursor.len() < 200, "{cursor}");
    assert_eq!(client.got().len(), 5_000);
}

#[test]
fn deleting_what_was_read_is_no_reset() {
    let (mut server, mut client) = (Server::with(50), Client::default());
    client.open();
    client.settle(&server);
    client.close();
    for keep in [40, 0] {
        server.messages.retain(|&id, _| id <= keep);
        client.open();
        client.settle(&server);
        assert_eq!((client.got().len(), client.caught_up.as_slice()), (0, &[RECOVERED][..]));
        client.close();
    }
    let frame = server.post();
    client.open();
    client.settle(&server);
    assert_eq!(client.got(), all(&[frame], Arrival::CaughtUp));
}

#[test]
fn a_server_that_counts_anew_makes_nobody_deaf() {
    // Fewer messages than before the reset, just as many, and so many that the count is beyond the cursor again.
    for posted in [1, 3, 250, 300, 301, 700] {
        let (mut server, mut client) = (Server::with(300), Client::default());
        client.open();
        client.settle(&server);
        client.close();
        server.reset();
        let missed: Vec<_> = (0..posted).map(|_| server.post()).collect();
        client.open();
        client.settle(&server);
        assert!(client.got() == all(&missed, Arrival::CaughtUp), "{posted}");
        assert_eq!(client.caught_up, [CaughtUp::Missing(Missing::CursorLost)]);
        let frame = server.post();
        client.frame(&frame);
        client.settle(&server);
        assert_eq!(client.got(), all(&[frame], Arrival::Live));
        client.close();
        let frame = server.post();
        client.open();
        client.settle(&server);
        assert_eq!((client.got(), client.caught_up.as_slice()), (all(&[frame], Arrival::CaughtUp), &[RECOVERED][..]));
    }
}

#[test]
fn a_number_that_the_cursor_names_tells_of_a_new_count_too() {
    let (mut server, mut client) = (Server::with(0), Client::default());
    client.open();
    for _ in 0..6 {
        client.settle(&server);
        let frame = server.post();
        client.frame(&frame);
    }
    client.settle(&server);
    client.close();
    client.got();
    server.reset();
    let missed: Vec<_> = (0..6).map(|_| server.post()).collect();
    // Those up to where it is complete are deleted again; the others have numbers that were given.
    server.messages.retain(|&id, _| id > 2);
    client.open();
    client.settle(&server);
    assert_eq!(client.got(), all(&missed[2..], Arrival::CaughtUp));
    assert_eq!(client.caught_up, [CaughtUp::Missing(Missing::CursorLost)]);
}

#[test]
fn old_numbers_of_a_new_count_are_told_and_a_walk_through_them_may_be_cut() {
    let (mut server, mut client) = (Server::with(0), Client::default());
    client.open();
    client.settle(&server);
    let first: Vec<_> = (0..3).map(|_| server.post()).collect();
    client.frames(&first);
    client.settle(&server);
    client.close();
    client.got();

    // It is empty when the socket opens, and what it pushes has numbers that were there before.
    server.reset();
    client.open();
    client.settle(&server);
    let live = [server.post(), server.post()];
    client.frames(&live);
    client.settle(&server);
    assert_eq!(client.got(), all(&live, Arrival::Live));
    client.close();

    server.reset();
    let missed: Vec<_> = (0..500).map(|_| server.post()).collect();
    client.open();
    for _ in 0..4 {
        client.answer(&server);
    }
    assert!(!client.got.is_empty() && client.caught_up.is_empty());
    client.close();
    client.open();
    client.settle(&server);
    assert!(client.got() == all(&missed, Arrival::CaughtUp));
    assert_eq!(client.caught_up, [CaughtUp::Missing(Missing::CursorLost)], "the cut did not hide it");
}

#[test]
fn a_cursor_that_cannot_be_read_is_lost_and_replaced() {
    for broken in ["", "7", "{}", r#"{"up_to":-1,"latest_ms":0,"above":[]}"#] {
        let (mut server, mut client) = (Server::with(5), Client::default());
        client.cursor = Some(ResumeData(broken.to_owned()));
        client.open();
        client.settle(&server);
        assert_eq!(
            (client.got().len(), client.caught_up.as_slice()),
            (0, &[CaughtUp::Missing(Missing::CursorLost)][..])
        );
        client.close();
        let frame = server.post();
        client.open();
        client.settle(&server);
        assert_eq!(client.got(), all(&[frame], Arrival::CaughtUp));
    }
}

#[test]
fn a_fetch_that_breaks_off_gives_nothing_twice_and_one_that_is_refused_leaves_the_cursor() {
    let (mut server, mut client) = (Server::with(1), Client::default());
    client.open();
    client.settle(&server);
    client.close();
    let (cursor, missed) = (client.cursor.clone(), [server.post()]);
    client.open();
    let answer = server.answer(&client.fetch.clone().unwrap().url);
    client.fetched(Fetched::Part(&answer));
    client.fetched(Fetched::Broken);
    assert_eq!(client.got().len(), 0);
    client.fetched(Fetched::Refused(404));
    assert_eq!(client.caught_up, [CaughtUp::Missing(Missing::Refused)]);
    let frame = server.post();
    client.frame(&frame);
    assert_eq!(
        (client.got(), client.cursor.clone(), client.caught_up.len()),
        (all(&[frame], Arrival::Live), cursor, 1)
    );
    client.close();
    client.open();
    client.settle(&server);
    assert_eq!((client.got(), client.caught_up.as_slice()), (all(&missed, Arrival::CaughtUp), &[RECOVERED][..]));
}

#[test]
fn what_is_not_gotify_ends_the_socket() {
    let huge = format!(r#"{{"id":1,"message":"{}"}}"#, "x".repeat(1_000_000));
    let mut socket = new();
    let effects = effects(|effects| socket.frame(Incoming::Text(&huge), effects));
    assert_eq!(effects.messages().next().unwrap().body.chars().count(), crate::text::BODY_SHOWN);
    let deep = format!("{}{}", r#"{"id":1,"extras":"#, "[".repeat(100_000));
    let flat = format!("[{}[]]", "[],".repeat(14_000_000 / 3));
    for frame in ["", "hello", "{}", "[]", "null", r#"{"id":"1"}"#, r#"{"id":-1}"#, r#"{"id":1}{"id":2}"#, &deep, &flat]
    {
        let ended = ended(|effects| new().frame(Incoming::Text(frame), effects));
        assert!(ended, "{}", &frame[..frame.len().min(40)]);
    }
    assert!(ended(|effects| new().frame(Incoming::Binary(b"{\"id\":1}"), effects)));
}

#[test]
fn a_list_that_cannot_be_gotifys_ends_the_socket() {
    let page = |since: &str, ids: &str| {
        let list: Vec<_> = ids.split_whitespace().map(|id| format!(r#"{{"id":{id}}}"#)).collect();
        format!(r#"{{"paging":{{"since":{since}}},"messages":[{}]}}"#, list.join(","))
    };
    let good = page("3", "5 4 3");
    let many: Vec<_> = (1..=201).rev().map(|id| id.to_string()).collect();
    let endless = format!(r#"{{"paging":{{"since":0}},"messages":[{}{{}}]}}"#, r#"{"id":1},"#.repeat(1_400_000));
    for bad in [
        "",
        "<html>log in</html>",
        "[]",
        "{}",
        &page("0", "3 4"),
        &page("0", "4 4"),
        &page("0", "18446744073709551615"),
        &page("9", "5 4 3"),
        &page("4", "5 4 3"),
        &page("1", ""),
        &page("0", &many.join(" ")),
        &endless,
        // A page must be below the one before it.
        &good,
    ] {
        let mut socket = new();
        let cursor = ResumeData(r#"{"up_to":1,"latest_ms":null,"above":[]}"#.to_owned());
        socket.opened(&Opening { cursor: Some(&cursor), ..Opening::default() }, &mut Effects::default());
        if bad == good {
            socket.fetched(Fetched::Part(bad), &mut Effects::default());
            let effects = effects(|effects| socket.fetched(Fetched::End, effects));
            assert!(effects.end.is_none() && effects.fetch.is_some());
        }
        let ended = ended(|effects| {
            socket.fetched(Fetched::Part(bad), effects);
            socket.fetched(Fetched::End, effects);
        });
        assert!(ended, "{}", &bad[..bad.len().min(60)]);
    }
    assert!(ended(|effects| new().fetched(Fetched::End, effects)), "an empty answer");
}

fn ended(of: impl FnOnce(&mut Effects)) -> bool {
    let effects = effects(of);
    assert!(effects.items.is_empty() && effects.frames.is_empty() && effects.fatal.is_none());
    effects.end.is_some_and(|cause| cause.code == CauseCode::Protocol)
}

#[test]
fn more_pages_than_are_remembered_are_found_again() {
    let mut walk = Gotify {
        context: Arc::new(context()),
        done: Some(Done { up_to: 1, latest_ms: None, above: BTreeSet::new() }),
        outcome: Some(RECOVERED),
        walk: (0..BOUNDS_MAX as u64).map(|at| 100_000 - at).collect(),
        rising: false,
        after: None,
        page: None,
        pushed: Pushed::Nothing,
    };
    walk.fetched(
        Fetched::Part(r#"{"paging":{"since":900},"messages":[{"id":1000},{"id":900}]}"#),
        &mut Effects::default(),
    );
    walk.fetched(Fetched::End, &mut Effects::default());
    assert_eq!(
        (walk.walk.len(), walk.walk[0], walk.walk[1], walk.walk.last()),
        (BOUNDS_MAX, 100_000, 99_998, Some(&900))
    );
}

#[derive(Clone, Debug)]
enum Step {
    Post(u16),
    /// Of the messages that exist: which of them, in thousandths.
    Delete(u16),
    Open,
    Cut,
    Answer(u8),
    BreakOff,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => prop_oneof![1..5u16, 190..410u16].prop_map(Step::Post),
        2 => (0..1_000u16).prop_map(Step::Delete),
        3 => Just(Step::Open),
        2 => Just(Step::Cut),
        6 => (1..6u8).prop_map(Step::Answer),
        1 => Just(Step::BreakOff),
    ]
}

proptest! {
    // Each is hundreds of messages through dozens of sockets.
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn whatever_happens_nothing_is_lost_or_told_twice(steps in proptest::collection::vec(step(), 1..60)) {
        let (mut server, mut client) = (Server::with(7), Client::default());
        client.open();
        client.settle(&server);
        let mut expected = Vec::new();
        let mut deleted = BTreeSet::new();
        for step in steps {
            match step {
                Step::Post(count) => for _ in 0..count {
                    let frame = server.post();
                    expected.push(server.count);
                    client.frame(&frame);
                },
                Step::Delete(which) => {
                    let at = server.messages.len() * usize::from(which) / 1_000;
                    if let Some(id) = server.messages.keys().nth(at).copied() {
                        server.messages.remove(&id);
                        deleted.insert(id);
                    }
                }
                Step::Open => if client.socket.is_none() { client.open() },
                Step::Cut => client.close(),
                Step::Answer(count) => for _ in 0..count {
                    client.answer(&server);
                },
                Step::BreakOff => if client.fetch.is_some() { client.fetched(Fetched::Broken) },
            }
        }
        client.close();
        client.open();
        client.settle(&server);
        prop_assert_eq!(&client.caught_up, &[RECOVERED]);
        let got: BTreeSet<u64> = client.ids.iter().map(|id| id.split('@').next().unwrap().parse().unwrap()).collect();
        prop_assert_eq!(got.len(), client.ids.len());
        prop_assert_eq!(client.got.len(), client.ids.len());
        for id in expected {
            prop_assert!(got.contains(&id) || deleted.contains(&id), "{} is lost", id);
        }
        prop_assert!(got.iter().all(|&id| id > 7), "what was there before the first contact is no news");
    }
}

proptest! {
    #[test]
    fn no_text_panics(text in any::<String>(), bytes in any::<Vec<u8>>()) {
        let mut socket = new();
        let mut effects = Effects::default();
        let cursor = ResumeData(text.clone());
        socket.opened(&Opening { cursor: Some(&cursor), ..Opening::default() }, &mut effects);
        socket.frame(Incoming::Text(&text), &mut effects);
        socket.frame(Incoming::Binary(&bytes), &mut effects);
        socket.fetched(Fetched::Part(&text), &mut effects);
        socket.fetched(Fetched::End, &mut effects);
        let _: Outgoing = socket.wrap(text);
    }

    #[test]
    fn no_mutated_frame_or_list_panics(at in any::<prop::sample::Index>(), to in any::<char>(), number in any::<u64>(), cursor in any::<(u64, Option<i64>)>()) {
        let server = Server::with(3);
        let mut list = server.answer(&Url::parse("http://h/message?limit=2").unwrap()).replacen(":3,", &format!(":{number},"), 1);
        let at = at.index(list.len());
        list.replace_range(at..=at, to.encode_utf8(&mut [0; 4]));
        let mut socket = new();
        let mut effects = Effects::default();
        let cursor = json!({ "up_to": cursor.0, "latest_ms": cursor.1, "above": [cursor.0] }).to_string();
        socket.opened(&Opening { cursor: Some(&ResumeData(cursor)), ..Opening::default() }, &mut effects);
        for _ in 0..3 {
            socket.frame(Incoming::Text(&list[list.find("{\"appid").unwrap_or(0)..]), &mut effects);
            socket.fetched(Fetched::Part(&list), &mut effects);
            socket.fetched(Fetched::End, &mut effects);
        }
    }
}
