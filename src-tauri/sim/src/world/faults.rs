//! What goes wrong, and what people and computers do all day.

use std::time::Duration;

use heartwire_core::cause::CauseCode;
use rand::Rng;
use rand::seq::{IndexedRandom, SliceRandom};

use super::client::Wire;
use super::network::Carriage;
use super::queue::Event;
use super::server::Mood;
use super::{Failure, ORIGIN, World};
use crate::trace::{Generation, Told, Why};

const MILLISECOND: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

impl World {
    pub(super) fn next_fault(&mut self) {
        let after = self.until_next(self.frame.calm);
        let at = self.now + after;
        if at < ORIGIN + self.frame.length {
            self.queue.push(at, Event::Fault);
        }
    }

    pub(super) fn happens(&mut self, event: Event) -> Result<(), Failure> {
        if let Some((_, until)) = self.asleep
            && event.is_ours()
        {
            // What happened to the network meanwhile is seen at the wake, if at all.
            if !matches!(event, Event::NetworkSeen(_)) {
                let late = self.between(MILLISECOND, SECOND);
                self.queue.push(until + late, event);
            }
            return Ok(());
        }
        match event {
            Event::DialAnswered(link, generation) => self.dial_answered(link, generation),
            Event::DialTimesOut(link, generation) => {
                self.dial_fails(link, generation, Why::new(CauseCode::ConnectTimeout))
            }
            Event::Comes(link, generation, bytes) => self.comes(link, generation, bytes),
            Event::Talks(link, generation) => {
                self.talks(link, generation);
                Ok(())
            }
            Event::PeerCloses(link, generation, why) => self.peer_closes(link, generation, why),
            Event::CloseAnswered(link, generation) => self.close_answered(link, generation),
            Event::ReadsAgain(link, generation) => self.reads_again(link, generation),
            // After the stop at the end of the day nobody starts anything.
            Event::Person(..) if self.now >= ORIGIN + self.frame.length => Ok(()),
            Event::Person(link, told) | Event::Stale(link, told) => self.tell(link, told),
            Event::Fault => self.fault(),
            Event::Wakes => self.wakes(),
            Event::NetworkHeals(epoch) => {
                self.network.heal(epoch);
                Ok(())
            }
            Event::NetworkSeen(moved) => self.tell_all(&[Told::NetworkChanged(moved)]),
            Event::ServerHeals(server, epoch) => {
                self.servers[server].heal(epoch);
                Ok(())
            }
        }
    }

    fn fault(&mut self) -> Result<(), Failure> {
        self.next_fault();
        match self.rng.random_range(0..100) {
            0..24 => self.server_turns(),
            24..40 => self.network_turns(),
            40..60 => self.socket_turns(),
            // A sleeping computer has no person in front of it.
            _ if self.asleep.is_some() => {}
            60..68 => self.sleeps(),
            68..72 => return self.crowd(),
            72..80 => self.consumer_is_full()?,
            80..83 => return self.stale(),
            83..96 => return self.person(),
            _ => {
                let link = self.any_link();
                return self.tell(link, Told::Timeout);
            }
        }
        Ok(())
    }

    fn any_link(&mut self) -> usize {
        self.rng.random_range(0..self.clients.len())
    }

    /// A server's mood changes for a while; those who are there may feel it.
    fn server_turns(&mut self) {
        let server = self.rng.random_range(0..self.servers.len());
        let why = self.why_closed();
        let refusal = self.why_refused();
        let mood = match self.rng.random_range(0..12) {
            0..3 => Mood::Down,
            3 => Mood::Hangs,
            4..7 => Mood::Refuses(refusal),
            7 | 8 => Mood::Slams(why),
            9 | 10 => Mood::Mute,
            _ => Mood::Trickles,
        };
        let lasts = self.about(SECOND, 2 * HOUR);
        let it = &mut self.servers[server];
        (it.mood, it.epoch) = (mood, it.epoch + 1);
        self.queue.push(self.now + lasts, Event::ServerHeals(server, it.epoch));
        let how = self.rng.random_range(0..3);
        let restarts = if self.rng.random() { CauseCode::Closed(1012) } else { CauseCode::Reset };
        for link in 0..self.clients.len() {
            if self.clients[link].server == server && how > 0 {
                let told = (how == 1).then_some(Why::new(restarts));
                self.peer_leaves(link, told);
            }
        }
    }

    fn network_turns(&mut self) {
        let until = self.now + self.about(Duration::from_millis(100), 2 * HOUR);
        let seen = self.now + self.about(MILLISECOND, 3 * SECOND);
        let network = &mut self.network;
        network.epoch += 1;
        (network.carriage, network.slower) = (Carriage::Fine, 1);
        match self.rng.random_range(0..10) {
            0..3 => network.carriage = Carriage::Hole(until),
            3..6 => {
                network.carriage = Carriage::Offline(until);
                let moved = self.rng.random();
                self.queue.push(seen, Event::NetworkSeen(false));
                if moved {
                    network.path += 1;
                }
                if self.rng.random_bool(0.8) {
                    self.queue.push(until + MILLISECOND, Event::NetworkSeen(moved));
                }
            }
            6 => {
                network.path += 1;
                self.queue.push(seen, Event::NetworkSeen(true));
            }
            7 => network.slower = self.rng.random_range(2..40),
            8 => self.queue.push(seen, Event::NetworkSeen(false)),
            _ => {
                for link in 0..self.clients.len() {
                    self.peer_leaves(link, Some(Why::new(CauseCode::Reset)));
                }
            }
        }
        self.queue.push(until, Event::NetworkHeals(self.network.epoch));
    }

