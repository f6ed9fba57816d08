//! The notifier against a real bus and a service that can be absent, hung, refusing and gone.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "the helpers are test code too")]

mod bus;
#[path = "../common/dbus_daemon.rs"]
mod dbus_daemon;
mod dunst;
mod keyed;
mod service;
mod waiting;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use heartwire_engine::notifier::{Notifier, NotifierEvent, NotifierSettings, Popup};
use tokio::sync::mpsc;
use xtask::test::lacks;

use bus::{Bus, with_own_session};
use dunst::Dunst;
use service::{Kind, Mood, PLAIN, Service, Shown};

#[test]
fn popups_are_shown_in_order_with_all_that_belongs_to_them() {
    with_own_session("popups_are_shown_in_order_with_all_that_belongs_to_them", async |folder| {
        let _bus = Bus::start(&folder);
        let mut service = Service::start(PLAIN).await;
        let icon = Some("/icons/heartwire.png".to_owned());
        let (notifier, mut events) = Notifier::spawn(NotifierSettings { icon, ..quick() });
        assert_eq!(next(&mut events).await, NotifierEvent::Available);
        for priority in 1..=5 {
            notifier.show(Popup { priority, ..popup(&format!("title {priority}")) });
        }
        let shown = service.shown(5).await;
        assert_eq!(service.summaries(), ["title 1", "title 2", "title 3", "title 4", "title 5"]);
        assert_eq!(shown.iter().map(urgency).collect::<Vec<_>>(), [0, 0, 1, 1, 2]);
        assert_eq!((shown[0].app_name.as_str(), shown[0].body.as_str()), ("Heartwire", "a body"));
        assert_eq!((shown[0].icon.as_str(), shown[0].timeout), ("/icons/heartwire.png", -1));
        assert!(shown.iter().all(|shown| shown.replaces_id == 0 && shown.actions.is_empty()), "{shown:?}");
        assert_eq!(hint(&shown[0], "desktop-entry"), Some("heartwire".to_owned()));
        assert_eq!(hint(&shown[0], "category"), Some("im.received".to_owned()));
        assert!(events.try_recv().is_err(), "nothing else to tell");
    });
}

#[test]
fn text_of_a_server_is_shown_literally_and_capped() {
    with_own_session("text_of_a_server_is_shown_literally_and_capped", async |folder| {
        let bus = Bus::start(&folder);
        let hostile = "<b>bold</b> & <a href=\"file:///etc\">x</a>\u{0}\u{202E}evil\u{7}";
        let literal = "<b>bold</b> & <a href=\"file:///etc\">x</a>evil";
        for (renders_markup, body) in [(false, literal.to_owned()), (true, escaped(literal))] {
            let mut service = Service::start(Kind { renders_markup, ..PLAIN }).await;
            let (notifier, _events) = Notifier::spawn(quick());
            notifier.show(Popup { body: hostile.to_owned(), ..popup("one\ntwo\u{0}") });
            notifier.show(Popup { body: "\u{1F600}".repeat(1 << 18), ..popup(&"t".repeat(1 << 20)) });
            notifier.show(Popup { title: String::new(), body: "after".to_owned(), ..popup("") });
            let shown = service.shown(3).await;
            assert_eq!(shown[0].body, body);
            assert_eq!(shown[0].summary, "one two");
            assert!(shown[1].body.chars().count() <= 1_000, "{}", shown[1].body.len());
            assert!(shown[1].summary.chars().count() <= 120, "{}", shown[1].summary.len());
            assert_eq!((shown[2].summary.as_str(), shown[2].body.as_str()), ("crm", "after"));
            service.die().await;
        }
        drop(bus);
    });
}

#[test]
fn on_a_desktop_that_takes_popups_back_with_their_sender_the_sender_is_not_told() {
    with_own_session("on_a_desktop_that_takes_popups_back_with_their_sender_the_sender_is_not_told", async |folder| {
        let _bus = Bus::start(&folder);
        let mut service = Service::start(Kind { name: "gnome-shell", renders_markup: true }).await;
        let (notifier, _events) = Notifier::spawn(quick());
        notifier.show(popup("stays"));
        assert_eq!(hint(&service.shown(1).await[0], "desktop-entry"), None);
    });
}

