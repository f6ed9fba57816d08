//! What is read, and every error with its line.

use heartwire_core::dialect;
use heartwire_core::settings::{Language, ReplyForm};

use super::*;

#[test]
fn without_any_file_the_defaults_count() {
    let loaded = empty_home().load();
    assert_eq!(loaded.general, General { notifications: true, language: Language::System, keep_messages: 10_000 });
    assert_eq!(loaded.defaults.connect_timeout.as_deref(), Some("10s"));
    let presets = dialect::ALL.iter().map(|spec| spec.presets.len()).sum();
    assert_eq!((loaded.connections.len(), loaded.forms.len(), loaded.presets.len()), (0, 0, presets));
    assert_eq!(told(&loaded.problems), []);
}

#[test]
fn the_example_of_the_design_is_read() {
    let loaded = home(
        r#"
[[connections]]
name = "crm"
url = "https://crm.example/wsCrm?jspCode=42"
dialect = "plain"
preset = "crm-heartbeat"
on_open = ['{"id":"a1b2c3"}']
headers = { "X-Tenant" = "blue" }
subprotocols = []

[connections.heartbeat]
kind = "text"
send = "HeartBeat"
reply = { equals = "HeartBeat" }
every = "5s"
timeout = "5s"

[connections.reconnect]
first = "500ms"
cap = "30s"
fixed = "4s"
jitter = "full"

[connections.message]
title = "{{ json.title | default(connection) }}"
body = "{{ json.text | default(text) }}"
id = "{{ json.id }}"
ignore = ["json.type == 'ack'"]
"#,
    )
    .load();
    assert_eq!(told(&loaded.problems), []);
    assert_eq!(loaded.connections[0].url.as_str(), "wss://crm.example/wsCrm?jspCode=42");
    assert_eq!(loaded.connections[0].headers["X-Tenant"], "blue");
    assert_eq!(loaded.forms.len(), 1);
}

#[test]
fn a_broken_rule_has_its_line_and_the_valid_connections_live() {
    let check = check_behind_a_valid_one;
    check(
        "[[connections]]\nname = 'b'\nurl = 'ftp://h'",
        8,
        "connection \"b\": url: \"ftp://h\" is not a WebSocket address: begin",
    );
    check("[[connections]]\nname = 'b'", 6, "connection \"b\": url: the address is missing");
    check("[[connections]]\nurl = 'ws://h'", 6, "connection number 2: name: the connection has no name");
    check("[[connections]]\nname = 'first'\nurl = 'ws://x'", 7, "name: another connection has the name \"first\"");
    check(
        "[[connections]]\nname = 'b'\nurl = 'ws://h'\n[connections.heartbeat]\n# pulse\nevery = '0s'",
        11,
        "heartbeat.every: \"0s\" is no time",
    );
    check(
        "[[connections]]\nname = 'b'\nurl = 'ws://h'\nheartbeat.timeout = 'x'",
        9,
        "heartbeat.timeout: \"x\" is not a time",
    );
    check(
        "[[connections]]\nname = 'b'\nurl = 'ws://h'\nheartbeat = { kind = 'text' }",
        9,
        "heartbeat.send: a heartbeat of kind",
    );
    check("[[connections]]\nname = 'b'\nurl = 'ws://h'\nsubprotocols = [\n  'a',\n  'b c',\n]", 11, "subprotocols[1]:");
    check(
        "[[connections]]\nname = 'b'\nurl = 'ws://h'\n[connections.headers]\nX = '1'\nHost = 'x'",
        11,
        "headers.Host: the header \"Host\" is set by",
    );
    check(
        "[[connections]]\nname = 'b'\nurl = 'ws://h'\n[connections.message]\nignore = ['a', 'b =']",
        10,
        "message.ignore[1]:",
    );
    check(
        "[[connections]]\nname = 'b'\nurl = 'ws://h'\n[connections.heartbeat.reply]\njson-path = 'x'",
        10,
        "heartbeat.reply.json-path:",
    );
}