    fn socket_turns(&mut self) {
        let link = self.any_link();
        let why = self.why_closed();
        let stalls = self.about(MILLISECOND, MINUTE);
        match self.rng.random_range(0..10) {
            0..6 => self.peer_leaves(link, Some(why)),
            6 | 7 => self.peer_leaves(link, None),
            _ => {
                if let Some(socket) = &mut self.clients[link].socket {
                    socket.stalled = self.now + stalls;
                }
            }
        }
    }

    /// The peer ends the socket, with or without a word. Whom it blocks comes back to it later.
    fn peer_leaves(&mut self, link: usize, told: Option<Why>) {
        let Some(socket) = &mut self.clients[link].socket else { return };
        let generation = socket.generation;
        match told {
            None => socket.half_open = true,
            Some(why) => {
                let soon = self.between(MILLISECOND, SECOND);
                self.queue.push(self.now + soon, Event::PeerCloses(link, generation, why));
                self.person_comes_back(link);
            }
        }
    }

    fn person_comes_back(&mut self, link: usize) {
        let told = if self.rng.random() { Told::Reconnect } else { Told::CredentialsChanged };
        let later = self.about(MINUTE, 8 * HOUR);
        self.queue.push(self.now + later, Event::Person(link, told));
    }

    fn sleeps(&mut self) {
        let lasts = self.about(SECOND, 8 * HOUR);
        let until = (self.now + lasts).min(ORIGIN + self.frame.length);
        self.asleep = Some((self.now, until));
        self.queue.push(until, Event::Wakes);
    }

    fn wakes(&mut self) -> Result<(), Failure> {
        let Some((since, until)) = self.asleep.take() else { return Ok(()) };
        let mut told = vec![Told::Resumed(until.since(since))];
        if self.rng.random() {
            told.push(Told::NetworkChanged(self.rng.random()));
        }
        if self.rng.random() {
            told.push(Told::Reconnect);
        }
        // The clock tells of the sleep before anything else can be told: it comes first.
        told[1..].shuffle(&mut self.rng);
        self.apply_moves(&told);
        self.tell_all(&told)
    }

    /// Several reasons to dial in one moment.
    fn crowd(&mut self) -> Result<(), Failure> {
        let moved = self.rng.random();
        let woken = Told::Resumed(Duration::ZERO);
        let mut told = [Told::NetworkChanged(moved), Told::NetworkChanged(false), Told::Reconnect, woken];
        told.shuffle(&mut self.rng);
        self.apply_moves(&told);
        self.tell_all(&told)
    }

    fn apply_moves(&mut self, told: &[Told]) {
        if told.contains(&Told::NetworkChanged(true)) {
            self.network.path += 1;
        }
    }

    fn tell_all(&mut self, told: &[Told]) -> Result<(), Failure> {
        for link in 0..self.clients.len() {
            for told in told {
                self.tell(link, *told)?;
            }
        }
        Ok(())
    }

    fn consumer_is_full(&mut self) -> Result<(), Failure> {
        let link = self.any_link();
        let lasts = self.about(MILLISECOND, 10 * MINUTE);
        let Some(socket) = self.clients[link].socket.as_mut().filter(|it| it.wire == Wire::Open && it.reading) else {
            return Ok(());
        };
        socket.reading = false;
        let generation = socket.generation;
        self.queue.push(self.now + lasts, Event::ReadsAgain(link, generation));
        self.tell(link, Told::ReadingPaused(generation))
    }

    /// Something is told of a socket that was never there or is long gone.
    fn stale(&mut self) -> Result<(), Failure> {
        let link = self.any_link();
        let there: Option<Generation> = self.clients[link].socket.as_ref().map(|socket| socket.generation);
        let other = match there {
            Some(generation) => generation.saturating_sub(self.rng.random_range(1..3)),
            None => self.rng.random_range(0..3),
        };
        let told = self.of_socket(other);
        self.tell(link, told)
    }

    fn person(&mut self) -> Result<(), Failure> {
        let link = self.any_link();
        match self.rng.random_range(0..10) {
            0 => {
                let length = self.rng.random_range(1..100);
                self.tell(link, Told::ResumeFrom(length))
            }
            1 => self.leaves_for_a_while(link, Told::Pause),
            2 => self.leaves_for_a_while(link, Told::Stop),
            3 => self.tell(link, Told::Reconnect),
            4 => self.tell(link, Told::CredentialsChanged),
            5 => self.server_says_no(link),
            _ => self.writes(link),
        }
    }

    fn leaves_for_a_while(&mut self, link: usize, told: Told) -> Result<(), Failure> {
        let lasts = self.about(MILLISECOND, 2 * HOUR);
        self.queue.push(self.now + lasts, Event::Person(link, Told::Start));
        self.tell(link, told)
    }

    /// The dialect understands a word that makes going on pointless.
    fn server_says_no(&mut self, link: usize) -> Result<(), Failure> {
        let Some(generation) = self.clients[link].open().map(|socket| socket.generation) else { return Ok(()) };
        let code = *[CauseCode::Unauthorized, CauseCode::Configuration, CauseCode::Protocol]
            .choose(&mut self.rng)
            .unwrap_or(&CauseCode::Unauthorized);
        self.person_comes_back(link);
        self.tell(link, Told::Fatal(generation, Why::new(code)))
    }

    fn writes(&mut self, link: usize) -> Result<(), Failure> {
        let texts = if self.rng.random_bool(0.1) { 400 } else { self.rng.random_range(1..10) };
        for _ in 0..texts {
            self.clients[link].last_text += 1;
            let id = self.clients[link].last_text;
            self.tell(link, Told::Send(id))?;
        }
        Ok(())
    }
}
