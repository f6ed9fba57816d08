//! What the kernel says of a process, and of its sockets.

use std::fs;
use std::time::Duration;

use xtask::bench::kib;

use crate::figures::Failure;

/// Its memory, in KiB.
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    pub rss: u64,
    pub private_dirty: u64,
}

/// The memory of this process.
pub fn memory(pid: u32) -> Result<Memory, Failure> {
    let rollup = read(&format!("/proc/{pid}/smaps_rollup"))?;
    Ok(Memory { rss: kib(&rollup, "Rss"), private_dirty: kib(&rollup, "Private_Dirty") })
}

/// The processor time that all its threads have used.
pub fn cpu(pid: u32) -> Result<Duration, Failure> {
    let mut nanoseconds = 0;
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        // A thread may end while we look.
        let Ok(stat) = fs::read_to_string(task?.path().join("schedstat")) else { continue };
        nanoseconds += stat.split(' ').next().and_then(|field| field.parse::<u64>().ok()).unwrap_or_default();
    }
    Ok(Duration::from_nanos(nanoseconds))
}

/// How often its threads went to sleep of their own will, which is how often they were woken.
pub fn wakeups(pid: u32) -> Result<u64, Failure> {
    let mut count = 0;
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        let Ok(status) = fs::read_to_string(task?.path().join("status")) else { continue };
        let line = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
        count += line.and_then(|count| count.trim().parse::<u64>().ok()).unwrap_or_default();
    }
    Ok(count)
}

/// Its open descriptors.
pub fn descriptors(pid: u32) -> Result<usize, Failure> {
    Ok(fs::read_dir(format!("/proc/{pid}/fd"))?.count())
}

/// How many sockets to this port of ours wait in `FIN_WAIT1` for a peer that never answers.
pub fn fin_wait_1(port: u16) -> Result<usize, Failure> {
    Ok(count_fin_wait_1(&read("/proc/net/tcp")?, port))
}

fn count_fin_wait_1(table: &str, port: u16) -> usize {
    let remote = format!(":{port:04X}");
    let waits = |line: &&str| {
        let fields: Vec<_> = line.split_whitespace().collect();
        fields.get(2).is_some_and(|at| at.ends_with(&remote)) && fields.get(3) == Some(&"04")
    };
    table.lines().filter(waits).count()
}

/// Lets this process, and those it starts, have as many descriptors as the system allows it; a failure if that is fewer.
pub fn want_descriptors(count: u64) -> Result<(), Failure> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|current| current >= count) {
        return Ok(());
    }
    let maximum = limit.maximum.map(|maximum| maximum.max(count));
    // Root may raise the maximum too; who may not keeps what there is.
    let raised = setrlimit(Resource::Nofile, Rlimit { current: Some(count), maximum });
    raised.map_err(|error| {
        format!("{count} descriptors are needed and may not be had ({error}): raise the limit with `ulimit -n {count}`")
            .into()
    })
}

fn read(path: &str) -> Result<String, Failure> {
    fs::read_to_string(path).map_err(|error| format!("{path}: {error}").into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_sockets_to_the_port_that_wait_are_counted() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue\n\
                     0: 0100007F:1F90 0100007F:2328 04 0 0\n\
                     1: 0100007F:2328 0100007F:1F90 04 0 0\n\
                     2: 0100007F:1F91 0100007F:2328 01 0 0\n";
        assert_eq!(count_fin_wait_1(table, 0x2328), 1);
    }

    #[test]
    fn this_process_has_memory_threads_and_descriptors() {
        let pid = std::process::id();
        let memory = memory(pid).unwrap();
        assert!(memory.rss >= memory.private_dirty && memory.private_dirty > 0, "{memory:?}");
        assert!(cpu(pid).unwrap() > Duration::ZERO);
        assert!(descriptors(pid).unwrap() >= 3);
        let before = wakeups(pid).unwrap();
        std::thread::sleep(Duration::from_millis(5));
        assert!(wakeups(pid).unwrap() > before);
    }
}