#[test]
fn without_a_bus_popups_wait_and_are_shown_in_order_when_there_is_one() {
    with_own_session("without_a_bus_popups_wait_and_are_shown_in_order_when_there_is_one", async |folder| {
        let (notifier, mut events) = Notifier::spawn(quick());
        unavailable(&mut events, "no session bus").await;
        for number in 0..3 {
            notifier.show(popup(&format!("early {number}")));
        }
        let _bus = Bus::start(&folder);
        let mut service = Service::start(PLAIN).await;
        assert_eq!(next(&mut events).await, NotifierEvent::Available);
        service.shown(3).await;
        assert_eq!(service.summaries(), ["early 0", "early 1", "early 2"]);
    });
}

#[test]
fn a_desktop_that_comes_later_is_noticed_without_any_popup() {
    with_own_session("a_desktop_that_comes_later_is_noticed_without_any_popup", async |folder| {
        let _bus = Bus::start(&folder);
        let (_notifier, mut events) = Notifier::spawn(quick());
        unavailable(&mut events, "no notification service").await;
        let _service = Service::start(PLAIN).await;
        assert_eq!(next(&mut events).await, NotifierEvent::Available);
    });
}

#[test]
fn a_hung_service_holds_nobody_up_and_shows_each_popup_once_when_it_goes_on() {
    with_own_session("a_hung_service_holds_nobody_up_and_shows_each_popup_once_when_it_goes_on", async |folder| {
        let _bus = Bus::start(&folder);
        let mut service = Service::start(PLAIN).await;
        let (notifier, mut events) = Notifier::spawn(quick());
        assert_eq!(next(&mut events).await, NotifierEvent::Available);
        service.set_mood(Mood::Hung);
        let begin = Instant::now();
        for number in 0..20 {
            notifier.show(popup(&number.to_string()));
        }
        assert!(begin.elapsed() < Duration::from_millis(100), "show waited");
        unavailable(&mut events, "did not answer within 0.3 s").await;
        tokio::time::sleep(Duration::from_secs(1)).await;

        service.set_mood(Mood::Fine);
        assert_eq!(next(&mut events).await, NotifierEvent::Available);
        service.shown(20).await;
        assert_eq!(service.summaries(), (0..20).map(|number| number.to_string()).collect::<Vec<_>>());
    });
}

#[test]
fn a_service_that_dies_over_a_popup_gets_it_again_after_its_restart() {
    with_own_session("a_service_that_dies_over_a_popup_gets_it_again_after_its_restart", async |folder| {
        let _bus = Bus::start(&folder);
        let service = Service::start(PLAIN).await;
        let (notifier, mut events) = Notifier::spawn(NotifierSettings { show_limit: SECOND * 5, ..quick() });
        assert_eq!(next(&mut events).await, NotifierEvent::Available);
        service.set_mood(Mood::SlowToShow);
        notifier.show(popup("first"));
        notifier.show(popup("second"));
        tokio::time::sleep(Duration::from_millis(300)).await;
        service.die().await;
        assert!(matches!(next(&mut events).await, NotifierEvent::Unavailable(_)));

        let mut service = Service::start(PLAIN).await;
        service.shown(2).await;
        assert_eq!(service.summaries(), ["first", "second"]);
    });
}

#[test]
fn a_bus_that_dies_and_comes_back_is_found_again() {
    with_own_session("a_bus_that_dies_and_comes_back_is_found_again", async |folder| {
        let bus = Bus::start(&folder);
        let mut service = Service::start(PLAIN).await;
        let (notifier, mut events) = Notifier::spawn(quick());
        notifier.show(popup("before"));
        service.shown(1).await;
        drop(bus);
        notifier.show(popup("between"));
        assert_eq!(next(&mut events).await, NotifierEvent::Available);
        unavailable(&mut events, "no session bus").await;

        let _bus = Bus::start(&folder);
        let mut service = Service::start(PLAIN).await;
        service.shown(1).await;
        assert_eq!(service.summaries(), ["between"]);
        assert_eq!(next(&mut events).await, NotifierEvent::Available);
    });
}

