//! Popups that replace others and popups that are withdrawn.

use std::time::{Duration, Instant};

use heartwire_engine::notifier::{Notifier, NotifierEvent, NotifierSettings, Popup};
use xtask::test::lacks;

use super::bus::{Bus, with_own_session};
use super::dunst::{Dunst, displayed};
use super::service::{Mood, PLAIN, Service};
use super::{SECOND, next, popup, quick, unavailable};

#[test]
fn a_popup_takes_the_place_of_the_one_that_is_shown_under_its_key() {
    with_own_session("keyed::a_popup_takes_the_place_of_the_one_that_is_shown_under_its_key", async |folder| {
        let _bus = Bus::start(&folder);
        let mut service = Service::start(PLAIN).await;
        let (notifier, _events) = Notifier::spawn(quick());
        notifier.show(popup("of no key"));
        notifier.show(keyed("door", "opened"));
        notifier.show(Popup { connection: "home".to_owned(), ..keyed("door", "another connection's") });
        service.shown(3).await;
        notifier.show(keyed("door", "closed"));
        notifier.show(popup("of no key"));
        service.shown(5).await;
        notifier.show(keyed("door", "locked"));
        let shown = service.shown(6).await;
        assert_eq!(shown.iter().map(|shown| shown.replaces_id).collect::<Vec<_>>(), [0, 0, 0, 2, 0, 2]);
    });
}

#[test]
fn what_is_withdrawn_is_closed_once_and_a_later_popup_of_its_key_is_a_new_one() {
    let name = "keyed::what_is_withdrawn_is_closed_once_and_a_later_popup_of_its_key_is_a_new_one";
    with_own_session(name, async |folder| {
        let _bus = Bus::start(&folder);
        let mut service = Service::start(PLAIN).await;
        let (notifier, mut events) = Notifier::spawn(quick());
        assert_eq!(next(&mut events).await, NotifierEvent::Available);
        notifier.show(popup("of no key"));
        notifier.show(keyed("door", "opened"));
        service.shown(2).await;
        notifier.withdraw("home", "door");
        notifier.withdraw("crm", "bell");
        notifier.withdraw("crm", "door");
        notifier.withdraw("crm", "door");
        assert_eq!(service.closed(1).await, [2]);
        notifier.show(keyed("door", "closed"));
        assert_eq!(service.shown(3).await[2].replaces_id, 0);
        assert!(events.try_recv().is_err(), "nothing to tell");
    });
}

#[test]
fn what_is_replaced_or_withdrawn_while_it_waits_is_not_shown_and_owed_no_more() {
    let name = "keyed::what_is_replaced_or_withdrawn_while_it_waits_is_not_shown_and_owed_no_more";
    with_own_session(name, async |folder| {
        let (notifier, mut events) = Notifier::spawn(quick());
        unavailable(&mut events, "no session bus").await;
        for (id, key) in [(1, "tried"), (2, "door"), (3, "bell"), (4, "gate")] {
            notifier.show(Popup { first_id: id, ..keyed(key, key) });
        }
        // The first is out of the queue and tried again and again.
        tokio::time::sleep(Duration::from_millis(300)).await;
        notifier.withdraw("crm", "tried");
        assert_eq!(notifier.oldest_waiting(), Some(2));
        notifier.settled().await;
        notifier.withdraw("crm", "door");
        assert_eq!(notifier.oldest_waiting(), Some(3));
        notifier.show(Popup { first_id: 5, ..keyed("bell", "rang again") });
        assert_eq!(notifier.oldest_waiting(), Some(4));

        let _bus = Bus::start(&folder);
        let mut service = Service::start(PLAIN).await;
        service.shown(2).await;
        assert_eq!(service.summaries(), ["gate", "rang again"]);
        assert!(service.closed(0).await.is_empty());
        assert_eq!(notifier.oldest_waiting(), None);
    });
}

#[test]
fn what_is_withdrawn_while_the_desktop_is_about_to_show_it_is_closed_as_soon_as_it_is_shown() {
    let name = "keyed::what_is_withdrawn_while_the_desktop_is_about_to_show_it_is_closed_as_soon_as_it_is_shown";
    with_own_session(name, async |folder| {
        let _bus = Bus::start(&folder);
        let mut service = Service::start(PLAIN).await;
        let (notifier, mut events) = Notifier::spawn(NotifierSettings { show_limit: SECOND * 20, ..quick() });
        assert_eq!(next(&mut events).await, NotifierEvent::Available);
        service.set_mood(Mood::SlowToShow);
        notifier.show(keyed("door", "opened"));
        tokio::time::sleep(Duration::from_millis(300)).await;
        notifier.withdraw("crm", "door");
        assert_eq!(notifier.oldest_waiting(), None);
        service.set_mood(Mood::Fine);
        assert_eq!(service.closed(1).await, [1]);
    });
}

