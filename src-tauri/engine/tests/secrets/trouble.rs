//! A keyring that is locked, hangs, is not there, or comes late.

use std::sync::Mutex;
use std::time::Duration;

use heartwire_core::secret::Secret;
use heartwire_core::settings::SecretSource;
use heartwire_engine::dial::DialRequest;
use heartwire_engine::secrets::{Keyring, KeyringError, Obstacle};
use rustix::process::Signal;

use crate::ring::{Prompter, Ring};
use crate::server::Server;
use crate::{connection, fails, request_of, succeeds, token};

fn impatient(server: &Server, keyring: &Keyring) -> DialRequest {
    let mut request = request_of(&connection(&server.address, token(SecretSource::Keyring)), keyring);
    request.connect_timeout = Duration::from_millis(700);
    request
}

fn patient(mut request: DialRequest) -> DialRequest {
    request.connect_timeout = Duration::from_secs(25);
    request
}

#[tokio::test]
async fn what_is_stored_is_given_back_whole_and_replaced_moved_and_removed() {
    let Some(ring) = Ring::open("trouble::what_is_stored_is_given_back_whole_and_replaced_moved_and_removed").await
    else {
        return;
    };
    let keyring = ring.keyring();
    let get = async |name: &str| keyring.get(name, &|_| {}).await.map(|secret| secret.expose().to_owned());
    assert_eq!(get("crm").await, Err(KeyringError::NoEntry));
    for secret in ["pässwörd 密码 \"'\\", &"x".repeat(8 * 1024), "last"] {
        keyring.set("crm", &Secret::new(secret), &|_| {}).await.unwrap();
        assert_eq!(get("crm").await.as_deref(), Ok(secret));
    }
    assert_eq!(ring.entry("crm").await.as_deref(), Some("last"));
    keyring.set("taken", &Secret::new("stale"), &|_| {}).await.unwrap();
    keyring.rename("crm", "taken", &|_| {}).await.unwrap();
    assert_eq!(get("crm").await, Err(KeyringError::NoEntry));
    assert_eq!(get("taken").await.as_deref(), Ok("last"));
    assert_eq!(ring.entry("taken").await.as_deref(), Some("last"));
    keyring.rename("nothing", "taken", &|_| {}).await.unwrap();
    keyring.delete("taken", &|_| {}).await.unwrap();
    keyring.delete("taken", &|_| {}).await.unwrap();
    assert_eq!(get("taken").await, Err(KeyringError::NoEntry));
    // Another installation's entries are its own.
    let other = Keyring::on_bus("other", ring.address());
    other.set("crm", &Secret::new("other's"), &|_| {}).await.unwrap();
    assert_eq!(get("crm").await, Err(KeyringError::NoEntry));
}

#[tokio::test]
async fn a_secret_that_cannot_get_its_new_name_keeps_the_old_one() {
    const NAME: &str = "trouble::a_secret_that_cannot_get_its_new_name_keeps_the_old_one";
    let Some(ring) = Ring::open(NAME).await else { return };
    // It can be read where it is, but the place of new entries is locked and nobody unlocks it.
    ring.store_for_the_session("crm", "kept").await;
    let _prompter = Prompter::start(&ring, true).await;
    ring.lock().await;
    assert_eq!(ring.keyring().rename("crm", "sales", &|_| {}).await, Err(KeyringError::Dismissed));
    assert_eq!((ring.entry("crm").await.as_deref(), ring.entry("sales").await), (Some("kept"), None));
}

#[tokio::test]
async fn a_locked_keyring_shows_one_prompt_however_many_dials_wait_for_it() {
    let Some(mut ring) = Ring::open("trouble::a_locked_keyring_shows_one_prompt_however_many_dials_wait_for_it").await
    else {
        return;
    };
    let (server, keyring) = (Server::open().await, ring.keyring());
    keyring.set("crm", &Secret::new("kept"), &|_| {}).await.unwrap();
    let prompter = Prompter::start(&ring, false).await;
    ring.lock().await;
    let (one, two) = (impatient(&server, &keyring), impatient(&server, &keyring));
    for request in [&one, &two, &one, &two, &one] {
        let (code, text) = fails(request).await;
        assert_eq!(code, "connect-timeout");
        assert_eq!(text, "the token was not there within 0.7 s: the keyring is locked; unlock it");
    }
    assert_eq!(prompter.asked(), 1);
    // A keyring that is started again takes its prompt with it; the question begins anew and finds it unlocked.
    ring.kill();
    ring.start().await;
    succeeds(&patient(one)).await;
    succeeds(&patient(two)).await;
    assert_eq!(server.shown(), [Some("Bearer kept".to_owned()), Some("Bearer kept".to_owned())]);
    assert_eq!(prompter.asked(), 1);
}