#[test]
fn a_wrong_key_or_type_has_its_line_and_the_valid_connections_live() {
    let check = check_behind_a_valid_one;
    check(
        "[[connections]]\nname = 'b'\nurl = 'ws://h'\nheartbeat.every = 5",
        9,
        "heartbeat.every: here stands integer `5`, but a text in quotes is needed",
    );
    check("[[connections]]\nname = 'b'\nurl = 5", 8, "url: here stands a number");
    check(
        "[[connections]]\nname = 'b'\nurl = 'ws://h'\nonopen = []",
        9,
        "there is no key `onopen` here: use one of `name`, `url`",
    );
    check(
        "[[connections]]\nname = 'b'\nurl = 'ws://h'\n[connections.heartbeat]\nevry = '5s'",
        10,
        "heartbeat.evry: there is no key `evry`",
    );
    check(
        "[[connections]]\nname = 'b'\nurl = 'ws://h'\n[connections.oauth]\nkind = 'token'",
        9,
        "there is no key `oauth`",
    );
    check("[[connections]]\nname = 'b'\nurl = 'ws://h'\nheartbeat = ['ping']", 9, "heartbeat: a table is needed here");
    check(
        "[[connections]]\nname = 'b'\nurl = 'ws://h'\nheartbeat.reply = 'pong'",
        9,
        "heartbeat.reply: a table is needed here",
    );
    check(
        "[[connections]]\nname = 'b'\nurl = 'ws://h'\non_open = 'x'",
        9,
        "on_open: here stands a text, but a list is needed",
    );
    check("[[connections]]\nname = 'b'\nurl = 'ws://h'\non_open = ['a', 1]", 9, "on_open[1]: here stands a number");
    check(
        "[[connections]]\nname = 'b'\nurl = 'ws://h'\nheaders = { a = 10:00:00 }",
        9,
        "headers.a: here stands a table",
    );
}

#[test]
fn a_wrong_general_setting_has_its_line_and_the_others_count() {
    let check = check_behind_a_valid_one;
    check(
        "[general]\nkeep_messages = -1",
        7,
        "[general] keep_messages: here stands integer `-1`, but a whole number from 0",
    );
    check(
        "[general]\nnotifications = 'yes'",
        7,
        "[general] notifications: here stands string \"yes\", but true or false is needed",
    );
    check(
        "[general]\nlanguage = 'fr'",
        7,
        "[general] language: `fr` is not known here: use one of `system`, `en`, `zh-CN`",
    );
    check("[general]\ncolour = 'red'", 7, "there is no key `colour` here");
    check("[connection]\nconnect_timeout = '25h'", 7, "[connection] connect_timeout: \"25h\" is out of range");
    check("[connection]\nname = 'x'", 7, "\"name\" belongs to one connection");
    check("[connection.reconnect]\nfirst = '1min'", 7, "(1min) is above the cap (30s)");
    check("[conections]\nname = 'x'", 6, "there is no \"conections\" here: use [general]");
}

#[test]
fn shapes_that_are_no_tables_are_told() {
    let check = |text: &str, line: u32, part: &str| {
        let loaded = home(text).load();
        let problems = told(&loaded.problems);
        assert_eq!((problems.len(), problems[0].0), (1, Some(line)), "{text}: {problems:?}");
        assert!(problems[0].1.contains(part), "{text}: {problems:?}");
    };
    check("\nconnections = 5", 2, "begin each connection with a line [[connections]]");
    check("[connections]\nname = 'x'", 1, "begin each connection with a line [[connections]]");
    check("connections = [\n  { name = 'a', url = 'ws://h' },\n  7,\n]", 3, "connection number 2 must be a table");
    check(
        "connections = [\n  { name = 'a', url = 'ws://h' },\n  { name = 'b', url = 'x' },\n]",
        3,
        "connection \"b\": url:",
    );
    check("general = 5", 1, "must be a table");
    check("connection = 'x'", 1, "must be a table");
}

