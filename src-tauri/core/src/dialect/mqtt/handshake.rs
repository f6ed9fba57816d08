//! From the opened socket to the subscriptions.

use std::collections::BTreeSet;
use std::time::Duration;

use mqttbytes::QoS;
use mqttbytes::v4::{
    ConnAck, Connect, ConnectReturnCode, SubAck, Subscribe, SubscribeFilter, SubscribeReasonCode, Unsubscribe,
};

use super::wire::{breach, send};
use super::{Mqtt, Session};
use crate::cause::{Cause, CauseCode};
use crate::dialect::{CaughtUp, Effects, Item, KeepAlive, Missing, Opening};

/// The longest time that a CONNECT can promise, in seconds (section 3.1.2.10).
const KEEP_ALIVE_MAX: u16 = u16::MAX;

/// The user name beside a token: there is no password without one (MQTT-3.1.2-22), and brokers that take tokens as
/// passwords do not look at it.
const TOKEN_USER: &str = "token";

/// Our packet identifiers, of which one each is enough.
pub(super) const SUBSCRIBE_ID: u16 = 1;
pub(super) const UNSUBSCRIBE_ID: u16 = 2;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// CONNACK is still to come.
    Connecting,
    /// These acknowledgements are still to come; then this is known of what was missed, or nothing yet.
    Subscribing { suback: bool, unsuback: bool, caught_up: Option<CaughtUp> },
    /// The handshake is done.
    Open,
}

impl Mqtt {
    pub(super) fn connect(&mut self, opening: &Opening<'_>, effects: &mut Effects) {
        self.session = Session::of(opening.cursor, opening.random);
        let mut connect = Connect::new(self.session.client.clone());
        connect.clean_session = opening.passing;
        if opening.passing {
            // The session that stays, if there is one, keeps what comes; in this one there is nothing to acknowledge, for
            // which a broker would wait before it sends more.
            self.qos = QoS::AtMostOnce;
        }
        connect.keep_alive = self.keep_alive(effects);
        if let Some(secret) = opening.secret {
            let user = opening.user.unwrap_or(TOKEN_USER);
            if user.len() > usize::from(u16::MAX) {
                let text = format!("the user name has {} bytes, of which at most 65535 can be sent", user.len());
                effects.fatal = Some(Cause::new(CauseCode::Configuration, text));
                return;
            }
            connect.set_login(user, secret.expose());
        }
        send(effects, |out| connect.write(out));
    }

    /// What the broker is told of our heartbeats: it ends a connection on which it has heard nothing for one and a half
    /// times as long (MQTT-3.1.2-24). Only packets count, so it is to expect nothing where the person wants other
    /// heartbeats.
    fn keep_alive(&self, effects: &mut Effects) -> u16 {
        if !self.context.auto_heartbeat {
            return 0;
        }
        let every = self.context.every.min(Duration::from_secs(KEEP_ALIVE_MAX.into()));
        effects.keep_alive = Some(KeepAlive { every, timeout: self.context.timeout, always: true, ours: true });
        let seconds = every.as_secs() + u64::from(every.subsec_nanos() > 0);
        u16::try_from(seconds).unwrap_or(KEEP_ALIVE_MAX)
    }