#[tokio::test]
async fn a_dismissed_prompt_comes_back_only_when_a_person_asks() {
    let Some(ring) = Ring::open("trouble::a_dismissed_prompt_comes_back_only_when_a_person_asks").await else { return };
    let (server, keyring) = (Server::open().await, ring.keyring());
    keyring.set("crm", &Secret::new("kept"), &|_| {}).await.unwrap();
    let prompter = Prompter::start(&ring, true).await;
    ring.lock().await;
    let [request, second, third] = [(); 3].map(|()| patient(impatient(&server, &keyring)));
    let (one, two, three) = tokio::join!(fails(&request), fails(&second), fails(&third));
    for (code, text) in [one, two, three, fails(&request).await] {
        assert_eq!(code, "unauthorized");
        assert_eq!(
            text,
            "the keyring is locked and its prompt was dismissed, so there is no token for crm: unlock it and reconnect"
        );
    }
    assert_eq!(prompter.asked(), 1);
    request.credentials.ask_again();
    fails(&request).await;
    assert_eq!(prompter.asked(), 2);
}

#[tokio::test]
async fn a_hung_keyring_is_waited_for_and_answers_when_it_goes_on() {
    let Some(ring) = Ring::open("trouble::a_hung_keyring_is_waited_for_and_answers_when_it_goes_on").await else {
        return;
    };
    let (server, keyring) = (Server::open().await, ring.keyring());
    keyring.set("crm", &Secret::new("kept"), &|_| {}).await.unwrap();
    ring.signal(Signal::STOP);
    let request = impatient(&server, &keyring);
    for _ in 0..2 {
        let (code, text) = fails(&request).await;
        assert_eq!(code, "connect-timeout");
        assert_eq!(
            text,
            "the token was not there within 0.7 s: the keyring does not answer; if it hangs, start it again"
        );
    }
    // Every call has a limit, so even a dial that would wait longer hears of it.
    let mut longer = request_of(&connection(&server.address, token(SecretSource::Keyring)), &keyring);
    longer.connect_timeout = Duration::from_secs(60);
    let (code, text) = fails(&longer).await;
    assert_eq!(code, "connect-timeout");
    assert_eq!(text, "no token: the keyring does not answer; if it hangs, start it again");
    ring.signal(Signal::CONT);
    succeeds(&patient(request)).await;
    assert_eq!(server.last().as_deref(), Some("Bearer kept"));
}

#[tokio::test]
async fn a_keyring_that_comes_late_is_found() {
    let Some(mut ring) = Ring::open("trouble::a_keyring_that_comes_late_is_found").await else { return };
    let (server, keyring) = (Server::open().await, ring.keyring());
    keyring.set("crm", &Secret::new("kept"), &|_| {}).await.unwrap();
    ring.kill();
    let request = impatient(&server, &keyring);
    let (code, text) = fails(&request).await;
    assert_eq!(code, "connect-timeout");
    assert!(
        text.ends_with("no keyring is running; start one, or keep the secret in a file or behind a command"),
        "{text}"
    );
    ring.spawn();
    succeeds(&patient(request)).await;
}

#[tokio::test]
async fn without_a_session_bus_the_dial_says_so() {
    let server = Server::open().await;
    let nowhere = tempfile::tempdir().unwrap();
    let keyring = Keyring::on_bus("heartwire test", format!("unix:path={}", nowhere.path().join("bus").display()));
    let (code, text) = fails(&impatient(&server, &keyring)).await;
    assert_eq!(code, "connect-timeout");
    assert!(text.contains("there is no session bus and so no keyring"), "{text}");
}

/// In virtual time: a dial that has longer than the keyring is looked for hears what is wrong, and is tried again.
#[tokio::test(start_paused = true)]
async fn a_keyring_is_not_looked_for_for_ever() {
    let server = Server::open().await;
    let nowhere = tempfile::tempdir().unwrap();
    let keyring = Keyring::on_bus("heartwire test", format!("unix:path={}", nowhere.path().join("bus").display()));
    let mut request = impatient(&server, &keyring);
    request.connect_timeout = Duration::from_secs(300);
    let asked = tokio::time::Instant::now();
    let (code, text) = fails(&request).await;
    assert_eq!(code, "connect-timeout");
    assert!(text.starts_with("no token: there is no session bus"), "{text}");
    assert!(asked.elapsed() <= Duration::from_secs(30), "{:?}", asked.elapsed());
}

/// In virtual time: whoever gives up waiting can say what stood in the way, and not only that there was no answer yet.
#[tokio::test(start_paused = true)]
async fn what_stood_in_the_way_is_known_until_the_next_attempt_knows_better() {
    let nowhere = tempfile::tempdir().unwrap();
    let keyring = Keyring::on_bus("heartwire test", format!("unix:path={}", nowhere.path().join("bus").display()));
    let met = Mutex::new(Vec::new());
    let told = |obstacle| met.lock().unwrap().push(obstacle);
    let error = keyring.set("crm", &Secret::new("token"), &told).await.unwrap_err();
    assert_eq!(error, KeyringError::Unreachable(Obstacle::NoBus));
    let met = met.into_inner().unwrap();
    assert_eq!(met[0], Obstacle::Silent);
    assert!(met.len() > 2 && met[1..].iter().all(|obstacle| *obstacle == Obstacle::NoBus), "{met:?}");
}