#[test]
fn several_errors_of_one_file_are_all_told_in_their_order() {
    let loaded = home(
        "[general]\nlanguage = 1\nkeep_messages = 'x'\n\n[[connections]]\nname = 'a'\nurl = 'ws://h'\nbad = 1\nworse = 2\nheartbeat.every = '0s'\n\n\
         [[connections]]\nname = 'a'\nurl = 'ftp://h'\n",
    )
    .load();
    let lines: Vec<_> = loaded.problems.iter().map(|problem| problem.line.unwrap()).collect();
    assert_eq!(lines, [2, 3, 8, 9, 10, 13, 14], "{:?}", told(&loaded.problems));
    assert_eq!(names_of(&loaded), Vec::<&str>::new());
    assert_eq!(loaded.general.keep_messages, 10_000);
}

#[test]
fn a_file_that_is_not_toml_is_told_and_nothing_of_it_counts() {
    let check = |bytes: &[u8], line: Option<u32>, part: &str| {
        let home = empty_home();
        fs::write(home.file(), bytes).unwrap();
        let loaded = home.load();
        let problems = told(&loaded.problems);
        assert_eq!((problems.len(), problems[0].0), (1, line), "{problems:?}");
        assert!(problems[0].1.contains(part), "{problems:?}");
        assert_eq!(loaded.problems[0].file.as_deref(), home.file().to_str());
        assert_eq!(loaded.connections.len(), 0);
        let before = fs::read(home.file()).unwrap();
        let form = ConnectionForm { name: Some("new".to_owned()), ..ConnectionForm::default() };
        let error = save_connection(home.file(), None, &form).unwrap_err();
        assert!(error.to_string().contains("nothing was saved"), "{error}");
        assert!(remove_connection(home.file(), "a").is_err());
        assert_eq!(fs::read(home.file()).unwrap(), before, "the file is untouched");
    };
    check(b"[[connections]]\nname = 'a'\nurl = \n", Some(3), "not TOML");
    check(b"[general]\n\nnotifications = true\nnotifications = false\n", Some(4), "not TOML");
    check(b"[general]\n# \xff\n", Some(2), "not UTF-8");
    check(&vec![b'#'; 1024 * 1024 + 1], None, "larger than 1 MiB");
}

#[test]
fn what_is_no_file_is_told() {
    let home = empty_home();
    fs::create_dir(home.file()).unwrap();
    let loaded = home.load();
    assert!(loaded.problems[0].message.contains("it is not a file"), "{:?}", loaded.problems);
}

#[test]
fn checking_a_file_tells_what_starting_with_it_would() {
    let bad = home("[[connections]]\nname = 'a'\nurl = 'x'\n");
    let check = |path: &Path| load_file(path, &BTreeMap::new()).problems;
    assert_eq!(check(bad.file()), bad.load().problems);
    assert_eq!(check(home("[[connections]]\nname = 'a'\nurl = 'ws://x'\n").file()), []);
    let missing = check(&bad.folder.path().join("no.toml"));
    assert!(missing[0].message.contains("no such file"), "{missing:?}");
}