    pub(super) fn connected(&mut self, answer: &ConnAck, effects: &mut Effects) {
        if answer.code != ConnectReturnCode::Success {
            effects.fatal = refusal(answer.code);
            if effects.fatal.is_none() {
                effects.end = Some(Cause::new(CauseCode::Protocol, "the broker says that it is unavailable"));
            }
            return;
        }
        let was_there = !self.session.filters.is_empty();
        let lost = self.session.lost || was_there && !answer.session_present;
        let caught_up = if lost {
            // One that keeps nothing is not to be found again.
            let passing = self.qos == QoS::AtMostOnce;
            Some(CaughtUp::Missing(if passing { Missing::NoReplay } else { Missing::CursorLost }))
        } else {
            (!was_there).then_some(CaughtUp::FirstContact)
        };
        match caught_up {
            Some(_) => self.session.begin(lost),
            None => self.rounds.begin(),
        }
        // The broker has a session of this name from now on, whatever becomes of this socket.
        self.changed = true;
        let wanted = self.wanted();
        let new: Vec<_> = wanted.difference(&self.session.filters).cloned().collect();
        let gone: Vec<_> = self.session.filters.difference(&wanted).cloned().collect();
        self.stage = Stage::Subscribing { suback: !new.is_empty(), unsuback: !gone.is_empty(), caught_up };
        // What stays is not subscribed to again: the broker would send its retained messages again (MQTT-3.8.4-3).
        if !new.is_empty() {
            let filters = new.into_iter().map(|path| SubscribeFilter::new(path, self.qos)).collect();
            send(effects, |out| Subscribe { pkid: SUBSCRIBE_ID, filters }.write(out));
        }
        if !gone.is_empty() {
            send(effects, |out| Unsubscribe { pkid: UNSUBSCRIBE_ID, topics: gone }.write(out));
        }
        self.open_if_done(effects);
    }

    fn wanted(&self) -> BTreeSet<String> {
        self.context.subscribe.iter().cloned().collect()
    }

    /// A return code stands for each filter, in their order (section 3.9.3).
    pub(super) fn subscribed(&mut self, answer: &SubAck, effects: &mut Effects) {
        let wanted = self.wanted();
        let asked: Vec<_> = wanted.difference(&self.session.filters).collect();
        if asked.len() != answer.return_codes.len() {
            effects.end = Some(breach("a SUBACK does not answer what was asked"));
            return;
        }
        for (filter, code) in asked.into_iter().zip(&answer.return_codes) {
            match code {
                SubscribeReasonCode::Failure => {
                    let text = format!("the broker refuses the subscription to {filter:?}");
                    effects.fatal = Some(Cause::new(CauseCode::Configuration, text));
                    return;
                }
                SubscribeReasonCode::Success(QoS::AtMostOnce) => self.session.unkept = true,
                SubscribeReasonCode::Success(_) => {}
            }
        }
        self.open_if_done(effects);
    }

    pub(super) fn open_if_done(&mut self, effects: &mut Effects) {
        let Stage::Subscribing { suback: false, unsuback: false, caught_up } = self.stage else { return };
        self.stage = Stage::Open;
        self.session.filters = self.wanted();
        self.session.lost = false;
        self.changed = true;
        effects.ready = true;
        effects.items.extend(caught_up.map(Item::CaughtUp));
        self.probe(effects);
    }
}

/// What a return code but success says (section 3.2.2.3). None: the broker is unavailable, which may pass.
fn refusal(code: ConnectReturnCode) -> Option<Cause> {
    let (code, text) = match code {
        ConnectReturnCode::BadUserNamePassword => {
            (CauseCode::Unauthorized, "the broker refuses the user name or password")
        }
        ConnectReturnCode::NotAuthorized => (CauseCode::Unauthorized, "the broker says that we are not authorized"),
        ConnectReturnCode::BadClientId => (CauseCode::Configuration, "the broker does not take our client id"),
        ConnectReturnCode::RefusedProtocolVersion => (CauseCode::Configuration, "the broker does not speak MQTT 3.1.1"),
        ConnectReturnCode::ServiceUnavailable | ConnectReturnCode::Success => return None,
    };
    Some(Cause::new(code, text))
}

/// The same of RabbitMQ 3.10, whose CONNACK never leaves it when it refuses: it closes with its name for the return code
/// (`process_request` of `rabbit_mqtt_processor`), or with that of a right that the user does not have.
pub(super) fn refusal_in_close(reason: &str) -> Option<Cause> {
    refusal(match reason {
        "unauthenticated" => ConnectReturnCode::BadUserNamePassword,
        "unauthorized" | "access_refused" => ConnectReturnCode::NotAuthorized,
        "invalid_client_id" => ConnectReturnCode::BadClientId,
        "unsupported_protocol_version" => ConnectReturnCode::RefusedProtocolVersion,
        _ => return None,
    })
}
