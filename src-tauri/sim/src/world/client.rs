//! The model of a driver: it does what the link says, one socket at a time, and tells it what comes of it.

use std::time::Duration;

use heartwire_core::cause::CauseCode;
use heartwire_core::link::LinkSettings;
use heartwire_core::time::Moment;
use rand::Rng;
use rand::rngs::SmallRng;

use super::network::Carriage;
use super::queue::{Bytes, Event};
use super::server::Mood;
use super::{Failure, World};
use crate::checker::Checker;
use crate::subject::{self, Subject};
use crate::trace::{Generation, TextId, Told, Why};

/// How long lost packets wait to be sent again after the way is free, at most.
const RETRANSMISSION: Duration = Duration::from_secs(1);

/// One link, its judge, and its socket.
pub(super) struct Client {
    pub subject: Subject,
    pub checker: Checker,
    pub server: usize,
    pub socket: Option<Socket>,
    /// When the link wants to be woken.
    pub deadline: Option<Moment>,
    pub connect_timeout: Duration,
    pub every: Duration,
    /// The driver's own dial ends before the link's patience.
    pub times_out: bool,
    pub last_text: TextId,
}

/// What a socket is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wire {
    Dialing,
    Open,
    /// We have closed it; the peer has not answered.
    Closing,
}

pub(super) struct Socket {
    pub generation: Generation,
    pub wire: Wire,
    /// Our address when it was dialled.
    pub path: u32,
    /// The peer has forgotten it, and nobody told us.
    pub half_open: bool,
    /// Until when nothing leaves.
    pub stalled: Moment,
    pub reading: bool,
    /// What came while nobody read.
    pub unread: Vec<Bytes>,
}

impl Client {
    pub(super) fn new(settings: &LinkSettings, server: usize, rng: &mut SmallRng) -> Self {
        Self {
            subject: Subject::new(settings.clone(), rng.random()),
            checker: Checker::new(subject::rules(settings)),
            server,
            socket: None,
            deadline: None,
            connect_timeout: settings.connect_timeout,
            every: settings.heartbeat.every,
            times_out: rng.random(),
            last_text: 0,
        }
    }

    /// The socket that is open.
    pub(super) fn open(&self) -> Option<&Socket> {
        self.socket.as_ref().filter(|socket| socket.wire == Wire::Open)
    }

    fn is(&self, generation: Generation) -> bool {
        self.socket.as_ref().is_some_and(|socket| socket.generation == generation)
    }
}

impl World {
    pub(super) fn dial(&mut self, link: usize, generation: Generation) {
        let client = &mut self.clients[link];
        client.socket = Some(Socket {
            generation,
            wire: Wire::Dialing,
            path: self.network.path,
            half_open: false,
            stalled: self.now,
            reading: true,
            unread: Vec::new(),
        });
        if client.times_out {
            self.queue.push(self.now + client.connect_timeout, Event::DialTimesOut(link, generation));
        }
        let answered = match self.network.carriage {
            Carriage::Fine => self.round_trip() * 3,
            Carriage::Offline(_) => self.between(Duration::ZERO, Duration::from_millis(1)),
            Carriage::Hole(_) => return,
        };
        self.queue.push(self.now + answered, Event::DialAnswered(link, generation));
    }

    pub(super) fn heartbeat(&mut self, link: usize, generation: Generation) {
        let client = &self.clients[link];
        let Some(socket) = client.open().filter(|socket| socket.generation == generation) else { return };
        if socket.half_open || !self.servers[client.server].answers() {
            return;
        }
        let leaves = socket.stalled.max(self.now);
        let answered = leaves + self.round_trip();
        self.queue.push(answered, Event::Comes(link, generation, Bytes::Answer));
    }

    pub(super) fn close(&mut self, link: usize, generation: Generation) {
        let answered = self.now + self.round_trip();
        let client = &mut self.clients[link];
        if let Some(socket) = &mut client.socket {
            socket.wire = Wire::Closing;
            if !socket.half_open && self.servers[client.server].answers() {
                self.queue.push(answered, Event::CloseAnswered(link, generation));
            }
        }
    }

    pub(super) fn abort(&mut self, link: usize, generation: Generation) {
        self.clients[link].socket = None;
        if self.rng.random_bool(0.1) {
            let late = self.about(Duration::from_micros(10), Duration::from_secs(30));
            let told = self.of_socket(generation);
            self.queue.push(self.now + late, Event::Stale(link, told));
        }
    }

    /// Something that a driver could have told of this socket.
    pub(super) fn of_socket(&mut self, generation: Generation) -> Told {
        let why = self.why_closed();
        match self.rng.random_range(0..8) {
            0 => Told::DialOk(generation),
            1 => Told::DialFailed(generation, why),
            2 | 3 => Told::Bytes(generation),
            4 => Told::Answered(generation),
            5 => Told::ReadingPaused(generation),
            6 => Told::Fatal(generation, why),
            _ => Told::Closed(generation, why),
        }
    }