#[test]
fn a_hung_desktop_hears_of_a_withdrawal_when_it_goes_on() {
    with_own_session("keyed::a_hung_desktop_hears_of_a_withdrawal_when_it_goes_on", async |folder| {
        let _bus = Bus::start(&folder);
        let mut service = Service::start(PLAIN).await;
        let (notifier, mut events) = Notifier::spawn(quick());
        assert_eq!(next(&mut events).await, NotifierEvent::Available);
        notifier.show(keyed("door", "opened"));
        service.shown(1).await;
        service.set_mood(Mood::Hung);
        let begin = Instant::now();
        notifier.withdraw("crm", "door");
        assert!(begin.elapsed() < Duration::from_millis(100), "withdraw waited");
        unavailable(&mut events, "did not answer within 0.3 s").await;
        service.set_mood(Mood::Fine);
        assert_eq!(next(&mut events).await, NotifierEvent::Available);
        assert_eq!(service.closed(1).await, [1]);
    });
}

#[test]
fn a_desktop_after_its_restart_is_not_told_to_close_or_replace_the_popups_of_others() {
    let name = "keyed::a_desktop_after_its_restart_is_not_told_to_close_or_replace_the_popups_of_others";
    with_own_session(name, async |folder| {
        let _bus = Bus::start(&folder);
        let mut service = Service::start(PLAIN).await;
        let (notifier, _events) = Notifier::spawn(quick());
        notifier.show(keyed("door", "opened"));
        notifier.show(keyed("bell", "rang"));
        service.shown(2).await;
        service.die().await;

        let mut service = Service::start(PLAIN).await;
        notifier.withdraw("crm", "door");
        notifier.show(keyed("bell", "rang again"));
        let shown = service.shown(1).await;
        assert_eq!((shown[0].summary.as_str(), shown[0].replaces_id), ("rang again", 0));
        assert!(service.closed(0).await.is_empty());
    });
}

#[test]
fn a_desktop_that_refuses_to_replace_shows_a_new_popup() {
    with_own_session("keyed::a_desktop_that_refuses_to_replace_shows_a_new_popup", async |folder| {
        let _bus = Bus::start(&folder);
        let mut service = Service::start(PLAIN).await;
        let (notifier, mut events) = Notifier::spawn(quick());
        assert_eq!(next(&mut events).await, NotifierEvent::Available);
        notifier.show(keyed("door", "opened"));
        service.shown(1).await;
        service.set_mood(Mood::Refusing);
        notifier.show(keyed("door", "closed"));
        unavailable(&mut events, "too many notifications").await;
        service.set_mood(Mood::Fine);
        assert_eq!(service.shown(2).await[1].replaces_id, 0);
    });
}

#[test]
fn dunst_replaces_and_closes() {
    let name = "keyed::dunst_replaces_and_closes";
    if ["Xvfb", "dunst", "dunstctl"].iter().any(|program| lacks(name, program)) {
        return;
    }
    with_own_session(name, async |folder| {
        let _bus = Bus::start(&folder);
        let dunst = Dunst::start(&folder);
        let (notifier, _events) = Notifier::spawn(quick());
        notifier.show(keyed("door", "opened"));
        notifier.show(keyed("bell", "rang"));
        until_displayed("2").await;
        notifier.show(keyed("door", "closed"));
        notifier.show(keyed("gate", "opened"));
        until_displayed("3").await;
        notifier.withdraw("crm", "bell");
        until_displayed("2").await;

        // The next dunst counts its ids from 1 again.
        drop(dunst);
        let dunst = Dunst::start(&folder);
        notifier.show(popup("of no key"));
        until_displayed("1").await;
        notifier.withdraw("crm", "door");
        notifier.show(keyed("gate", "closed"));
        until_displayed("2").await;
        let shown = dunst.history(2).await;
        let summaries: Vec<_> = shown.iter().map(|shown| shown["summary"]["data"].as_str().unwrap()).collect();
        assert_eq!(summaries, ["of no key", "closed"]);
    });
}

async fn until_displayed(count: &str) {
    let begin = Instant::now();
    while displayed() != count {
        assert!(begin.elapsed() < SECOND * 20, "{} are displayed", displayed());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn keyed(key: &str, title: &str) -> Popup {
    Popup { key: Some(key.to_owned()), ..popup(title) }
}
