//! How long each client waits before its next dial: three published recipes, and real links.

use std::time::Duration;

use heartwire_core::cause::{Cause, CauseCode};
use heartwire_core::link::{Input, Link, LinkSettings};
use heartwire_core::settings::{Connection, ConnectionForm, General, resolve};
use heartwire_core::time::Moment;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use serde::Deserialize;

use super::ONE_WAY_MS;

/// How many waits of a link are kept; later ones, which few links need, are asked for again.
const WAITS_KEPT: usize = 16;

/// Who the clients are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recipe {
    /// `setTimeout(connect, 3000)` behind a `lockReconnect`.
    Classic,
    /// socket.io-client with its defaults.
    SocketIo,
    /// reconnecting-websocket with its defaults.
    ReconnectingWebSocket,
    /// Heartwire; the server's connections were reset.
    HeartwireReset,
    /// Heartwire; the server closed with 1012, "service restart".
    HeartwireRestart,
}

impl Recipe {
    /// All, in the order of the table.
    pub const ALL: [Self; 5] =
        [Self::Classic, Self::SocketIo, Self::ReconnectingWebSocket, Self::HeartwireReset, Self::HeartwireRestart];

    /// Its name in table and plot.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Classic => "classic, fixed 3 s",
            Self::SocketIo => "socket.io-client",
            Self::ReconnectingWebSocket => "reconnecting-websocket",
            Self::HeartwireReset => "Heartwire, reset",
            Self::HeartwireRestart => "Heartwire, closed with 1012",
        }
    }
}

#[derive(Deserialize)]
struct Defaults {
    connection: ConnectionForm,
    #[serde(rename = "general")]
    _general: General,
}

/// A connection that says nothing but its name and URL.
pub fn default_connection() -> Result<Connection, String> {
    let text = include_str!("../../../../config/default.toml");
    let defaults: Defaults = toml_edit::de::from_str(text).map_err(|error| format!("config/default.toml: {error}"))?;
    let mut form = ConnectionForm::default();
    (form.name, form.url) = (Some("herd".to_owned()), Some("wss://h.example/".to_owned()));
    resolve(&form, &defaults.connection, &[]).map_err(|errors| format!("config/default.toml: {errors:?}"))
}

/// The clients of one recipe.
pub(super) struct Herd<'a> {
    pub recipe: Recipe,
    seed: u64,
    connection: &'a Connection,
    /// To the server, in milliseconds.
    one_way: Vec<u32>,
    /// The first waits of each link, in milliseconds.
    waits: Vec<[u32; WAITS_KEPT]>,
}

impl<'a> Herd<'a> {
    pub(super) fn new(recipe: Recipe, clients: u32, seed: u64, connection: &'a Connection) -> Self {
        let mut rng = SmallRng::seed_from_u64(seed);
        let (from, to) = ONE_WAY_MS;
        let one_way = (0..clients).map(|_| rng.random_range(from..=to)).collect();
        let mut herd = Self { recipe, seed, connection, one_way, waits: Vec::new() };
        if matches!(recipe, Recipe::HeartwireReset | Recipe::HeartwireRestart) {
            herd.waits = (0..clients).map(|client| herd.first_waits(client)).collect();
        }
        herd
    }

    pub(super) fn size(&self) -> u32 {
        u32::try_from(self.one_way.len()).unwrap_or(u32::MAX)
    }

    pub(super) fn one_way(&self, client: u32) -> u32 {
        self.one_way[client as usize]
    }

    /// What the clients draw from while they meet a server.
    pub(super) fn dice(&self) -> SmallRng {
        SmallRng::seed_from_u64(self.seed.wrapping_add(1))
    }

    /// The milliseconds that a client waits after its loss (0) and after each failed dial (1, 2, …).
    pub(super) fn wait(&self, client: u32, failures: usize, dice: &mut SmallRng) -> u32 {
        match self.recipe {
            Recipe::Classic => 3_000,
            Recipe::SocketIo => socket_io(failures, dice),
            Recipe::ReconnectingWebSocket => self.reconnecting_websocket(client, failures),
            Recipe::HeartwireReset | Recipe::HeartwireRestart => match self.waits[client as usize].get(failures) {
                Some(wait) => *wait,
                None => self.link_waits(client, failures + 1).pop().unwrap_or_default(),
            },
        }
    }

    /// A page draws its shortest delay once; it grows by 1.3 each time, up to 10 s. There is no other chance in it.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 1,000 and 10,000")]
    fn reconnecting_websocket(&self, client: u32, failures: usize) -> u32 {
        let page = SmallRng::seed_from_u64(self.seed ^ (u64::from(client) << 20)).random::<f64>();
        let shortest = 1_000.0 + page * 4_000.0;
        let growth = 1.3_f64.powi(i32::try_from(failures).unwrap_or(i32::MAX));
        (shortest * growth).min(10_000.0) as u32
    }

