//! Wakes that logind tells of. The clock shows none of these sleeps, so that logind alone is enough.

use std::time::Duration;

use heartwire_engine::environment::{Environment, EnvironmentEvent, SystemBus};
use tokio::time::{Instant, sleep};
use xtask::test::lacks;

use crate::dbus_daemon::Bus;
use crate::logind::{Logind, address};
use crate::{LIMIT, count, next};

fn is_wake(event: &EnvironmentEvent) -> bool {
    matches!(event, EnvironmentEvent::Resumed(_))
}

/// A folder for a bus, and an environment that listens to it; none without a bus to be had.
fn environment(test: &str) -> Option<(tempfile::TempDir, Environment)> {
    if lacks(test, "dbus-daemon") {
        return None;
    }
    let folder = tempfile::tempdir().unwrap();
    let environment = Environment::watch(SystemBus::At(address(folder.path())));
    Some((folder, environment))
}

/// Says that the computer woke until that is heard.
async fn wake(logind: &Logind, environment: &mut Environment) -> EnvironmentEvent {
    let saying = async {
        loop {
            logind.prepare_for_sleep(false).await;
            sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::select! {
        event = next(environment, is_wake) => event,
        () = saying => unreachable!("it says so for ever"),
    }
}

#[tokio::test]
async fn a_wake_that_logind_tells_of_is_told_once() {
    let Some((folder, mut environment)) = environment("sleep::a_wake_that_logind_tells_of_is_told_once") else {
        return;
    };
    let _bus = Bus::start(folder.path());
    let logind = Logind::start(&address(folder.path())).await;
    let event = wake(&logind, &mut environment).await;
    assert_eq!(event, EnvironmentEvent::Resumed(Duration::ZERO), "nobody said when it began");
    logind.prepare_for_sleep(false).await;
    assert_eq!(count(&mut environment, is_wake).await, 0, "it was the same wake");

    let began = Instant::now();
    logind.prepare_for_sleep(true).await;
    sleep(Duration::from_millis(300)).await;
    logind.prepare_for_sleep(false).await;
    let EnvironmentEvent::Resumed(slept) = next(&mut environment, is_wake).await else { panic!("no wake") };
    assert!(Duration::from_millis(250) < slept && slept <= began.elapsed(), "{slept:?}");
    assert_eq!(count(&mut environment, is_wake).await, 0);
}

#[tokio::test]
async fn other_words_of_logind_are_no_wake() {
    let Some((folder, mut environment)) = environment("sleep::other_words_of_logind_are_no_wake") else { return };
    let _bus = Bus::start(folder.path());
    let logind = Logind::start(&address(folder.path())).await;
    wake(&logind, &mut environment).await;
    logind.prepare_for_sleep(true).await;
    logind.signal("PrepareForShutdown", &false).await;
    logind.signal("PrepareForSleep", &"false").await;
    assert_eq!(count(&mut environment, is_wake).await, 0);
    logind.prepare_for_sleep(false).await;
    next(&mut environment, is_wake).await;
}

#[tokio::test]
async fn a_bus_that_comes_late_is_found() {
    let Some((folder, mut environment)) = environment("sleep::a_bus_that_comes_late_is_found") else { return };
    assert_eq!(count(&mut environment, is_wake).await, 0, "without a bus nothing is told");
    let _bus = Bus::start(folder.path());
    let logind = Logind::start(&address(folder.path())).await;
    wake(&logind, &mut environment).await;
}

#[tokio::test]
async fn a_bus_that_dies_is_found_again() {
    let Some((folder, mut environment)) = environment("sleep::a_bus_that_dies_is_found_again") else { return };
    let bus = Bus::start(folder.path());
    let logind = Logind::start(&address(folder.path())).await;
    wake(&logind, &mut environment).await;
    drop(bus);
    let _bus = Bus::start(folder.path());
    let logind = Logind::start(&address(folder.path())).await;
    // The wake of a moment ago must not be what is told, so this one has a beginning.
    let sleeping = async {
        loop {
            logind.prepare_for_sleep(true).await;
            sleep(Duration::from_millis(50)).await;
            logind.prepare_for_sleep(false).await;
            sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::select! {
        event = next(&mut environment, is_wake) => assert!(is_wake(&event)),
        () = sleeping => unreachable!("it says so for ever"),
        () = sleep(LIMIT) => panic!("it was not found again"),
    }
}

#[tokio::test]
async fn a_bus_that_takes_connections_and_never_answers_holds_up_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let listener = std::os::unix::net::UnixListener::bind(folder.path().join("bus")).unwrap();
    let began = Instant::now();
    let mut environment = Environment::watch(SystemBus::At(address(folder.path())));
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    assert_eq!(count(&mut environment, is_wake).await, 0);
    drop(listener);
}
