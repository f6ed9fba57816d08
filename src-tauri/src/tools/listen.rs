//! `heartwire listen`: the engine without tray, window and notifications; events on stdout.

use std::io;
use std::time::Duration;

use heartwire_core::listen::Event;
use heartwire_core::settings::{Connection, ConnectionForm, resolve};
use heartwire_core::text::one_line;
use heartwire_engine::environment::EnvironmentSource;
use heartwire_engine::paths::Paths;
use heartwire_engine::secrets::Keyring;
use heartwire_engine::settings_file::{self, Loaded};
use heartwire_engine::supervisor::{self, Options, Source};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::check;
use crate::app;
use crate::cli::ListenOptions;
use crate::exit::{Ended, Failure};
use crate::out;
use crate::signals::Signals;

/// Events that wait for stdout; beyond them the links stop reading, so that nothing is lost.
const EVENTS_WAITING: usize = 256;
/// How long the last lines may take once everything has stopped.
const LAST_LINES_WITHIN: Duration = Duration::from_secs(1);

/// Listens until a signal comes or nobody reads stdout any more.
pub fn run(options: &ListenOptions) -> Ended {
    let settings = settings(options)?;
    let runtime = app::runtime()?;
    let ended = runtime.block_on(listen(settings, options.json));
    // A thread may be stuck in a write that nobody reads.
    runtime.shutdown_background();
    ended
}

async fn listen(settings: Loaded, json: bool) -> Ended {
    let mut signals = Signals::listen()?;
    let (to_lines, events) = mpsc::channel(EVENTS_WAITING);
    let handle = supervisor::start(Options {
        settings: Source::Given(Box::new(settings)),
        database: None,
        keyring: keyring(),
        notify: None,
        demo: false,
        events: Some(to_lines),
        environment: EnvironmentSource::ThisComputer,
    })
    .await
    .map_err(|error| Failure::wrong(format!("no database in memory: {error}")))?;
    let mut lines: JoinHandle<io::Result<()>> = tokio::task::spawn_blocking(move || write(events, json));
    let early = tokio::select! {
        () = signals.next() => None,
        written = &mut lines => Some(written),
    };
    handle.stop().await;
    let written = match early {
        Some(written) => written,
        // Stopping has closed the channel, so the last lines are on their way; a reader that stands still gets no more.
        None => tokio::time::timeout(LAST_LINES_WITHIN, lines).await.unwrap_or(Ok(Ok(()))),
    };
    out::ended(written)
}

/// The tray app's entries: what a person gave it counts here too.
pub(super) fn keyring() -> Keyring {
    Keyring::session(Paths::new().map_or_else(|_| "heartwire".to_owned(), |paths| paths.keyring_service))
}

/// The settings to listen with; what is wrong with them is told, and what is right counts.
fn settings(options: &ListenOptions) -> Result<Loaded, Failure> {
    let environment = settings_file::environment();
    let (mut settings, place) = if let Some(file) = &options.config {
        (settings_file::load_file(file, &environment), file.display().to_string())
    } else {
        let paths = Paths::new()?;
        (settings_file::load(&paths, &environment), paths.settings_file.display().to_string())
    };
    if let Some(url) = &options.url {
        settings.connections = vec![only(url, &settings)?];
        // The person's other connections are not what was asked for.
        settings.problems.retain(|_| options.config.is_some());
    }
    check::tell(&settings.problems);
    if settings.connections.is_empty() {
        let wanted = "give a URL, or a file with --config";
        return Err(Failure::wrong(format!("no valid connection is configured in {place}: {wanted}")));
    }
    Ok(settings)
}

/// The connection to an address that was given alone, named after its host.
fn only(url: &str, settings: &Loaded) -> Result<Connection, Failure> {
    let form = ConnectionForm { name: Some(host(url)), url: Some(url.to_owned()), ..ConnectionForm::default() };
    resolve(&form, &settings.defaults, &settings.presets).map_err(|errors| {
        let errors: Vec<_> = errors.iter().map(|error| format!("{}: {}", error.field, error.message)).collect();
        Failure::wrong(errors.join("\n"))
    })
}

/// The host, or a name for what has none: whether the address is right is for the settings to say.
fn host(url: &str) -> String {
    let parsed = tauri::Url::parse(url).ok();
    let host = parsed.as_ref().and_then(tauri::Url::host_str).filter(|host| !host.is_empty());
    host.map_or_else(|| "listen".to_owned(), |host| host.chars().take(64).collect())
}