    fn first_waits(&self, client: u32) -> [u32; WAITS_KEPT] {
        let mut first = [0; WAITS_KEPT];
        for (first, wait) in first.iter_mut().zip(self.link_waits(client, WAITS_KEPT)) {
            *first = wait;
        }
        first
    }

    /// Drives a real link through a loss and as many refused dials. Its waits depend on how many there were and on its
    /// seed, not on when they were, so they can be asked for before anybody meets the server.
    fn link_waits(&self, client: u32, count: usize) -> Vec<u32> {
        let connection = self.connection;
        let settings = LinkSettings {
            heartbeat: connection.heartbeat.clone(),
            backoff: connection.backoff.clone(),
            connect_timeout: connection.connect_timeout,
            on_open: Vec::new(),
        };
        let lost = match self.recipe {
            Recipe::HeartwireRestart => CauseCode::Closed(1012),
            _ => CauseCode::Reset,
        };
        let mut link = Link::new(settings, (self.seed << 32) ^ u64::from(client));
        let mut now = Moment::default();
        link.handle(now, Input::Start);
        let up = link.status().generation;
        link.handle(now, Input::DialOk(up));
        // Long enough for the gap between dials not to count, too short for a heartbeat.
        now = now + Duration::from_secs(1);
        link.handle(now, Input::Closed(up, Cause::new(lost, "")));
        let there_and_back = Duration::from_millis(u64::from(self.one_way(client)) * 2);
        let mut waits = Vec::with_capacity(count);
        loop {
            while link.poll_output().is_some() {}
            let Some(at) = link.status().retry_at else { return waits };
            waits.push(u32::try_from(at.since(now).as_millis()).unwrap_or(u32::MAX));
            if waits.len() == count {
                return waits;
            }
            link.handle(at, Input::Timeout);
            now = at + there_and_back;
            let refused = Cause::new(CauseCode::Refused, "");
            link.handle(now, Input::DialFailed(link.status().generation, refused));
        }
    }
}

/// Doubles from 1 s, moves it by up to half either way, and clamps to 5 s afterwards: at the cap more and more of the
/// clients wait for exactly the same time.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 500 and 5,000")]
fn socket_io(failures: usize, dice: &mut SmallRng) -> u32 {
    let doubled = 1_000.0 * 2.0_f64.powi(i32::try_from(failures).unwrap_or(i32::MAX));
    let chance: f64 = dice.random();
    let moved = (chance * 0.5 * doubled).floor();
    let shorter = (chance * 10.0).floor() as u32 & 1 == 0;
    let wait = if shorter { doubled - moved } else { doubled + moved };
    wait.min(5_000.0) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn socket_io_clamps_after_its_jitter_so_that_most_wait_the_same_at_the_cap() {
        let mut dice = SmallRng::seed_from_u64(1);
        let first: Vec<_> = (0..1_000).map(|_| socket_io(0, &mut dice)).collect();
        assert!(first.iter().all(|wait| (500..=1_500).contains(wait)));
        let late: Vec<_> = (0..1_000).map(|_| socket_io(4, &mut dice)).collect();
        assert_eq!(late.iter().filter(|wait| **wait == 5_000).count(), 1_000);
    }

    #[test]
    fn reconnecting_websocket_grows_by_1_3_up_to_10_s() {
        let connection = default_connection().unwrap();
        let herd = Herd::new(Recipe::ReconnectingWebSocket, 10, 7, &connection);
        let mut dice = herd.dice();
        let first = f64::from(herd.wait(3, 0, &mut dice));
        let second = f64::from(herd.wait(3, 1, &mut dice));
        assert!((1_000.0..=5_000.0).contains(&first) && (second / first - 1.3).abs() < 0.01, "{first} {second}");
        assert_eq!(herd.wait(3, 30, &mut dice), 10_000);
    }

    #[test]
    fn the_waits_of_heartwire_are_those_of_real_links() {
        let connection = default_connection().unwrap();
        let herd = Herd::new(Recipe::HeartwireRestart, 200, 7, &connection);
        let mut dice = herd.dice();
        for client in 0..200 {
            let first = herd.wait(client, 0, &mut dice);
            assert!((5_000..=30_000).contains(&first), "{first}");
            // What is kept and what is asked for again are the same.
            assert_eq!(herd.wait(client, 9, &mut dice), herd.link_waits(client, 10)[9]);
            assert_eq!(
                herd.wait(client, WAITS_KEPT + 2, &mut dice),
                herd.link_waits(client, WAITS_KEPT + 3)[WAITS_KEPT + 2]
            );
        }
        let cap = u32::try_from(connection.backoff.cap.as_millis()).unwrap();
        let late: Vec<_> = (0..200).map(|client| herd.wait(client, 12, &mut dice)).collect();
        assert!(late.iter().all(|wait| *wait <= cap) && late.iter().any(|wait| *wait > cap / 2), "{late:?}");
    }
}
