//! This program once more, in another role and a process of its own: what is measured must not share its memory and its
//! processor time with what it is measured against.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use crate::figures::Failure;

/// Another process of this program. It ends with us: its stdin closes.
pub struct Role {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
}

impl Role {
    /// Starts it.
    pub fn start(args: &[&str]) -> Result<Self, Failure> {
        let program = std::env::current_exe()?;
        let mut child = Command::new(program).args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let stdin = child.stdin.take();
        let stdout = child.stdout.take().ok_or("a child without stdout")?;
        Ok(Self { child, stdin, stdout: BufReader::new(stdout) })
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The next line it prints.
    pub fn hear(&mut self) -> Result<String, Failure> {
        let mut line = String::new();
        if self.stdout.read_line(&mut line)? == 0 {
            return Err(format!("the other process ended: {}", self.child.wait()?).into());
        }
        Ok(line.trim_end().to_owned())
    }

    /// Gives it a line and waits for its answer.
    pub fn ask(&mut self, line: &str) -> Result<String, Failure> {
        let stdin = self.stdin.as_mut().ok_or("a child without stdin")?;
        writeln!(stdin, "{line}")?;
        stdin.flush()?;
        self.hear()
    }
}

impl Drop for Role {
    fn drop(&mut self) {
        self.stdin = None;
        // It ends when its stdin does; if it cannot, it is not waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The server's process, and the port it serves.
pub struct Server {
    _role: Role,
    pub port: u16,
}

impl Server {
    /// One that answers every ping.
    pub fn friendly() -> Result<Self, Failure> {
        Self::start("friendly")
    }

    /// One that ends its connections in every way there is.
    pub fn unfriendly() -> Result<Self, Failure> {
        Self::start("unfriendly")
    }

    fn start(kind: &str) -> Result<Self, Failure> {
        let mut role = Role::start(&["serve", kind])?;
        let port = role.hear()?.parse()?;
        Ok(Self { _role: role, port })
    }
}
