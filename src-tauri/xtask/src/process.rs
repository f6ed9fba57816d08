//! A program that runs beside us: ended and reaped when its owner goes, by its own process id and nothing else's.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, TcpListener};
use std::process::{Child, Command, ExitStatus};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::command::{Failure, show};
use crate::packages::is_installed;

/// How long a program may take to end after SIGTERM before it gets SIGKILL.
const END_WITHIN: Duration = Duration::from_secs(5);

/// A running program.
#[derive(Debug)]
pub struct Running {
    child: Child,
    name: String,
}

impl Running {
    /// Starts it. It also ends when the thread that started it ends, so keep the two together.
    pub fn start(command: &mut Command) -> Result<Self, Failure> {
        let name = show(command);
        let child = command.spawn().map_err(Failure::io(format!("`{name}` could not be started")))?;
        Ok(Self { child, name })
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The processes that it started and that have not ended.
    pub fn children(&self) -> Vec<Pid> {
        children(self.id()).into_iter().filter_map(|id| Pid::from_raw(i32::try_from(id).ok()?)).collect()
    }

    /// The command line it was started with.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The child itself, for its pipes.
    pub fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// The lines of its stdout, which must be piped and is taken by this. They are read as they come, so that it never
    /// waits for us.
    pub fn lines(&mut self) -> Receiver<String> {
        let (sender, lines) = channel();
        let stdout = self.child.stdout.take();
        thread::spawn(move || {
            let lines = stdout.into_iter().flat_map(|stdout| BufReader::new(stdout).lines());
            for line in lines.map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        lines
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) -> Result<(), Failure> {
        kill_process(Pid::from_child(&self.child), signal)
            .map_err(|error| Failure::new(format!("sending a signal to `{}`: {error}", self.name)))
    }

    /// How it ended, if it does within this time.
    pub fn wait(&mut self, within: Duration) -> Option<ExitStatus> {
        let deadline = Instant::now() + within;
        loop {
            match self.ended() {
                Some(status) => return Some(status),
                None if Instant::now() >= deadline => return None,
                None => thread::sleep(Duration::from_millis(5)),
            }
        }
    }

    /// Ends it: SIGTERM first, SIGKILL if that is not enough.
    pub fn stop(&mut self) {
        if self.ended().is_some() {
            return;
        }
        // A stopped process acts on no signal but SIGKILL and SIGCONT. Errors mean that it is gone, which is what is wanted.
        let _ = self.signal(Signal::TERM);
        let _ = self.signal(Signal::CONT);
        if self.wait(END_WITHIN).is_none() {
            self.kill();
        }
    }

    /// Ends it as a crash does: SIGKILL.
    pub fn kill(&mut self) {
        // Errors mean that it is gone.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The command, run so that it ends with the thread that starts it even if we are killed; where `setpriv` (util-linux) is
/// missing, without that.
pub fn tied(program: &str) -> Command {
    if !is_installed("setpriv") {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "TERM", "--", program]);
    command
}

/// The processes that this one started and that have not ended.
pub fn children(id: u32) -> Vec<u32> {
    // A task may end while it is looked at.
    let tasks = fs::read_dir(format!("/proc/{id}/task")).into_iter().flatten().flatten();
    let lists = tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    let ids = lists.flat_map(|list| list.split_whitespace().filter_map(|id| id.parse().ok()).collect::<Vec<_>>());
    // A zombie has no command line.
    ids.filter(|id| fs::read(format!("/proc/{id}/cmdline")).is_ok_and(|line| !line.is_empty())).collect()
}

/// A port that nobody listens at; the server that asks for it next gets it.
pub fn free_port() -> Result<u16, Failure> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(Failure::io("looking for a free port"))?;
    Ok(listener.local_addr().map_err(Failure::io("looking for a free port"))?.port())
}

/// Asks until there is an answer, every 20 ms at most; none within the time is a failure that names what was awaited.
pub fn eventually<T>(what: &str, within: Duration, mut look: impl FnMut() -> Option<T>) -> Result<T, Failure> {
    let deadline = Instant::now() + within;
    loop {
        if let Some(found) = look() {
            return Ok(found);
        }
        if Instant::now() >= deadline {
            return Err(Failure::new(format!("waited {} s for {what}", within.as_secs_f32())));
        }
        thread::sleep(Duration::from_millis(20));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_there(id: u32) -> bool {
        std::path::Path::new(&format!("/proc/{id}")).exists()
    }

    #[test]
    fn a_program_ends_with_its_owner_even_when_it_is_stopped() {
        let running = Running::start(tied("sleep").arg("600")).unwrap();
        running.signal(Signal::STOP).unwrap();
        let id = running.id();
        assert!(is_there(id));
        drop(running);
        assert!(!is_there(id));
    }

    #[test]
    fn a_program_ends_with_the_thread_that_started_it() {
        if !is_installed("setpriv") {
            return;
        }
        let forgotten = thread::spawn(|| {
            let mut command = tied("sh");
            let running =
                Running::start(command.args(["-c", "echo ready; exec sleep 600"]).stdout(std::process::Stdio::piped()));
            let mut running = running.unwrap();
            // The signal is arranged before the program starts, so once it speaks there is no race.
            let mut first = [0; 1];
            std::io::Read::read_exact(running.child().stdout.as_mut().unwrap(), &mut first).unwrap();
            let id = running.id();
            std::mem::forget(running);
            id
        });
        let id = forgotten.join().unwrap();
        let gone = || {
            let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).ok();
            stat.is_none_or(|stat| stat.contains(") Z ")).then_some(())
        };
        eventually("the program to end", Duration::from_secs(5), gone).unwrap();
    }

    #[test]
    fn lines_come_as_they_are_said_until_the_program_is_killed() {
        let mut shell = Command::new("sh");
        shell.args(["-c", "echo one; echo two; exec sleep 600"]).stdout(std::process::Stdio::piped());
        let mut shell = Running::start(&mut shell).unwrap();
        let lines = shell.lines();
        let said = [(); 2].map(|()| lines.recv_timeout(Duration::from_secs(5)).unwrap());
        assert_eq!(said, ["one", "two"]);
        shell.kill();
        assert!(lines.recv().is_err());
    }

    #[test]
    fn children_are_those_that_live() {
        let mut shell = Command::new("sh");
        let mut shell = Running::start(shell.args(["-c", "sleep 600 & true & wait"])).unwrap();
        let one = || (shell.children().len() == 1).then(|| shell.children()[0]);
        let sleep = eventually("the one child that lives", Duration::from_secs(5), one).unwrap();
        kill_process(sleep, Signal::TERM).unwrap();
        assert!(shell.wait(Duration::from_secs(5)).is_some());
    }

    #[test]
    fn waiting_in_vain_names_what_was_awaited() {
        let failure = eventually("a miracle", Duration::from_millis(30), || None::<()>).unwrap_err();
        assert_eq!(failure.to_string(), "waited 0.03 s for a miracle");
    }
}