#[test]
fn the_person_lies_over_the_system_and_the_environment_over_both() {
    let home = home(
        "[general]\nkeep_messages = 20\n[connection]\nconnect_timeout = '3s'\nheaders = { x-a = 'person' }\n\
         [connection.heartbeat]\nreply = { contains = 'pong' }\n[[connections]]\nname = 'mine'\nurl = 'ws://mine'\n\
         [[connections]]\nname = 'shared'\nurl = 'ws://person'\n",
    );
    home.system(
        "[general]\nkeep_messages = 10\nnotifications = false\n[connection]\nconnect_timeout = '2s'\nheaders = { X-A = 'system', X-B = 'system' }\n\
         [connection.heartbeat]\nevery = '7s'\nreply = { equals = 'pong' }\n[[connections]]\nname = 'theirs'\nurl = 'ws://theirs'\n\
         [[connections]]\nname = 'shared'\nurl = 'ws://system'\n",
    );
    let loaded = home.load_with(&[
        ("HEARTWIRE__GENERAL__KEEP_MESSAGES", "30"),
        ("HEARTWIRE__CONNECTION__HEARTBEAT__TIMEOUT", "9s"),
        ("HEARTWIRE_HOME", "/elsewhere"),
        ("OTHER", "x"),
    ]);
    assert_eq!(told(&loaded.problems), []);
    assert_eq!(loaded.general, General { notifications: false, language: Language::System, keep_messages: 30 });
    assert_eq!(loaded.defaults.connect_timeout.as_deref(), Some("3s"));
    let heartbeat = loaded.defaults.heartbeat.clone().unwrap();
    assert_eq!((heartbeat.every.as_deref(), heartbeat.timeout.as_deref()), (Some("7s"), Some("9s")));
    assert_eq!(heartbeat.reply, Some(ReplyForm { contains: Some("pong".to_owned()), ..ReplyForm::default() }));
    let headers: Vec<_> = loaded.defaults.headers.clone().unwrap().into_iter().collect();
    let expected = [("X-B", "system"), ("x-a", "person")].map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(headers, expected);
    assert_eq!(names_of(&loaded), ["theirs", "mine", "shared"]);
    assert_eq!(loaded.connections[2].url.as_str(), "ws://person/");
    let forms: Vec<_> = loaded.forms.iter().map(|form| form.name.as_deref().unwrap()).collect();
    assert_eq!(forms, ["mine", "shared"], "only the person's own are edited");
}

#[test]
fn a_variable_that_cannot_count_is_told_and_the_others_count() {
    let check = |variable: &str, value: &str, part: &str| {
        let home = home("[connection]\nconnect_timeout = '3s'\n");
        let loaded = home.load_with(&[(variable, value), ("HEARTWIRE__GENERAL__LANGUAGE", "zh-CN")]);
        let problems = told(&loaded.problems);
        assert_eq!(problems.len(), 1, "{variable}={value}: {problems:?}");
        assert!(problems[0].1.contains(variable) && problems[0].1.contains(part), "{variable}={value}: {problems:?}");
        assert_eq!(loaded.general.language, Language::SimplifiedChinese);
        assert_eq!(loaded.defaults.connect_timeout.as_deref(), Some("3s"));
    };
    check("HEARTWIRE__GENERAL__KEEP_MESSAGES", "many", "is needed");
    check("HEARTWIRE__GENERAL__COLOUR", "red", "there is no key `colour`");
    check("HEARTWIRE__GENERAL", "red", "name a key of");
    check("HEARTWIRE__CONNECTIONS__0__URL", "ws://h", "name a key of");
    check("HEARTWIRE__CONNECTION__URL", "ws://h", "belongs to one connection");
    check("HEARTWIRE__CONNECTION__CONNECT_TIMEOUT", "0s", "no time at all");
    check("HEARTWIRE__CONNECTION__HEARTBEAT", "x", "is needed");
    check("HEARTWIRE__CONNECTION__HEARTBEAT__EVRY", "5s", "there is no key `evry`");
    check("HEARTWIRE__CONNECTION__RECONNECT__FIRST", "1h", "above the cap");
}

/// `bad` begins in line 6 of a file with a valid connection, and has one error.
fn check_behind_a_valid_one(bad: &str, line: u32, part: &str) {
    let text = format!("# Mine.\n[[connections]]\nname = \"first\"\nurl = \"ws://h\"\n\n{bad}\n");
    let loaded = home(&text).load();
    let problems = told(&loaded.problems);
    assert_eq!(problems.len(), 1, "{bad}: {problems:?}");
    assert_eq!(problems[0].0, Some(line), "{bad}: {problems:?}");
    assert!(problems[0].1.contains(part), "{bad}: {problems:?}");
    assert!(names_of(&loaded).contains(&"first"), "{bad}");
    assert!(!names_of(&loaded).contains(&"b"), "{bad}");
}
