//! What files say and how they are told to be wrong; what saving changes and what it leaves.

use std::fs;
use std::path::PathBuf;

use heartwire_core::settings::{FieldErrorCode, HeartbeatForm, Language, ReconnectForm, ReplyForm};
use proptest::prelude::*;
use tempfile::TempDir;

use super::*;

struct Home {
    folder: TempDir,
    paths: Paths,
}

fn home(text: &str) -> Home {
    let home = empty_home();
    fs::write(&home.paths.settings_file, text).unwrap();
    home
}

fn empty_home() -> Home {
    let folder = tempfile::tempdir().unwrap();
    let mut paths = Paths::under(folder.path()).unwrap();
    paths.system_settings_file = Some(folder.path().join("system.toml"));
    Home { folder, paths }
}

impl Home {
    fn load(&self) -> Loaded {
        load(&self.paths, &BTreeMap::new())
    }

    fn load_with(&self, environment: &[(&str, &str)]) -> Loaded {
        let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        load(&self.paths, &environment)
    }

    fn system(&self, text: &str) -> &Self {
        fs::write(self.paths.system_settings_file.as_ref().unwrap(), text).unwrap();
        self
    }

    fn file(&self) -> &Path {
        &self.paths.settings_file
    }

    fn text(&self) -> String {
        fs::read_to_string(self.file()).unwrap()
    }
}

fn names_of(loaded: &Loaded) -> Vec<&str> {
    loaded.connections.iter().map(|connection| connection.name.as_str()).collect()
}

fn told(problems: &[Problem]) -> Vec<(Option<u32>, &str)> {
    problems.iter().map(|problem| (problem.line, problem.message.as_str())).collect()
}

