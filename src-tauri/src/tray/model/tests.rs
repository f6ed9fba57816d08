use heartwire_core::settings::{General, Language};
use heartwire_core::view::{HeartbeatView, Problem, ProblemKind, Strip};

use super::*;

use LinkState::{Blocked, Connected, Connecting, Paused, Stopped, Waiting};

#[test]
fn the_icon_is_the_worst_of_what_the_connections_do() {
    let check = |states: &[LinkState], icon: Icon| assert_eq!(model(states).icon, icon, "{states:?}");
    check(&[], Icon::Stopped);
    check(&[Stopped], Icon::Stopped);
    check(&[Paused], Icon::Paused);
    check(&[Paused, Stopped], Icon::Paused);
    check(&[Connected], Icon::Connected);
    check(&[Connected, Paused], Icon::Connected);
    check(&[Connected, Waiting], Icon::Waiting);
    check(&[Connected, Connecting], Icon::Waiting);
    check(&[Connected, Waiting, Blocked, Paused], Icon::Blocked);
}

#[test]
fn the_summary_is_one_sentence_that_names_what_needs_the_person_first() {
    let check = |states: &[LinkState], summary: &str| assert_eq!(model(states).summary, summary, "{states:?}");
    check(&[], "No connection is configured");
    check(&[Stopped], "No connection is running");
    check(&[Paused, Paused], "All connections are paused");
    check(&[Connected, Connected], "2 of 2 connected");
    check(&[Connected, Connected, Waiting], "2 of 3 connected; c2: retrying");
    check(&[Waiting, Blocked], "0 of 2 connected; c1: needs you; c0: retrying");
    let five = "0 of 5 connected; c0: connecting; c1: connecting; c2: connecting; 2 more not connected";
    check(&[Connecting; 5], five);
}

#[test]
fn problems_are_counted_in_the_summary() {
    let mut snapshot = snapshot(&[Connected]);
    let problem = Problem { kind: ProblemKind::Settings, file: None, line: None, message: "secret?".into() };
    snapshot.problems = vec![problem; 2];
    assert_eq!(TrayModel::of(&snapshot, english()).summary, "1 of 1 connected; 2 problems");
}

#[test]
fn the_menu_has_a_line_a_connection_and_the_commands() {
    let labels: Vec<_> = model(&[Connected, Waiting, Blocked, Paused]).menu.iter().map(label).collect();
    let wanted = "● c0: connected|◐ c1: retrying|▲ c2: needs you|‖ c3: paused|--|Open Heartwire|Settings…|--|\
                  Reconnect now|Pause all|--|Quit";
    assert_eq!(labels.join("|"), wanted);
}

#[test]
fn at_most_twenty_connections_have_a_line() {
    let labels: Vec<_> = model(&[Connected; 23]).menu.iter().map(label).collect();
    assert_eq!((labels[19].as_str(), labels[20].as_str(), labels[21].as_str()), ("● c19: connected", "… 3 more", "--"));
}

#[test]
fn a_connections_lines_reconnect_and_pause_it() {
    let check = |state, reconnect: Option<Request>, pause: Request| {
        let menu = model(&[state]).menu;
        let Entry::Submenu { entries, .. } = &menu[0] else { panic!("{menu:?}") };
        let actions: Vec<_> = entries.iter().map(action).collect();
        let wanted = [reconnect.map(|request| Action::Ask(vec![request])), Some(Action::Ask(vec![pause]))];
        assert_eq!(actions, wanted, "{state:?}");
    };
    let name = || "c0".to_owned();
    let redial = || Some(Request::Reconnect { connection: name() });
    check(Connected, redial(), Request::Pause { connection: Some(name()) });
    check(Blocked, redial(), Request::Pause { connection: Some(name()) });
    check(Paused, None, Request::Resume { connection: Some(name()) });
}

