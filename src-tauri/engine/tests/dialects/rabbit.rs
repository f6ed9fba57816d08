//! A RabbitMQ of Debian's with its STOMP and its MQTT over WebSocket, on ports of its own and without a trace when it is
//! dropped.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;
use xtask::process::{Running, eventually, tied};
use xtask::test::skip;

/// How long a start may take on a busy machine.
const START: Duration = Duration::from_secs(120);

/// Where Debian puts it; the commands in the path want another user.
const SERVER: &str = "/usr/lib/rabbitmq/bin/rabbitmq-server";

/// Whether there is one; if not, the test of this name is counted as skipped.
pub fn is_there(test: &str) -> bool {
    let is_there = Path::new(SERVER).exists();
    if !is_there {
        skip(test, "there is no RabbitMQ");
    }
    is_there
}

/// Where a protocol is spoken.
struct Ports {
    tcp: u16,
    web: u16,
}

pub struct Rabbit {
    node: Option<Running>,
    /// Finds nodes for each other; started by us, or the node would leave one behind.
    _epmd: Running,
    epmd_port: u16,
    dist_port: u16,
    stomp: Ports,
    mqtt: Ports,
    folder: TempDir,
}

impl Rabbit {
    pub fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let [epmd_port, dist_port, stomp_tcp, stomp_web, mqtt_tcp, mqtt_web] = free_ports();
        write(folder.path(), "enabled_plugins", "[rabbitmq_web_stomp, rabbitmq_web_mqtt].");
        let config = format!(
            "listeners.tcp = none\n\
             stomp.listeners.tcp.1 = 127.0.0.1:{stomp_tcp}\n\
             web_stomp.tcp.ip = 127.0.0.1\n\
             web_stomp.tcp.port = {stomp_web}\n\
             mqtt.listeners.tcp.1 = 127.0.0.1:{mqtt_tcp}\n\
             web_mqtt.tcp.ip = 127.0.0.1\n\
             web_mqtt.tcp.port = {mqtt_web}\n"
        );
        write(folder.path(), "rabbitmq.conf", &config);
        let mut epmd = tied("epmd");
        epmd.args(["-address", "127.0.0.1", "-port"]).arg(epmd_port.to_string());
        let epmd = Running::start(epmd.stdout(Stdio::null()).stderr(Stdio::null())).unwrap();
        let stomp = Ports { tcp: stomp_tcp, web: stomp_web };
        let mqtt = Ports { tcp: mqtt_tcp, web: mqtt_web };
        let mut rabbit = Self { node: None, _epmd: epmd, epmd_port, dist_port, stomp, mqtt, folder };
        rabbit.start_again();
        rabbit
    }

    /// Starts it where it was killed, with what it had on disk.
    pub fn start_again(&mut self) {
        let folder = self.folder.path();
        let mut command = tied(SERVER);
        command
            .current_dir(folder)
            .env("HOME", folder)
            .env("RABBITMQ_NODENAME", "heartwire@localhost")
            .env("RABBITMQ_MNESIA_BASE", folder.join("mnesia"))
            .env("RABBITMQ_LOG_BASE", folder.join("log"))
            .env("RABBITMQ_ENABLED_PLUGINS_FILE", folder.join("enabled_plugins"))
            .env("RABBITMQ_CONFIG_FILE", folder.join("rabbitmq.conf"))
            .env("RABBITMQ_CONF_ENV_FILE", folder.join("none"))
            .env("RABBITMQ_ADVANCED_CONFIG_FILE", folder.join("none"))
            .env("RABBITMQ_DIST_PORT", self.dist_port.to_string())
            .env("ERL_EPMD_PORT", self.epmd_port.to_string())
            // The script becomes the node instead of waiting for it, and the node needs no input all the same.
            .env("RABBITMQ_ALLOW_INPUT", "true")
            .env("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", "-noinput -kernel inet_dist_use_interface {127,0,0,1}");
        silent(&mut command);
        let mut node = Running::start(&mut command).unwrap();
        let ports = [&self.stomp, &self.mqtt].map(|ports| [ports.tcp, ports.web]);
        eventually("RabbitMQ to listen", START, || {
            assert!(node.ended().is_none(), "RabbitMQ ended, see {}", self.folder.path().display());
            ports.as_flattened().iter().all(|port| TcpStream::connect(("127.0.0.1", *port)).is_ok()).then_some(())
        })
        .unwrap();
        self.node = Some(node);
    }

    /// SIGKILL, without a word to anyone.
    pub fn kill(&mut self) {
        let mut node = self.node.take().unwrap();
        node.child().kill().unwrap();
        node.child().wait().unwrap();
    }

    /// Where STOMP is spoken over WebSocket, with this query.
    pub fn stomp_url(&self, query: &str) -> String {
        format!("ws://127.0.0.1:{}/ws{query}", self.stomp.web)
    }

    /// The port at which MQTT is spoken over WebSocket.
    pub fn mqtt_web(&self) -> u16 {
        self.mqtt.web
    }

    /// The port at which MQTT is spoken over TCP.
    pub fn mqtt_tcp(&self) -> u16 {
        self.mqtt.tcp
    }

    /// Sends messages with these headers by STOMP over TCP; they are the broker's when this returns.
    pub fn publish<'a>(&self, destination: &str, headers: &str, bodies: impl IntoIterator<Item = &'a str>) {
        self.publish_bytes(destination, headers, bodies.into_iter().map(str::as_bytes));
    }

    /// The same of bodies that may be no text.
    pub fn publish_bytes<'a>(&self, destination: &str, headers: &str, bodies: impl IntoIterator<Item = &'a [u8]>) {
        let mut stream = TcpStream::connect(("127.0.0.1", self.stomp.tcp)).unwrap();
        stream.set_read_timeout(Some(START)).unwrap();
        let mut frames = b"CONNECT\naccept-version:1.2\nhost:/\n\n\0".to_vec();
        let mut wanted = 0;
        for body in bodies {
            write!(frames, "SEND\ndestination:{destination}\npersistent:true\nreceipt:one\n{headers}\n").unwrap();
            frames.extend([body, b"\0"].concat());
            wanted += 1;
        }
        stream.write_all(&frames).unwrap();
        let mut answers = String::new();
        let mut some = [0; 4096];
        while answers.matches("\nreceipt-id:").count() < wanted {
            let count = stream.read(&mut some).unwrap();
            assert!(count > 0 && !answers.contains("ERROR"), "{answers}");
            answers += std::str::from_utf8(&some[..count]).unwrap();
        }
    }
}

fn free_ports() -> [u16; 6] {
    let listeners = [(); 6].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    listeners.map(|listener| listener.local_addr().unwrap().port())
}

fn write(folder: &Path, name: &str, text: &str) {
    std::fs::write(folder.join(name), text).unwrap();
}

fn silent(command: &mut Command) {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
}
