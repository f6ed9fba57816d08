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
        text.lines().skip(1).map(|line| Self::parse(line).unwrap_or_else(|| panic!("{line:?}"))).collect()
    }

    /// Those of 127.0.0.1 whose other end is at this port.
    pub fn to_port(port: u16) -> Vec<Self> {
        Self::table("/proc/self/net", "tcp").into_iter().filter(|socket| socket.remote_port == port).collect()
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