#[test]
fn without_any_file_the_defaults_count() {
    let loaded = empty_home().load();
    assert_eq!(loaded.general, General { notifications: true, language: Language::System, keep_messages: 10_000 });
    assert_eq!(loaded.defaults.connect_timeout.as_deref(), Some("10s"));
    assert_eq!((loaded.connections.len(), loaded.forms.len(), loaded.presets.len()), (0, 0, 3));
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
fn every_error_has_its_line_and_the_valid_connections_live() {
    let check = |bad: &str, line: u32, part: &str| {
        let text = format!("# Mine.\n[[connections]]\nname = \"first\"\nurl = \"ws://h\"\n\n{bad}\n");
        let loaded = home(&text).load();
        let problems = told(&loaded.problems);
        assert_eq!(problems.len(), 1, "{bad}: {problems:?}");
        assert_eq!(problems[0].0, Some(line), "{bad}: {problems:?}");
        assert!(problems[0].1.contains(part), "{bad}: {problems:?}");
        assert!(names_of(&loaded).contains(&"first"), "{bad}");
        assert!(!names_of(&loaded).contains(&"b"), "{bad}");
    };
    // Rules, from line 6 on.
    check(
        "[[connections]]\nname = 'b'\nurl = 'ftp://h'",
        8,
        "connection \"b\": url: \"ftp\" is not a WebSocket address: begin",
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
    // Types and keys.
    check(
        "[[connections]]\nname = 'b'\nurl = 'ws://h'\nheartbeat.every = 5",
        9,
        "heartbeat.every: here stands integer `5`, but a text in quotes is needed",
    );
    check("[[connections]]\nname = 'b'\nurl = 5", 8, "url: here stands integer `5`");
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
        "[[connections]]\nname = 'b'\nurl = 'ws://h'\n[connections.auth]\nkind = 'token'",
        9,
        "there is no key `auth`",
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
        "on_open: here stands string \"x\", but a list is needed",
    );
    check("[[connections]]\nname = 'b'\nurl = 'ws://h'\non_open = ['a', 1]", 9, "on_open[1]: here stands integer `1`");
    check(
        "[[connections]]\nname = 'b'\nurl = 'ws://h'\nheaders = { a = 10:00:00 }",
        9,
        "headers.a: here stands a table",
    );
    // What is no connection's.
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
    check(&[b'#'; 1024 * 1024 + 1], None, "larger than 1 MiB");
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

fn form(name: &str, url: &str) -> ConnectionForm {
    ConnectionForm { name: Some(name.to_owned()), url: Some(url.to_owned()), ..ConnectionForm::default() }
}

const COMMENTED: &str = "\
# My settings, do not touch.

[general] # general
language = \"en\"   # mine

# The office.
[[connections]]
# its name
name = \"office\"
url = 'ws://office/x'   # the old one
future = { kept = true }

[connections.heartbeat]
every = \"5s\"  # quick
timeout = \"5s\"

# The last one.
[[connections]]
name = \"home\"
url = \"ws://home\"

# The end.
";

#[test]
fn saving_changes_what_was_changed_and_nothing_else() {
    let home = home(COMMENTED);
    let mut changed = form("office", "wss://new/x");
    changed.heartbeat = Some(HeartbeatForm {
        every: Some("5s".to_owned()),
        timeout: Some("6s".to_owned()),
        ..HeartbeatForm::default()
    });
    changed.reconnect = Some(ReconnectForm { fixed: Some("3s".to_owned()), ..ReconnectForm::default() });
    save_connection(home.file(), Some("office"), &changed).unwrap();
    let expected = COMMENTED
        .replace("url = 'ws://office/x'   # the old one", "url = \"wss://new/x\"   # the old one")
        .replace("timeout = \"5s\"\n", "timeout = \"6s\"\n\n[connections.reconnect]\nfixed = \"3s\"\n");
    assert_eq!(home.text(), expected);
}

#[test]
fn saving_what_is_there_changes_no_byte() {
    let home = home(COMMENTED);
    let mut same = form("office", "ws://office/x");
    same.heartbeat = Some(HeartbeatForm {
        every: Some("5s".to_owned()),
        timeout: Some("5s".to_owned()),
        ..HeartbeatForm::default()
    });
    save_connection(home.file(), Some("office"), &same).unwrap();
    assert_eq!(home.text(), COMMENTED);
}

#[test]
fn a_new_connection_stands_behind_the_others_with_only_what_was_given() {
    let home = home(COMMENTED);
    let mut new = form(" crm ", "https://crm/wsCrm?jspCode=42");
    new.preset = Some("crm-heartbeat".to_owned());
    new.on_open = Some(vec!["{\"id\":\"a1b2c3\"}".to_owned()]);
    new.headers = Some([("X-Tenant".to_owned(), "blue".to_owned())].into());
    new.heartbeat = Some(HeartbeatForm {
        reply: Some(ReplyForm { equals: Some("HeartBeat".to_owned()), ..ReplyForm::default() }),
        always: Some(true),
        ..HeartbeatForm::default()
    });
    save_connection(home.file(), None, &new).unwrap();
    let text = home.text();
    let added = "\n[[connections]]\nname = \"crm\"\npreset = \"crm-heartbeat\"\nurl = \"https://crm/wsCrm?jspCode=42\"\n\
                 on_open = ['{\"id\":\"a1b2c3\"}']\nheaders = { X-Tenant = \"blue\" }\n\n[connections.heartbeat]\n\
                 reply = { equals = \"HeartBeat\" }\nalways = true\n";
    assert!(text.starts_with(COMMENTED.trim_end_matches("\n# The end.\n")), "{text}");
    assert!(text.contains(added), "{text}");
    assert!(text.ends_with("# The end.\n"), "{text}");
}

#[test]
fn the_first_connection_makes_the_file_and_its_folder_for_this_user_only() {
    let home = empty_home();
    let file = home.folder.path().join("deep/er/config.toml");
    save_connection(&file, None, &form("a", "ws://a")).unwrap();
    assert_eq!(fs::read_to_string(&file).unwrap().trim_start(), "[[connections]]\nname = \"a\"\nurl = \"ws://a\"\n");
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        assert_eq!(fs::metadata(&file).unwrap().mode() & 0o777, 0o600);
        assert_eq!(fs::metadata(file.parent().unwrap()).unwrap().mode() & 0o777, 0o700);
    }
}

#[test]
fn a_name_that_another_connection_has_is_not_saved() {
    let home = home(COMMENTED);
    for (replaces, name) in [(None, "home"), (None, " home"), (Some("office"), "home")] {
        let error = save_connection(home.file(), replaces, &form(name, "ws://x")).unwrap_err();
        assert!(matches!(&error, SaveError::NameTaken(error) if error.code == FieldErrorCode::NameTaken), "{error}");
    }
    assert_eq!(home.text(), COMMENTED);
    let mut renamed = form("cottage", "ws://home");
    save_connection(home.file(), Some("home"), &renamed).unwrap();
    assert_eq!(home.text(), COMMENTED.replace("name = \"home\"", "name = \"cottage\""));
    renamed.name = Some("x".to_owned());
    assert!(matches!(save_connection(home.file(), Some("home"), &renamed), Err(SaveError::Unknown { .. })));
}

#[test]
fn a_removed_connection_takes_only_itself_along() {
    let home = home(COMMENTED);
    remove_connection(home.file(), "office").unwrap();
    let text = home.text();
    assert!(!text.contains("office") && !text.contains("quick"), "{text}");
    for kept in [
        "# My settings, do not touch.",
        "language = \"en\"   # mine",
        "# The last one.\n[[connections]]\nname = \"home\"",
        "# The end.",
    ] {
        assert!(text.contains(kept), "{kept}: {text}");
    }
    assert!(matches!(remove_connection(home.file(), "office"), Err(SaveError::Unknown { .. })));
    remove_connection(home.file(), "home").unwrap();
    assert_eq!(told(&home.load().problems), []);
    save_connection(home.file(), None, &form("again", "ws://h")).unwrap();
    assert_eq!(names_of(&home.load()), ["again"]);
}

#[test]
fn connections_written_in_one_list_are_edited_in_it() {
    let home = home("connections = [\n  { name = \"a\", url = \"ws://a\" }, # one\n]\n");
    let mut more = form("b", "ws://b");
    more.heartbeat = Some(HeartbeatForm { every: Some("5s".to_owned()), ..HeartbeatForm::default() });
    save_connection(home.file(), None, &more).unwrap();
    save_connection(home.file(), Some("a"), &form("a", "ws://c")).unwrap();
    let loaded = home.load();
    assert_eq!(told(&loaded.problems), []);
    assert_eq!(loaded.forms, [form("a", "ws://c"), more]);
    remove_connection(home.file(), "a").unwrap();
    assert_eq!(names_of(&home.load()), ["b"]);
}

#[test]
fn saving_general_settings_writes_only_what_the_person_changed() {
    let home = home(COMMENTED);
    let in_force = home.load_with(&[("HEARTWIRE__GENERAL__KEEP_MESSAGES", "5")]).general;
    assert_eq!(in_force.keep_messages, 5);
    let wanted = General { language: Language::SimplifiedChinese, notifications: false, ..in_force.clone() };
    save_general(home.file(), &in_force, &wanted).unwrap();
    let expected =
        COMMENTED.replace("language = \"en\"   # mine\n", "language = \"zh-CN\"   # mine\nnotifications = false\n");
    assert_eq!(home.text(), expected);
    save_general(home.file(), &wanted, &wanted).unwrap();
    assert_eq!(home.text(), expected);
    let fresh = empty_home();
    save_general(fresh.file(), &in_force, &wanted).unwrap();
    assert_eq!(fresh.load().general, General { keep_messages: 10_000, ..wanted });
}

#[cfg(unix)]
#[test]
fn a_saved_file_keeps_its_mode_and_its_link() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
    let home = empty_home();
    let real = home.folder.path().join("dotfiles");
    fs::create_dir(&real).unwrap();
    fs::write(real.join("hw.toml"), COMMENTED).unwrap();
    fs::set_permissions(real.join("hw.toml"), PermissionsExt::from_mode(0o640)).unwrap();
    symlink("dotfiles/hw.toml", home.file()).unwrap();
    remove_connection(home.file(), "home").unwrap();
    assert!(fs::symlink_metadata(home.file()).unwrap().is_symlink());
    assert_eq!(fs::metadata(real.join("hw.toml")).unwrap().mode() & 0o777, 0o640);
    assert!(!fs::read_to_string(real.join("hw.toml")).unwrap().contains("ws://home"));
    fs::remove_file(real.join("hw.toml")).unwrap();
    save_connection(home.file(), None, &form("a", "ws://a")).unwrap();
    assert!(real.join("hw.toml").is_file(), "a link to nothing yet gets its file");
    let left: Vec<PathBuf> = fs::read_dir(&real).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(left, [real.join("hw.toml")], "no temporary file stays");
}