fn write(mut events: mpsc::Receiver<Event>, json: bool) -> io::Result<()> {
    let zone = TimeZone::system();
    while let Some(event) = events.blocking_recv() {
        let line = if json { serde_json::to_string(&event)? } else { words(&event, &zone) };
        out::line(&line)?;
    }
    Ok(())
}

/// An event in one line for people.
fn words(event: &Event, zone: &TimeZone) -> String {
    match event {
        Event::State { at, connection, state, attempt, retry_in_ms, cause } => {
            let first = format!("{} {connection}: {}", time(*at, zone), super::state(*state));
            let attempt = attempt.map(|attempt| format!(", attempt {attempt}"));
            let seconds = retry_in_ms.map(|ms| Duration::from_millis(ms).as_secs_f64());
            let retry = seconds.map(|seconds| format!(", next dial in {seconds:.1} s"));
            [Some(first), attempt, retry, cause.as_ref().map(super::cause)].into_iter().flatten().collect()
        }
        Event::Heartbeat { at, connection, rtt_ms } => {
            format!("{} {connection}: heartbeat answered after {rtt_ms:.1} ms", time(*at, zone))
        }
        Event::Message { at, connection, title, body, .. } => {
            format!("{} {connection}: message: {title}: {}", time(*at, zone), one_line(body, super::LINE_CHARS))
        }
        Event::Withdrawn { at, connection, key } => {
            format!("{} {connection}: taken back: {}", time(*at, zone), one_line(key, super::LINE_CHARS))
        }
        Event::Gap { at, connection, from, to, recovered, complete, missing } => {
            let state = if *complete { "nothing is missing" } else { "messages may be missing" };
            let why = missing.map(|missing| format!(": {}", missing.reason())).unwrap_or_default();
            let (at, from, to) = (time(*at, zone), time(*from, zone), time(*to, zone));
            format!("{at} {connection}: was away from {from} to {to}; {recovered} fetched, {state}{why}")
        }
    }
}

fn time(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned(zone.clone()).strftime("%H:%M:%S%.3f").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use heartwire_core::cause::CauseView;
    use heartwire_core::dialect::Missing;
    use heartwire_core::view::LinkState;

    #[test]
    fn a_lone_address_is_named_after_its_host() {
        let check = |url: &str, name: &str| assert_eq!(host(url), name, "{url}");
        check("wss://push.example:8443/ws?token=1", "push.example");
        check("http://[::1]:80/", "[::1]");
        check("nonsense", "listen");
        check(&format!("ws://{}/", "a".repeat(100)), &"a".repeat(64));
    }

    #[test]
    fn every_event_is_one_line_for_people() {
        let at: Timestamp = "2026-01-02T03:04:05.678Z".parse().unwrap();
        let connection = || "crm".to_owned();
        let check = |event: Event, line: &str| assert_eq!(words(&event, &TimeZone::UTC), line);
        let cause = Some(CauseView { code: "reset".into(), text: "gone".into() });
        let (state, attempt, retry_in_ms) = (LinkState::Waiting, Some(2), Some(734));
        check(
            Event::State { at, connection: connection(), state, attempt, retry_in_ms, cause },
            "03:04:05.678 crm: waiting, attempt 2, next dial in 0.7 s (reset: gone)",
        );
        check(
            Event::Heartbeat { at, connection: connection(), rtt_ms: 1.44 },
            "03:04:05.678 crm: heartbeat answered after 1.4 ms",
        );
        let (id, title, body, priority, caught_up) = (None, "T".into(), "a\nb".into(), 3, false);
        check(
            Event::Message { at, connection: connection(), id, title, body, priority, caught_up },
            "03:04:05.678 crm: message: T: a b",
        );
        let gap = |recovered, missing: Option<Missing>| {
            let (connection, complete) = (connection(), missing.is_none());
            Event::Gap { at, connection, from: at, to: at, recovered, complete, missing }
        };
        check(
            gap(0, Some(Missing::NoReplay)),
            "03:04:05.678 crm: was away from 03:04:05.678 to 03:04:05.678; 0 fetched, messages may be missing: this server \
             cannot send again what was missed",
        );
        check(
            gap(12, None),
            "03:04:05.678 crm: was away from 03:04:05.678 to 03:04:05.678; 12 fetched, nothing is missing",
        );
        check(
            Event::Withdrawn { at, connection: connection(), key: "order 7".into() },
            "03:04:05.678 crm: taken back: order 7",
        );
    }
}
