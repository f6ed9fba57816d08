//! The kernel's table of TCP sockets: also of those that belong to no process any more.

#![allow(dead_code, reason = "each test binary uses its own part of this")]

use std::fs;
use std::path::Path;

/// A line of the kernel's table of TCP sockets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub local_port: u16,
    pub remote_port: u16,
    pub state: TcpState,
    /// A process has a descriptor of it. Without one the kernel goes on alone.
    pub held: bool,
}

/// The states that tests ask for (`include/net/tcp_states.h`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TcpState {
    Established,
    SynSent,
    FinWait1,
    TimeWait,
    Listen,
    Other(u8),
}

impl Entry {
    /// Reads a table of this process's own network, or of the thread's, by the directory that it is in.
    pub fn table(directory: &str, table: &str) -> Vec<Self> {
        // A computer without IPv6 has no table for it.
        let text = fs::read_to_string(Path::new(directory).join(table)).unwrap_or_default();
        Self::parse_all(text.lines().skip(1))
    }

    /// Those of 127.0.0.1 whose other end is at this port.
    pub fn to_port(port: u16) -> Vec<Self> {
        let text = fs::read_to_string("/proc/self/net/tcp").unwrap_or_default();
        let needle = format!(" 0100007F:{port:04X} ");
        let mut entries = Self::parse_all(text.lines().filter(|line| line.contains(&needle)));
        entries.retain(|entry| entry.remote_port == port);
        entries
    }

    fn parse_all<'a>(lines: impl Iterator<Item = &'a str>) -> Vec<Self> {
        lines.map(|line| Self::parse(line).unwrap_or_else(|| panic!("{line:?}"))).collect()
    }

    fn parse(line: &str) -> Option<Self> {
        let fields: Vec<_> = line.split_whitespace().collect();
        let port = |field: &str| u16::from_str_radix(field.rsplit_once(':')?.1, 16).ok();
        let state = match u8::from_str_radix(fields.get(3)?, 16).ok()? {
            1 => TcpState::Established,
            2 => TcpState::SynSent,
            4 => TcpState::FinWait1,
            6 => TcpState::TimeWait,
            10 => TcpState::Listen,
            other => TcpState::Other(other),
        };
        let held = *fields.get(9)? != "0";
        Some(Self { local_port: port(fields.get(1)?)?, remote_port: port(fields.get(2)?)?, state, held })
    }
}

/// Which ports of 127.0.0.1 a process has more than one socket to, of these. The table is not read in one moment, so that a
/// socket which was just closed may stand beside the next one; what is there the second time too really is beside others.
pub fn with_several(ports: &[u16]) -> Vec<u16> {
    let held = || {
        let text = fs::read_to_string("/proc/self/net/tcp").unwrap_or_default();
        let ours = |line: &&str| {
            let at = line.split_whitespace().nth(2).and_then(|at| at.strip_prefix("0100007F:"));
            at.and_then(|port| u16::from_str_radix(port, 16).ok()).is_some_and(|port| ports.contains(&port))
        };
        let mut entries = Entry::parse_all(text.lines().filter(ours));
        entries.retain(|entry| entry.held);
        // While sockets come and go around it, the kernel may list one twice.
        entries.sort_by_key(|entry| entry.local_port);
        entries.dedup_by_key(|entry| entry.local_port);
        entries
    };
    let several = |entries: &[Entry]| {
        let count = |port: &&u16| entries.iter().filter(|entry| entry.remote_port == **port).count();
        ports.iter().filter(|port| count(port) > 1).copied().collect::<Vec<_>>()
    };
    let first = held();
    if several(&first).is_empty() {
        return Vec::new();
    }
    let mut still = held();
    still.retain(|entry| first.iter().any(|before| before.local_port == entry.local_port));
    several(&still)
}