#[test]
fn pause_all_becomes_resume_all_once_everything_is_paused() {
    let check = |states: &[LinkState], words: &str, wanted: Option<Request>| {
        let menu = model(states).menu;
        let entry = &menu[menu.len() - 3];
        assert_eq!((label(entry).as_str(), action(entry)), (words, wanted.map(|one| Action::Ask(vec![one]))));
    };
    check(&[], "Pause all", None);
    check(&[Connected, Paused], "Pause all", Some(Request::Pause { connection: None }));
    check(&[Paused, Paused], "Resume all", Some(Request::Resume { connection: None }));
}

#[test]
fn reconnect_now_dials_everything_that_is_not_paused() {
    let menu = model(&[Connected, Paused, Waiting]).menu;
    let requests = ["c0", "c2"].map(|name| Request::Reconnect { connection: name.to_owned() });
    assert_eq!(action(&menu[menu.len() - 4]), Some(Action::Ask(requests.to_vec())));
    let menu = model(&[Paused]).menu;
    assert_eq!(action(&menu[menu.len() - 4]), None);
}

#[test]
fn heartbeats_messages_and_countdowns_change_nothing() {
    let before = snapshot(&[Connected, Waiting]);
    let mut after = before.clone();
    after.revision += 1;
    after.at_ms += 60_000;
    after.connections[0].heartbeat = Some(HeartbeatView { at_ms: 60_000, rtt_ms: 2.5 });
    after.connections[1].attempt = 7;
    after.connections[1].retry_at_ms = Some(90_000);
    assert_eq!(TrayModel::of(&before, english()), TrayModel::of(&after, english()));
}

#[test]
fn names_are_made_safe_and_short() {
    let mut snapshot = snapshot(&[Connected]);
    snapshot.connections[0].name = format!("evil\n\u{202e}{}", "x".repeat(100));
    let labels: Vec<_> = TrayModel::of(&snapshot, english()).menu.iter().map(label).collect();
    assert!(!labels[0].contains(['\n', '\u{202e}']), "{}", labels[0]);
    assert!(labels[0].chars().count() < 60, "{}", labels[0]);
}

#[test]
fn it_speaks_simplified_chinese() {
    let words = Words::of(Language::SimplifiedChinese, "");
    let model = TrayModel::of(&snapshot(&[Connected, Blocked]), words);
    assert_eq!(model.summary, "2 个连接中 1 个已连接；c1：需要您处理");
    assert_eq!(label(&model.menu[0]), "● c0：已连接");
}

fn model(states: &[LinkState]) -> TrayModel {
    TrayModel::of(&snapshot(states), english())
}

fn english() -> &'static Words {
    Words::of(Language::English, "")
}

fn label(entry: &Entry) -> String {
    match entry {
        Entry::Separator => "--".to_owned(),
        Entry::Item { label, .. } | Entry::Submenu { label, .. } => label.clone(),
    }
}

fn action(entry: &Entry) -> Option<Action> {
    match entry {
        Entry::Item { action, .. } => action.clone(),
        Entry::Separator | Entry::Submenu { .. } => None,
    }
}

fn snapshot(states: &[LinkState]) -> Snapshot {
    let connections = states.iter().enumerate().map(|(index, &state)| connection(index, state)).collect();
    Snapshot {
        revision: 1,
        at_ms: 0,
        connections,
        history: Vec::new(),
        messages: Vec::new(),
        problems: Vec::new(),
        general: General { notifications: true, language: Language::English, keep_messages: 1 },
        demo: false,
        settings_file: String::new(),
    }
}

fn connection(index: usize, state: LinkState) -> ConnectionView {
    ConnectionView {
        name: format!("c{index}"),
        url: "ws://127.0.0.1/".to_owned(),
        dialect: "plain".to_owned(),
        preset: None,
        state,
        since_ms: 0,
        secret: None,
        cause: None,
        down_since_ms: None,
        retry_at_ms: None,
        attempt: 0,
        heartbeat: None,
        last_message: None,
        strip: Strip { parts: Vec::new(), up_percent: None },
    }
}
