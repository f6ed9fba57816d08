//! What logind says of sleep on the system bus: the signal `PrepareForSleep` of `org.freedesktop.login1.Manager`, true
//! before a sleep and false after it. No lock is taken, so that nobody's sleep is delayed. That logind is not there yet
//! does not matter: the bus passes on what it says once it is.

use futures_util::StreamExt;
use zbus::connection::Builder;
use zbus::{MatchRule, MessageStream, message};

use crate::environment::SystemBus;
use crate::environment::watch::{Hint, Lost, Watch};

const NAME: &str = "org.freedesktop.login1";
const PATH: &str = "/org/freedesktop/login1";
const INTERFACE: &str = "org.freedesktop.login1.Manager";
const SIGNAL: &str = "PrepareForSleep";

/// Signals that may wait to be read; there are two a sleep.
const MOST_WAITING: usize = 8;

/// Hears of sleep.
#[derive(Debug)]
pub struct Logind {
    signals: MessageStream,
}

impl Watch for Logind {
    const SOURCE: &'static str = "sleep as told on the system bus";
    const MISSED: Hint = Hint::LookAtClock;
    type Of = SystemBus;

    async fn open(bus: SystemBus) -> Result<Self, Lost> {
        let signals = async {
            let connection = match &bus {
                SystemBus::OfThisComputer => Builder::system()?,
                SystemBus::At(address) => Builder::address(address.as_str())?,
            };
            let rule = MatchRule::builder()
                .msg_type(message::Type::Signal)
                .sender(NAME)?
                .path(PATH)?
                .interface(INTERFACE)?
                .member(SIGNAL)?
                .build();
            MessageStream::for_match_rule(rule, &connection.build().await?, Some(MOST_WAITING)).await
        };
        Ok(Self { signals: signals.await.map_err(Lost::because)? })
    }

    async fn next(&mut self) -> Result<Hint, Lost> {
        loop {
            let signal = self.signals.next().await;
            let signal = signal.ok_or_else(|| Lost("the bus is gone".to_owned()))?.map_err(Lost::because)?;
            match signal.body().deserialize::<bool>() {
                Ok(true) => return Ok(Hint::GoingToSleep),
                Ok(false) => return Ok(Hint::WokeUp),
                Err(error) => tracing::debug!("{SIGNAL} of {NAME} is not understood: {error}"),
            }
        }
    }
}