#[test]
fn a_service_that_refuses_is_asked_again_and_given_up_on_in_the_end() {
    with_own_session("a_service_that_refuses_is_asked_again_and_given_up_on_in_the_end", async |folder| {
        let _bus = Bus::start(&folder);
        let mut service = Service::start(PLAIN).await;
        service.set_mood(Mood::Refusing);
        let (notifier, mut events) = Notifier::spawn(quick());
        notifier.show(Popup { messages: 12, ..popup("12 more messages") });
        assert_eq!(next(&mut events).await, NotifierEvent::Available);
        unavailable(&mut events, "too many notifications").await;
        let NotifierEvent::NotShown { messages, reason } = next(&mut events).await else { panic!("not given up") };
        assert_eq!(messages, 12);
        assert!(reason.contains("too many notifications"), "{reason}");

        notifier.show(popup("later"));
        tokio::time::sleep(Duration::from_millis(50)).await;
        service.set_mood(Mood::Fine);
        service.shown(1).await;
        assert_eq!(service.summaries(), ["later"]);
    });
}

#[test]
fn what_waited_too_long_is_counted_as_not_shown_and_the_newer_is_shown() {
    with_own_session("what_waited_too_long_is_counted_as_not_shown_and_the_newer_is_shown", async |folder| {
        let _bus = Bus::start(&folder);
        let (notifier, mut events) = Notifier::spawn(NotifierSettings { keep_for: SECOND, ..quick() });
        unavailable(&mut events, "no notification service").await;
        for number in 0..500 {
            notifier.show(popup(&number.to_string()));
        }
        let mut not_shown = 0;
        while not_shown < 500 {
            match next(&mut events).await {
                NotifierEvent::NotShown { messages, .. } => not_shown += messages,
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(not_shown, 500);

        notifier.show(popup("newer"));
        let mut service = Service::start(PLAIN).await;
        service.shown(1).await;
        assert_eq!(service.summaries(), ["newer"]);
    });
}

#[test]
fn a_flood_is_folded_and_nothing_grows() {
    with_own_session("a_flood_is_folded_and_nothing_grows", async |folder| {
        let _bus = Bus::start(&folder);
        let (notifier, mut events) = Notifier::spawn(quick());
        unavailable(&mut events, "no notification service").await;
        // The task may have taken one from the queue.
        notifier.show(popup("0"));
        tokio::time::sleep(Duration::from_millis(200)).await;
        for number in 1..10_000 {
            notifier.show(popup(&number.to_string()));
        }
        let mut service = Service::start(PLAIN).await;
        let shown = service.shown(66).await;
        let summaries = service.summaries();
        assert_eq!(summaries[..65], (0..65).map(|number| number.to_string()).collect::<Vec<_>>());
        assert_eq!(summaries[65..], ["9935 more messages from crm"]);
        assert_eq!(shown[65].body, "Latest: 9999");
    });
}

#[test]
fn hundreds_of_popups_and_failures_leave_nothing_behind() {
    with_own_session("hundreds_of_popups_and_failures_leave_nothing_behind", async |folder| {
        let _bus = Bus::start(&folder);
        let mut service = Service::start(PLAIN).await;
        let settings = NotifierSettings { show_limit: Duration::from_millis(200), ..quick() };
        let (notifier, mut events) = Notifier::spawn(settings);
        assert_eq!(next(&mut events).await, NotifierEvent::Available);
        notifier.show(popup("warm-up"));
        service.shown(1).await;
        let before = left_behind(&service).await;
        for round in 0..6 {
            for number in 0..50 {
                notifier.show(popup(&number.to_string()));
            }
            service.shown(1 + (round + 1) * 50).await;
            service.set_mood(Mood::Hung);
            notifier.show(popup("hung"));
            tokio::time::sleep(Duration::from_millis(700)).await;
            service.set_mood(Mood::Fine);
            service.shown(2 + round + (round + 1) * 50).await;
            while events.try_recv().is_ok() {}
        }
        let mut after = left_behind(&service).await;
        for _ in 0..50 {
            if after == before {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
            after = left_behind(&service).await;
        }
        panic!("(descriptors, threads, tasks, bus connections): {before:?} became {after:?}");
    });
}

#[test]
fn the_task_ends_with_the_last_handle_also_in_the_middle_of_a_call() {
    with_own_session("the_task_ends_with_the_last_handle_also_in_the_middle_of_a_call", async |folder| {
        let _bus = Bus::start(&folder);
        let service = Service::start(PLAIN).await;
        let (notifier, mut events) = Notifier::spawn(NotifierSettings { show_limit: SECOND * 60, ..quick() });
        assert_eq!(next(&mut events).await, NotifierEvent::Available);
        service.set_mood(Mood::Hung);
        notifier.clone().show(popup("never answered"));
        tokio::time::sleep(Duration::from_millis(100)).await;
        drop(notifier);
        let ended = tokio::time::timeout(SECOND * 5, events.recv()).await;
        assert_eq!(ended, Ok(None));
    });
}

#[test]
fn dunst_shows_text_literally_and_each_popup_once_also_when_it_was_stopped() {
    let name = "dunst_shows_text_literally_and_each_popup_once_also_when_it_was_stopped";
    if ["Xvfb", "dunst", "dunstctl"].iter().any(|program| lacks(name, program)) {
        return;
    }
    with_own_session(name, async |folder| {
        let _bus = Bus::start(&folder);
        let dunst = Dunst::start(&folder);
        let (notifier, _events) = Notifier::spawn(quick());
        notifier.show(Popup { body: "<b>bold</b> & \u{0}".to_owned(), ..popup("<i>literal</i>") });
        let shown = dunst.history(1).await;
        assert_eq!(shown[0]["appname"]["data"], "Heartwire");
        assert_eq!(shown[0]["summary"]["data"], "<i>literal</i>");
        assert_eq!(shown[0]["body"]["data"], "&lt;b&gt;bold&lt;/b&gt; &amp;", "escaped for a renderer of markup");
        assert_eq!(shown[0]["category"]["data"], "im.received");

        dunst.signal("STOP");
        for number in 0..10 {
            notifier.show(popup(&number.to_string()));
        }
        tokio::time::sleep(SECOND).await;
        dunst.signal("CONT");
        dunst.history(11).await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        let shown = dunst.history(11).await;
        let summaries: Vec<_> = shown[1..].iter().map(|shown| shown["summary"]["data"].as_str().unwrap()).collect();
        assert_eq!(summaries, (0..10).map(|number| number.to_string()).collect::<Vec<_>>());
    });
}

const SECOND: Duration = Duration::from_secs(1);

/// Settings that do not make a test wait.
fn quick() -> NotifierSettings {
    NotifierSettings {
        show_limit: Duration::from_millis(300),
        retry_first: Duration::from_millis(20),
        retry_cap: Duration::from_millis(100),
        ..NotifierSettings::default()
    }
}

fn popup(title: &str) -> Popup {
    Popup {
        connection: "crm".to_owned(),
        key: None,
        title: title.to_owned(),
        body: "a body".to_owned(),
        priority: 3,
        messages: 1,
        first_id: 1,
    }
}

async fn next(events: &mut mpsc::Receiver<NotifierEvent>) -> NotifierEvent {
    tokio::time::timeout(SECOND * 20, events.recv()).await.unwrap().unwrap()
}

async fn unavailable(events: &mut mpsc::Receiver<NotifierEvent>, words: &str) {
    match next(events).await {
        NotifierEvent::Unavailable(reason) => assert!(reason.contains(words), "{reason}"),
        other => panic!("{other:?}"),
    }
}

fn urgency(shown: &Shown) -> u8 {
    u8::try_from(&shown.hints["urgency"]).unwrap()
}

fn hint(shown: &Shown, name: &str) -> Option<String> {
    shown.hints.get(name).map(|value| String::try_from(value.clone()).unwrap())
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// Descriptors and threads of this process, tasks of its runtime, connections of the bus.
async fn left_behind(service: &Service) -> (usize, usize, usize, usize) {
    let count = |folder: &str| std::fs::read_dir(PathBuf::from(folder)).unwrap().count();
    let tasks = tokio::runtime::Handle::current().metrics().num_alive_tasks();
    (count("/proc/self/fd"), count("/proc/self/task"), tasks, service.connections_of_bus().await)
}
