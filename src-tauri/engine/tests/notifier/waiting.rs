//! Which messages the notifier still owes a popup, so that they can be told again after a crash.

use std::time::Duration;

use heartwire_core::attention::{NOT_STORED, Words};
use heartwire_engine::notifier::{Notifier, NotifierEvent, NotifierSettings, Popup};
use tokio::time::timeout;

use super::bus::{Bus, with_own_session};
use super::service::{Mood, PLAIN, Service};
use super::{SECOND, next, popup, quick, unavailable};

#[test]
fn a_message_is_owed_until_its_popup_was_shown_and_not_a_moment_shorter() {
    with_own_session("waiting::a_message_is_owed_until_its_popup_was_shown_and_not_a_moment_shorter", async |folder| {
        let _bus = Bus::start(&folder);
        let service = Service::start(PLAIN).await;
        let settings = NotifierSettings { show_limit: SECOND * 20, ..quick() };
        let (notifier, mut events) = Notifier::spawn(settings);
        assert_eq!(next(&mut events).await, NotifierEvent::Available);
        assert_eq!(notifier.oldest_waiting(), None);

        service.set_mood(Mood::SlowToShow);
        for id in 1..=30 {
            notifier.show(numbered(id));
        }
        assert_eq!(notifier.oldest_waiting(), Some(1), "from the moment it was handed over");
        let early = timeout(Duration::from_millis(300), notifier.settled()).await;
        assert!(early.is_err(), "nothing was shown yet");
        assert_eq!(notifier.oldest_waiting(), Some(1), "while the desktop has it and does not answer");

        service.set_mood(Mood::Fine);
        let mut before = 1;
        while let Some(oldest) = notifier.oldest_waiting() {
            let shown = service.summaries().len();
            assert!(oldest >= before && shown + 1 >= usize::try_from(oldest).unwrap(), "{oldest} of {shown} shown");
            before = oldest;
            settled(&notifier).await;
        }
        assert_eq!(service.summaries(), (1..=30).map(|id| id.to_string()).collect::<Vec<_>>());
    });
}

#[test]
fn without_a_desktop_everything_stays_owed_until_there_is_one() {
    with_own_session("waiting::without_a_desktop_everything_stays_owed_until_there_is_one", async |folder| {
        let (notifier, mut events) = Notifier::spawn(quick());
        unavailable(&mut events, "no session bus").await;
        notifier.show(Popup { first_id: NOT_STORED, ..popup("of no row") });
        assert_eq!(notifier.oldest_waiting(), None);
        for id in [9, 7, 8] {
            notifier.show(numbered(id));
        }
        // Two dozen attempts.
        let early = timeout(SECOND * 2, notifier.settled()).await;
        assert!(early.is_err(), "there is nobody to show anything");
        assert_eq!(notifier.oldest_waiting(), Some(7));

        let _bus = Bus::start(&folder);
        let mut service = Service::start(PLAIN).await;
        service.shown(4).await;
        assert_eq!(service.summaries(), ["of no row", "9", "7", "8"]);
        until_nothing_waits(&notifier).await;
    });
}

#[test]
fn what_a_service_took_and_died_over_stays_owed() {
    with_own_session("waiting::what_a_service_took_and_died_over_stays_owed", async |folder| {
        let _bus = Bus::start(&folder);
        let service = Service::start(PLAIN).await;
        let (notifier, mut events) = Notifier::spawn(NotifierSettings { show_limit: SECOND * 5, ..quick() });
        assert_eq!(next(&mut events).await, NotifierEvent::Available);
        service.set_mood(Mood::SlowToShow);
        notifier.show(numbered(4));
        tokio::time::sleep(Duration::from_millis(300)).await;
        service.die().await;
        assert!(matches!(next(&mut events).await, NotifierEvent::Unavailable(_)));
        assert_eq!(notifier.oldest_waiting(), Some(4));

        let mut service = Service::start(PLAIN).await;
        service.shown(1).await;
        until_nothing_waits(&notifier).await;
    });
}

