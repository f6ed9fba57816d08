//! MQTT packets in WebSocket frames, which cut the stream of packets anywhere (section 6, MQTT-6.0.0-2). All
//! bytes are read and written by mqttbytes.

use bytes::BytesMut;
use mqttbytes::{Error, v4};

use crate::cause::{Cause, CauseCode};
use crate::dialect::{Effects, LONGEST_SENT_AGAIN, Outgoing};

/// The longest packet, in bytes: as long as the longest WebSocket message.
const PACKET_MAX: usize = LONGEST_SENT_AGAIN;

/// The most packets in a frame. Brokers send one to a few dozen; a frame of the smallest ones would become a hundred times
/// its size in memory.
const PACKETS_MAX: usize = 16 * 1024;

/// The packets of one socket as they come.
#[derive(Debug, Default)]
pub(super) struct Packets {
    /// What is not yet a whole packet.
    unread: BytesMut,
    /// How many packets the newest frame has given.
    given: usize,
}

impl Packets {
    /// Takes a frame.
    pub(super) fn take(&mut self, frame: &[u8]) {
        self.unread.extend_from_slice(frame);
        self.given = 0;
    }

    /// The next whole packet; none: more has to come.
    pub(super) fn next(&mut self) -> Result<Option<v4::Packet>, Cause> {
        match v4::read(&mut self.unread, PACKET_MAX) {
            Ok(_) if self.given == PACKETS_MAX => Err(breach(format!("a frame has more than {PACKETS_MAX} packets"))),
            Ok(packet) => {
                self.given += 1;
                Ok(Some(packet))
            }
            Err(Error::InsufficientBytes(_)) => {
                if self.unread.is_empty() {
                    // An idle link keeps no room for the next packet.
                    self.unread = BytesMut::new();
                }
                Ok(None)
            }
            Err(Error::PayloadSizeLimitExceeded(bytes)) => Err(Cause::too_large(bytes, PACKET_MAX)),
            Err(error) => Err(breach(format!("what came is not MQTT 3.1.1 ({error:?})"))),
        }
    }
}

/// What the broker did is against the protocol.
pub(super) fn breach(text: impl Into<String>) -> Cause {
    Cause::new(CauseCode::Protocol, text)
}

/// Sends what `write` writes as one frame.
pub(super) fn send(effects: &mut Effects, write: impl FnOnce(&mut BytesMut) -> Result<usize, Error>) {
    let mut out = BytesMut::new();
    match write(&mut out) {
        Ok(_) => effects.frames.push(Outgoing::Binary(out.to_vec())),
        Err(error) => {
            let text = format!("the settings make a packet that MQTT cannot carry ({error:?})");
            effects.fatal = Some(Cause::new(CauseCode::Configuration, text));
        }
    }
}
