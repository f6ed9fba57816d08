//! Network namespaces: computers of a test's own, with wires between them that can be cut. They need root and iproute2;
//! who lacks either gets the reason. Nothing of this computer's network is touched, and a namespace goes with its value.

#![allow(dead_code, reason = "each test binary uses its own part of this")]

use std::fmt;
use std::fs::{self, File};
use std::io;
use std::os::fd::AsFd;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Once;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};

use rustix::process::geteuid;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::tcp_table::Entry;

/// Where iproute2 keeps the namespaces that have a name.
const NAMED: &str = "/run/netns";

/// What all of ours are called; the number of the process that made it follows.
const PREFIX: &str = "heartwire-test-";

/// Why this computer cannot make a network namespace.
#[derive(Debug)]
pub struct SkipReason(String);

impl fmt::Display for SkipReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What was made; or None, and the test of this name is counted as skipped.
pub fn or_skip<T>(test: &str, made: Result<T, SkipReason>) -> Option<T> {
    made.inspect_err(|reason| xtask::test::skip(test, &reason.to_string())).ok()
}

/// A computer without any wire but its own loopback.
#[derive(Debug)]
pub struct Namespace {
    name: String,
}

impl Namespace {
    /// A new one.
    ///
    /// # Errors
    /// This computer cannot make one.
    pub fn new() -> Result<Self, SkipReason> {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        static SWEPT: Once = Once::new();
        if !geteuid().is_root() {
            return Err(SkipReason("network namespaces need root".to_owned()));
        }
        SWEPT.call_once(sweep);
        let name = format!("{PREFIX}{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let added = ip(&["netns", "add", &name]).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => SkipReason("the program ip (package iproute2) is not installed".to_owned()),
            _ => SkipReason(format!("the program ip could not be started: {error}")),
        })?;
        if !added.status.success() {
            let why = String::from_utf8_lossy(&added.stderr);
            return Err(SkipReason(format!("this root may not make network namespaces: {}", why.trim())));
        }
        let namespace = Self { name };
        namespace.ip("link set lo up");
        Ok(namespace)
    }

    /// What `ip netns exec` calls it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Runs `ip` here, with arguments that are separated by spaces.
    pub fn ip(&self, arguments: &str) {
        let arguments: Vec<_> = ["-n", &self.name].into_iter().chain(arguments.split(' ')).collect();
        let done = ip(&arguments).unwrap();
        assert!(done.status.success(), "ip {arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
    }

    /// Lays a wire to another one. At each end: the interface's name, and its address with the length of its prefix.
    pub fn wire(&self, (here, address): (&str, &str), other: &Self, (there, other_address): (&str, &str)) {
        self.ip(&format!("link add {here} type veth peer name {there} netns {}", other.name));
        for (namespace, interface, address) in [(self, here, address), (other, there, other_address)] {
            // An IPv6 address is used at once, not after a second in which somebody might object.
            let nodad = if address.contains(':') { " nodad" } else { "" };
            namespace.ip(&format!("addr add {address} dev {interface}{nodad}"));
            namespace.ip(&format!("link set {interface} up"));
        }
    }

    /// Sets a kernel setting of this namespace, such as `ipv4/ip_forward`.
    pub fn set(&self, setting: &str, value: &str) {
        self.run(|| fs::write(Path::new("/proc/sys/net").join(setting), value)).unwrap();
    }

    /// Does something as a program on this computer would: every socket made in it, and in threads that it starts,
    /// belongs here. The caller waits.
    pub fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        let work = || {
            enter(&self.name);
            work()
        };
        thread::scope(|scope| scope.spawn(work).join().unwrap())
    }

    /// The same beside the caller.
    pub fn spawn<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
        let name = self.name.clone();
        thread::spawn(move || {
            enter(&name);
            work()
        })
    }

    /// A program that will run here.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name]).arg(program);
        command
    }

    /// The TCP sockets of this computer, those included that belong to no process any more.
    pub fn sockets(&self) -> Vec<Entry> {
        // Not /proc/net, which is the namespace of the process's first thread.
        self.run(|| ["tcp", "tcp6"].iter().flat_map(|table| Entry::table("/proc/thread-self/net", table)).collect())
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        remove(&self.name);
    }
}

/// Moves this thread there, and with it every socket that it makes from now on.
fn enter(name: &str) {
    let namespace = File::open(Path::new(NAMED).join(name)).unwrap();
    move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
}

fn ip(arguments: &[&str]) -> io::Result<Output> {
    Command::new("ip").args(arguments).output()
}

fn remove(name: &str) {
    let removed = ip(&["netns", "delete", name]);
    // A test that fails for another reason must be able to say so.
    assert!(removed.is_ok_and(|output| output.status.success()) || thread::panicking(), "{name} could not be removed");
}

/// Removes what a killed test left behind.
fn sweep() {
    let Ok(names) = fs::read_dir(NAMED) else { return };
    for name in names.filter_map(|entry| entry.ok()?.file_name().into_string().ok()) {
        let maker = name.strip_prefix(PREFIX).and_then(|rest| rest.split('-').next());
        if maker.is_some_and(|process| !Path::new("/proc").join(process).exists()) {
            // Another test may be sweeping too.
            let _ = ip(&["netns", "delete", &name]);
        }
    }
}

/// A client and a server with a router between them, which can stop forwarding without a word.
#[derive(Debug)]
pub struct Routed {
    pub client: Namespace,
    pub router: Namespace,
    pub server: Namespace,
}

impl Routed {
    /// The addresses, and the name of the only interface, of client and server.
    pub const CLIENT: &'static str = "10.81.1.2";
    pub const SERVER: &'static str = "10.81.2.2";
    pub const INTERFACE: &'static str = "eth0";

    /// All wires are laid and the router forwards.
    ///
    /// # Errors
    /// This computer cannot make namespaces.
    pub fn new() -> Result<Self, SkipReason> {
        let routed = Self { client: Namespace::new()?, router: Namespace::new()?, server: Namespace::new()? };
        let Self { client, router, server } = &routed;
        client.wire((Self::INTERFACE, "10.81.1.2/24"), router, ("client", "10.81.1.1/24"));
        server.wire((Self::INTERFACE, "10.81.2.2/24"), router, ("server", "10.81.2.1/24"));
        client.ip("route add default via 10.81.1.1");
        server.ip("route add default via 10.81.2.1");
        routed.forward(true);
        Ok(routed)
    }

    /// False makes the router a black hole in both directions: it drops what is not for itself and tells nobody.
    pub fn forward(&self, forward: bool) {
        self.router.set("ipv4/ip_forward", if forward { "1" } else { "0" });
    }
}