#[test]
fn what_was_refused_or_not_answered_for_good_is_owed_no_more() {
    with_own_session("waiting::what_was_refused_or_not_answered_for_good_is_owed_no_more", async |folder| {
        let _bus = Bus::start(&folder);
        let service = Service::start(PLAIN).await;
        let (notifier, mut events) = Notifier::spawn(quick());
        assert_eq!(next(&mut events).await, NotifierEvent::Available);
        for mood in [Mood::Refusing, Mood::SlowToShow] {
            service.set_mood(mood);
            notifier.show(numbered(3));
            assert!(matches!(next(&mut events).await, NotifierEvent::Unavailable(_)));
            assert_eq!(notifier.oldest_waiting(), Some(3), "it is tried again");
            settled(&notifier).await;
            assert_eq!(notifier.oldest_waiting(), None);
            assert!(matches!(next(&mut events).await, NotifierEvent::NotShown { messages: 1, .. }));
            service.set_mood(Mood::Fine);
            assert_eq!(next(&mut events).await, NotifierEvent::Available);
        }
    });
}

#[test]
fn what_waited_too_long_is_owed_no_more_and_what_came_later_is() {
    with_own_session("waiting::what_waited_too_long_is_owed_no_more_and_what_came_later_is", async |folder| {
        let _bus = Bus::start(&folder);
        let (notifier, mut events) = Notifier::spawn(NotifierSettings { keep_for: SECOND * 3, ..quick() });
        unavailable(&mut events, "no notification service").await;
        for id in 1..=10 {
            notifier.show(numbered(id));
        }
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        assert_eq!(notifier.oldest_waiting(), Some(1));
        for id in 11..=500 {
            notifier.show(numbered(id));
        }
        settled(&notifier).await;
        assert_eq!(notifier.oldest_waiting(), Some(11), "those of the first moment were given up together");
        assert!(matches!(next(&mut events).await, NotifierEvent::NotShown { messages: 10, .. }));

        let service = Service::start(PLAIN).await;
        until_nothing_waits(&notifier).await;
        assert_eq!(service.summaries().first().map(String::as_str), Some("11"));
    });
}

#[test]
fn what_was_folded_is_owed_until_its_summary_was_shown_and_is_told_in_the_language_of_the_person() {
    let name = "waiting::what_was_folded_is_owed_until_its_summary_was_shown_and_is_told_in_the_language_of_the_person";
    with_own_session(name, async |folder| {
        let _bus = Bus::start(&folder);
        let mut told = Vec::new();
        for (words, changed) in [(Words::English, None), (Words::English, Some(Words::SimplifiedChinese))] {
            let (notifier, mut events) = Notifier::spawn(NotifierSettings { words, ..quick() });
            unavailable(&mut events, "no notification service").await;
            // Those that come first are shown before the fold, but have the larger rows.
            for id in 1_001..=1_065 {
                notifier.show(numbered(id));
                tokio::task::yield_now().await;
            }
            for id in 1..=30 {
                notifier.show(numbered(id));
            }
            assert_eq!(notifier.oldest_waiting(), Some(1));
            if let Some(words) = changed {
                notifier.set_words(words);
            }
            let mut service = Service::start(PLAIN).await;
            while notifier.oldest_waiting() == Some(1) {
                settled(&notifier).await;
            }
            assert_eq!(notifier.oldest_waiting(), None, "the summary is the last of all");
            let shown = service.shown(65).await;
            let summary = shown.last().unwrap();
            told.push((summary.summary.clone(), summary.body.clone()));
            service.die().await;
        }
        assert!(told[0].0.ends_with(" more messages from crm") && told[0].1 == "Latest: 30", "{told:?}");
        assert!(told[1].0.ends_with(" 条来自 crm 的消息") && told[1].1 == "最新：30", "{told:?}");
    });
}

fn numbered(id: i64) -> Popup {
    Popup { first_id: id, ..popup(&id.to_string()) }
}

async fn settled(notifier: &Notifier) {
    let settled = timeout(SECOND * 20, notifier.settled()).await;
    assert!(settled.is_ok(), "nothing was shown or given up");
}

async fn until_nothing_waits(notifier: &Notifier) {
    while notifier.oldest_waiting().is_some() {
        settled(notifier).await;
    }
}
