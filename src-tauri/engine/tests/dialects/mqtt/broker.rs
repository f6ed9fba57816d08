//! A mosquitto of a test's own, with a publisher beside it.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use tempfile::TempDir;
use xtask::process::{Running, eventually, tied};
use xtask::test::skip;

use crate::server::SOON;

/// Where Debian puts it, which only root's search path has.
const SERVER: &str = "/usr/sbin/mosquitto";

/// Whether there is one; if not, the test of this name is counted as skipped.
pub fn is_there(test: &str) -> bool {
    let is_there = Path::new(SERVER).exists();
    if !is_there {
        skip(test, "there is no mosquitto");
    }
    is_there
}

pub struct Mosquitto {
    running: Running,
    folder: TempDir,
    /// For MQTT over WebSocket.
    pub port: u16,
    /// For MQTT over TCP, which the publisher speaks.
    tcp: u16,
}

impl Mosquitto {
    /// One that keeps everything, in memory and on disk, with these lines of its configuration besides.
    pub fn start(more: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let [port, tcp] = free_ports();
        let own = folder.path().display();
        // Without `user` it would become another user, who cannot write here.
        let config = format!(
            "user root\nlistener {tcp} 127.0.0.1\nlistener {port} 127.0.0.1\nprotocol websockets\nmax_queued_messages 0\n\
             persistence true\npersistence_location {own}/\n{more}\n"
        );
        fs::write(folder.path().join("mosquitto.conf"), config).unwrap();
        let running = run(folder.path());
        let mosquitto = Self { running, folder, port, tcp };
        mosquitto.wait();
        mosquitto
    }

    /// Ends it in good order, so that it writes its sessions to disk, and starts it again; without those if they are to
    /// be forgotten.
    pub fn restart(&mut self, forget: bool) {
        self.running.stop();
        if forget {
            fs::remove_file(self.folder.path().join("mosquitto.db")).unwrap();
        }
        self.running = run(self.folder.path());
        self.wait();
    }

    pub fn publisher(&self) -> Publisher {
        Publisher::to(self.tcp)
    }

    /// Until both listeners are there.
    fn wait(&self) {
        for port in [self.port, self.tcp] {
            let look = || TcpStream::connect(("127.0.0.1", port)).ok();
            eventually("mosquitto to listen", SOON, look).unwrap();
        }
    }
}

/// Adds a user to the password file.
pub fn password_file(path: &Path, user: &str, password: &str) {
    let status = Command::new("mosquitto_passwd").args(["-b", "-c"]).arg(path).args([user, password]).status();
    assert!(status.unwrap().success());
}

fn run(folder: &Path) -> Running {
    let mut command = tied(SERVER);
    command.arg("-c").arg(folder.join("mosquitto.conf")).stdout(Stdio::null()).stderr(Stdio::null());
    Running::start(&mut command).unwrap()
}

/// Ports that nobody listens at.
fn free_ports() -> [u16; 2] {
    let listeners = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    listeners.map(|listener| listener.local_addr().unwrap().port())
}

/// Publishes over TCP, bytes as they stand in the specification: whoever writes them is not the codec that is tested.
pub struct Publisher {
    stream: TcpStream,
}

impl Publisher {
    /// Connects to a broker that asks nobody who they are.
    pub fn to(port: u16) -> Self {
        let mut publisher = Self { stream: TcpStream::connect(("127.0.0.1", port)).unwrap() };
        publisher.stream.set_read_timeout(Some(SOON)).unwrap();
        // CONNECT with a clean session, no keep-alive and no name.
        publisher.send(0x10, b"\0\x04MQTT\x04\x02\0\0\0\0");
        publisher.expect([0x20, 2, 0, 0]);
        publisher
    }

    pub fn publish(&mut self, topic: &str, payload: &[u8], qos: u8, retain: bool) {
        // Each is acknowledged before the next.
        let id = [0, 1];
        let mut body = u16::try_from(topic.len()).unwrap().to_be_bytes().to_vec();
        body.extend(topic.as_bytes());
        body.extend(&id[..if qos > 0 { 2 } else { 0 }]);
        body.extend(payload);
        self.send(0x30 | (qos << 1) | u8::from(retain), &body);
        match qos {
            0 => {}
            1 => self.expect([0x40, 2, id[0], id[1]]),
            _ => {
                self.expect([0x50, 2, id[0], id[1]]);
                self.send(0x62, &id);
                self.expect([0x70, 2, id[0], id[1]]);
            }
        }
    }

    /// Sends one PINGREQ after the other for as long as what is given is there.
    pub fn ping_on(mut self) -> impl Drop {
        let on = Arc::new(AtomicBool::new(true));
        let pinging = Arc::clone(&on);
        let thread = thread::spawn(move || {
            while pinging.load(Ordering::Relaxed) {
                self.send(0xc0, b"");
                let mut answer = [0; 2];
                self.stream.read_exact(&mut answer).unwrap();
            }
        });
        Pinging { on, thread: Some(thread) }
    }

    fn send(&mut self, first: u8, body: &[u8]) {
        let mut packet = vec![first];
        let mut left = body.len();
        loop {
            let more = if left > 127 { 128 } else { 0 };
            packet.push(u8::try_from(left % 128).unwrap() | more);
            left /= 128;
            if more == 0 {
                break;
            }
        }
        packet.extend(body);
        self.stream.write_all(&packet).unwrap();
    }

    fn expect(&mut self, packet: [u8; 4]) {
        let mut came = [0; 4];
        self.stream.read_exact(&mut came).unwrap();
        assert_eq!(came, packet);
    }
}

struct Pinging {
    on: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Pinging {
    fn drop(&mut self) {
        self.on.store(false, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}