/// A file system of 64 KiB, if this user may mount one.
#[cfg(target_os = "linux")]
struct Tiny(TempDir);

#[cfg(target_os = "linux")]
impl Tiny {
    fn mount() -> Result<Self, String> {
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let mut mount = std::process::Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=64k", "tmpfs"]).arg(folder.path());
        let output = mount.output().map_err(|error| format!("mount cannot be run: {error}"))?;
        if output.status.success() {
            Ok(Self(folder))
        } else {
            Err(String::from_utf8_lossy(&output.stderr).trim().to_owned())
        }
    }
}

#[cfg(target_os = "linux")]
impl Drop for Tiny {
    fn drop(&mut self) {
        let status = std::process::Command::new("umount").arg(self.0.path()).status();
        assert!(
            std::thread::panicking() || status.is_ok_and(|status| status.success()),
            "the test's file system stays mounted"
        );
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_leaves_the_old_file() {
    let tiny = match Tiny::mount() {
        Ok(tiny) => tiny,
        Err(why) => {
            println!("SKIPPED: no small file system can be mounted here: {why}");
            return;
        }
    };
    let file = tiny.0.path().join("config.toml");
    fs::write(&file, COMMENTED).unwrap();
    let mut large = form("large", "ws://h");
    large.on_open = Some(vec!["x".repeat(60_000); 3]);
    let error = save_connection(&file, None, &large).unwrap_err();
    assert!(matches!(error, SaveError::NotWritten { .. }), "{error}");
    assert_eq!(fs::read_to_string(&file).unwrap(), COMMENTED);
    assert_eq!(fs::read_dir(tiny.0.path()).unwrap().count(), 1, "no temporary file stays");
}

#[cfg(unix)]
#[test]
fn a_folder_that_cannot_be_written_is_told() {
    let home = empty_home();
    fs::write(home.folder.path().join("not-a-folder"), "").unwrap();
    let error =
        save_connection(&home.folder.path().join("not-a-folder/config.toml"), None, &form("a", "ws://a")).unwrap_err();
    assert!(error.to_string().contains("nothing was saved"), "{error}");
}

fn texts() -> impl Strategy<Value = Option<String>> {
    prop::option::of(any::<String>())
}

fn forms() -> impl Strategy<Value = ConnectionForm> {
    let lists = || prop::option::of(prop::collection::vec(any::<String>(), 0..3));
    let reply =
        (texts(), texts()).prop_map(|(equals, json_path)| ReplyForm { equals, json_path, ..ReplyForm::default() });
    let heartbeat = (texts(), prop::option::of(reply), any::<Option<bool>>())
        .prop_map(|(send, reply, always)| HeartbeatForm { send, reply, always, ..HeartbeatForm::default() })
        .prop_filter("a table with nothing in it is not written", |form| *form != HeartbeatForm::default());
    let headers = prop::option::of(prop::collection::btree_map(any::<String>(), any::<String>(), 0..3));
    ("[a-z]{1,8}", texts(), lists(), headers, lists(), prop::option::of(heartbeat)).prop_map(
        |(name, url, on_open, headers, subprotocols, heartbeat)| ConnectionForm {
            name: Some(name),
            url,
            on_open,
            headers,
            subprotocols,
            heartbeat,
            ..ConnectionForm::default()
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_saved_is_read_back_and_its_neighbours_stay(first in forms(), second in forms()) {
        let home = home(COMMENTED);
        let first = ConnectionForm { name: Some("new".to_owned()), ..first };
        let second = ConnectionForm { name: Some("other".to_owned()), ..second };
        let untouched = home.load().forms[0].clone();
        save_connection(home.file(), None, &first).unwrap();
        let forms = home.load().forms;
        prop_assert_eq!(forms.last(), Some(&first));
        save_connection(home.file(), Some("new"), &second).unwrap();
        let forms = home.load().forms;
        prop_assert_eq!(forms.last(), Some(&second));
        prop_assert!(forms.contains(&untouched));
        remove_connection(home.file(), "other").unwrap();
        prop_assert_eq!(home.load().forms, vec![untouched]);
        prop_assert!(home.text().contains("# The office.") && home.text().contains("# The end."));
    }

    #[test]
    fn any_text_is_read_without_a_panic(text in "[\\[\\]a-z={}'\"#.\n ]{0,200}") {
        let home = home(&text);
        home.load();
    }
}