    pub(super) fn dial_answered(&mut self, link: usize, generation: Generation) -> Result<(), Failure> {
        let client = &mut self.clients[link];
        let Some(socket) = &mut client.socket else { return Ok(()) };
        if socket.generation != generation || socket.wire != Wire::Dialing {
            return Ok(());
        }
        match self.network.carriage {
            Carriage::Hole(_) => return Ok(()),
            Carriage::Offline(_) => {
                let why = Why { offline: true, ..Why::new(CauseCode::Unreachable) };
                return self.dial_fails(link, generation, why);
            }
            Carriage::Fine if socket.path != self.network.path => return Ok(()),
            Carriage::Fine => {}
        }
        match self.servers[client.server].mood {
            Mood::Down => self.dial_fails(link, generation, Why::new(CauseCode::Refused)),
            Mood::Refuses(why) => self.dial_fails(link, generation, why),
            Mood::Hangs => Ok(()),
            Mood::Well | Mood::Mute => self.opens(link, generation, None),
            Mood::Slams(why) => {
                let soon = self.between(Duration::from_millis(1), Duration::from_secs(2));
                self.opens(link, generation, Some((soon, Event::PeerCloses(link, generation, why))))
            }
            Mood::Trickles => {
                let soon = self.between(Duration::from_millis(1), Duration::from_secs(2));
                self.opens(link, generation, Some((soon, Event::Comes(link, generation, Bytes::Trickle))))
            }
        }
    }

    pub(super) fn dial_fails(&mut self, link: usize, generation: Generation, why: Why) -> Result<(), Failure> {
        let client = &mut self.clients[link];
        if client.socket.as_ref().is_none_or(|it| it.generation != generation || it.wire != Wire::Dialing) {
            return Ok(());
        }
        client.socket = None;
        self.tell(link, Told::DialFailed(generation, why))
    }

    fn opens(&mut self, link: usize, generation: Generation, then: Option<(Duration, Event)>) -> Result<(), Failure> {
        if let Some(socket) = &mut self.clients[link].socket {
            socket.wire = Wire::Open;
        }
        if let Some((after, event)) = then {
            self.queue.push(self.now + after, event);
        }
        let talks = self.until_next(self.frame.talk);
        self.queue.push(self.now + talks, Event::Talks(link, generation));
        self.tell(link, Told::DialOk(generation))
    }

    pub(super) fn talks(&mut self, link: usize, generation: Generation) {
        let client = &self.clients[link];
        let Some(socket) = client.open().filter(|socket| socket.generation == generation) else { return };
        if !socket.half_open && self.servers[client.server].mood == Mood::Well {
            let comes = self.now + self.network.round_trip / 2;
            self.queue.push(comes, Event::Comes(link, generation, Bytes::Message));
        }
        let next = self.until_next(self.frame.talk);
        self.queue.push(self.now + next, Event::Talks(link, generation));
    }

    /// Bytes are at this computer's door, unless the network loses them.
    pub(super) fn comes(&mut self, link: usize, generation: Generation, bytes: Bytes) -> Result<(), Failure> {
        let client = &mut self.clients[link];
        let Some(socket) = client.socket.as_mut().filter(|socket| socket.generation == generation) else {
            return Ok(());
        };
        if socket.path != self.network.path {
            return Ok(());
        }
        if let Carriage::Hole(until) | Carriage::Offline(until) = self.network.carriage {
            let again = until.max(self.now) + self.between(Duration::from_millis(1), RETRANSMISSION);
            self.queue.push(again, Event::Comes(link, generation, bytes));
            return Ok(());
        }
        if bytes == Bytes::Trickle && self.servers[client.server].mood == Mood::Trickles {
            let most = client.every.mul_f64(1.2);
            let next = self.between(Duration::from_millis(500), most);
            self.queue.push(self.now + next, Event::Comes(link, generation, bytes));
        }
        let Some(socket) = &mut self.clients[link].socket else { return Ok(()) };
        if socket.reading {
            return self.read(link, generation, bytes);
        }
        socket.unread.push(bytes);
        Ok(())
    }

    fn read(&mut self, link: usize, generation: Generation, bytes: Bytes) -> Result<(), Failure> {
        self.tell(link, Told::Bytes(generation))?;
        if bytes == Bytes::Answer && self.clients[link].is(generation) {
            self.tell(link, Told::Answered(generation))?;
        }
        Ok(())
    }

    pub(super) fn reads_again(&mut self, link: usize, generation: Generation) -> Result<(), Failure> {
        let client = &mut self.clients[link];
        let Some(socket) = client.socket.as_mut().filter(|socket| socket.generation == generation) else {
            return Ok(());
        };
        socket.reading = true;
        let unread = std::mem::take(&mut socket.unread);
        self.tell(link, Told::ReadingResumed(generation))?;
        for bytes in unread {
            if self.clients[link].is(generation) {
                self.read(link, generation, bytes)?;
            }
        }
        Ok(())
    }

    pub(super) fn peer_closes(&mut self, link: usize, generation: Generation, why: Why) -> Result<(), Failure> {
        let with_bytes = self.rng.random();
        let client = &mut self.clients[link];
        let Some(socket) = client.socket.as_mut().filter(|socket| socket.generation == generation) else {
            return Ok(());
        };
        if self.network.carriage != Carriage::Fine || socket.path != self.network.path {
            socket.half_open = true;
            return Ok(());
        }
        if socket.wire != Wire::Open {
            return Ok(());
        }
        if with_bytes && socket.reading {
            self.tell(link, Told::Bytes(generation))?;
        }
        self.clients[link].socket = None;
        self.tell(link, Told::Closed(generation, why))
    }

    pub(super) fn close_answered(&mut self, link: usize, generation: Generation) -> Result<(), Failure> {
        let client = &mut self.clients[link];
        let Some(socket) = client.socket.as_ref().filter(|socket| socket.generation == generation) else {
            return Ok(());
        };
        if self.network.carriage != Carriage::Fine || socket.path != self.network.path {
            return Ok(());
        }
        client.socket = None;
        self.tell(link, Told::Closed(generation, Why::new(CauseCode::Closed(1000))))
    }

    fn round_trip(&mut self) -> Duration {
        let usual = self.network.round_trip * self.network.slower;
        self.between(usual, usual * 2)
    }
}
