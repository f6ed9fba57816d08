//! Ten thousand reconnects, against a server in another process that ends connections in every way there is: what they
//! leave behind in this one.

use std::time::Duration;

use heartwire_core::view::LinkState;
use heartwire_engine::driver::Command;
use tokio::runtime::Handle;
use xtask::bench::{Row, Target};

use super::{Failure, Measure, show};
use crate::child::Server;
use crate::links::{Link, Times, connection};
use crate::process::{descriptors, fin_wait_1, memory};
use crate::stats::float64;

const LINKS: u64 = 200;
const ROUNDS: u64 = 50;
/// The rounds after which nothing may grow any more.
const WARM: u64 = ROUNDS / 4;
/// What the allocator may keep or give back by chance, in MiB.
const TARGET_GROWTH_MIB: f64 = 1.0;
/// Silence is one of the ways to end; a busy machine is not to be taken for it.
const TIMES: Times = Times {
    every: Duration::from_millis(300),
    timeout: Duration::from_millis(700),
    reconnect: (Duration::from_millis(100), Duration::from_millis(100)),
};

/// What this process has.
#[derive(Clone, Copy, Debug)]
struct Counted {
    descriptors: usize,
    tasks: usize,
    rss_mib: f64,
}

impl Counted {
    fn now() -> Result<Self, Failure> {
        let pid = std::process::id();
        Ok(Self {
            descriptors: descriptors(pid)?,
            tasks: Handle::current().metrics().num_alive_tasks(),
            rss_mib: float64(memory(pid)?.rss) / 1024.0,
        })
    }
}

pub async fn cycles(_: Measure) -> Result<(), Failure> {
    let server = Server::unfriendly()?;
    let before = Counted::now()?;
    let connection = connection(server.port, &TIMES)?;
    let mut links: Vec<_> = (0..LINKS).map(|seed| Link::start(connection.clone(), seed)).collect();
    let mut warm = before;
    for round in 1..=ROUNDS {
        for link in &mut links {
            link.until(LinkState::Connected).await?;
        }
        if round == WARM {
            warm = Counted::now()?;
        }
    }
    let end = Counted::now()?;
    for link in &links {
        link.driver.command(Command::Stop);
    }
    for link in links {
        link.end().await;
    }
    tell(before, warm, end, Counted::now()?, fin_wait_1(server.port)?);
    Ok(())
}

fn tell(before: Counted, warm: Counted, end: Counted, after: Counted, orphans: usize) {
    let growth = end.rss_mib - warm.rss_mib;
    let flat = after.descriptors <= before.descriptors
        && after.tasks <= before.tasks
        && end.tasks <= warm.tasks
        && growth <= TARGET_GROWTH_MIB
        && orphans == 0;
    show(&Row {
        figure: format!("{} reconnect cycles of {LINKS} links", LINKS * ROUNDS),
        seen: format!(
            "descriptors {} before, {} after; tasks {} before, {} after {} cycles, {} at the end, {} after; RSS {:.1} MiB \
             after {} cycles, {:.1} MiB at the end; {orphans} in FIN_WAIT1",
            before.descriptors,
            after.descriptors,
            before.tasks,
            warm.tasks,
            LINKS * WARM,
            end.tasks,
            after.tasks,
            warm.rss_mib,
            LINKS * WARM,
            end.rss_mib
        ),
        target: Some(Target::when(format!("flat (RSS within {TARGET_GROWTH_MIB} MiB), none in FIN_WAIT1"), flat)),
        peer: String::new(),
    });
}
