//! The log: lines on stderr and, for the resident, which has no terminal, in a file too; chosen by `HEARTWIRE_LOG`
//! (usually `info`). What may be in them is decided where they are written: no secrets, no message bodies above
//! DEBUG. What other crates say below INFO may hold either (the headers of an upgrade, frames) and never reaches the file.

use std::path::Path;

use tracing::{Level, Metadata};
use tracing_appender::non_blocking::{NonBlocking, NonBlockingBuilder, WorkerGuard};
use tracing_appender::rolling::{Builder, InitError, Rotation};
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

/// The file's name; the day is put behind it, and a link of this name leads to the newest.
const FILE: &str = "heartwire.log";
/// A file a day, and so many are kept.
const DAYS: usize = 7;
/// Lines that wait for a slow disk; more than these are left out, for nothing else may wait for it.
const LINES_WAITING: usize = 4096;
/// The target of what stderr is told in other words.
pub const FILE_ONLY: &str = "heartwire::file";

/// The running log; what is still on its way to the file is written when this is dropped.
#[derive(Debug)]
pub struct Log {
    _file: Option<WorkerGuard>,
}

/// Starts the log for this process; with a folder, also in a file there. A file that cannot be had is told on stderr and
/// stops nothing. `usual` is the filter where `HEARTWIRE_LOG` gives none. Call it before any thread is started.
pub fn start(folder: Option<&Path>, usual: &str) -> Log {
    let (filter, problem) = match std::env::var("HEARTWIRE_LOG") {
        Ok(wanted) => match EnvFilter::try_new(&wanted) {
            Ok(filter) => (filter, None),
            Err(error) => (EnvFilter::new(usual), Some(error)),
        },
        Err(_) => (EnvFilter::new(usual), None),
    };
    let (file, guard, no_file) = match folder.map(open) {
        None => (None, None, None),
        Some(Ok((file, guard))) => (Some(file), Some(guard), None),
        Some(Err(error)) => (None, None, Some(error)),
    };
    let to_stderr = lines()
        .with_writer(std::io::stderr)
        // Without colours: the library's feature for them is off, and a terminal must not end us.
        .with_ansi(false)
        .with_filter(filter_fn(|line| line.target() != FILE_ONLY));
    let to_file = file.map(|file| lines().with_writer(file).with_ansi(false).with_filter(filter_fn(may_be_kept)));
    let started = tracing_subscriber::registry().with(filter).with(to_stderr).with(to_file).try_init();
    if let Err(error) = started {
        crate::out::error(&format!("the log could not be started: {error}"));
    }
    if let Some(error) = problem {
        tracing::warn!(%error, "HEARTWIRE_LOG is not a filter such as `info` or `heartwire_engine=debug`: using `{usual}`");
    }
    if let (Some(error), Some(folder)) = (no_file, folder) {
        tracing::warn!(%error, folder = %folder.display(), "there is no log file: this is said here only");
    }
    Log { _file: guard }
}

/// The same lines everywhere. That one cannot be written is not told on stderr: that may be what cannot be written to.
fn lines<S>() -> tracing_subscriber::fmt::Layer<S> {
    tracing_subscriber::fmt::Layer::default().with_target(false).log_internal_errors(false)
}

/// Whether a line may be on the disk for days.
fn may_be_kept(line: &Metadata<'_>) -> bool {
    let ours = line.target().starts_with("heartwire");
    *line.level() <= if ours { Level::DEBUG } else { Level::INFO }
}

/// Opens today's file, and removes those that are too old.
fn open(folder: &Path) -> Result<(NonBlocking, WorkerGuard), InitError> {
    // The library makes the files, a new one each night, with the mode that is left to it here: this user's alone, as
    // everything that the resident writes.
    #[cfg(unix)]
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    let files = || Builder::new().rotation(Rotation::DAILY).filename_prefix(FILE).max_log_files(DAYS);
    // Not every file system has links, and not every user may make them.
    let file = files().latest_symlink(FILE).build(folder).or_else(|_| files().build(folder))?;
    let queue = NonBlockingBuilder::default().lossy(true).buffered_lines_limit(LINES_WAITING);
    Ok(queue.thread_name("heartwire-log").finish(file))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::io::Write;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[cfg(unix)]
    #[test]
    fn todays_file_is_this_users_alone_and_found_under_one_name() {
        use std::os::unix::fs::MetadataExt;
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("deep/logs");
        for line in ["first\n", "second\n"] {
            let (mut file, guard) = open(&folder).unwrap();
            file.write_all(line.as_bytes()).unwrap();
            drop(guard);
        }
        let newest = folder.join(FILE);
        assert_eq!(fs::read_to_string(&newest).unwrap(), "first\nsecond\n");
        assert_eq!(fs::metadata(&newest).unwrap().mode() & 0o777, 0o600);
        assert_eq!(fs::metadata(&folder).unwrap().mode() & 0o777, 0o700);
    }

    #[test]
    fn other_crates_frames_and_headers_are_not_kept() {
        struct Count(Arc<AtomicUsize>);
        impl<S: tracing::Subscriber> Layer<S> for Count {
            fn on_event(&self, _: &tracing::Event<'_>, _: tracing_subscriber::layer::Context<'_, S>) {
                self.0.fetch_add(1, Ordering::Relaxed);
            }
        }
        let kept = |say: fn()| {
            let count = Arc::new(AtomicUsize::new(0));
            let layer = Count(count.clone()).with_filter(filter_fn(may_be_kept));
            tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), say);
            count.load(Ordering::Relaxed) == 1
        };
        assert!(kept(|| tracing::info!(target: "tungstenite", "")));
        assert!(!kept(|| tracing::debug!(target: "tungstenite::handshake", "")));
        assert!(!kept(|| tracing::trace!(target: "zbus", "")));
        assert!(kept(|| tracing::debug!(target: "heartwire_engine::driver", "")));
        assert!(!kept(|| tracing::trace!(target: "heartwire_engine::driver", "")));
        assert!(kept(|| tracing::error!(target: FILE_ONLY, "")));
    }

    #[test]
    fn a_week_is_kept_and_nothing_of_anybody_else_goes() {
        let folder = tempfile::tempdir().unwrap();
        for day in 10..22 {
            fs::write(folder.path().join(format!("{FILE}.2020-01-{day}")), "old").unwrap();
        }
        fs::write(folder.path().join("mine.txt"), "").unwrap();
        drop(open(folder.path()).unwrap());
        let names = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
        let mut names: Vec<_> = names.map(|name| name.into_string().unwrap()).collect();
        names.sort();
        assert!(names.contains(&"mine.txt".to_owned()), "{names:?}");
        let days: Vec<_> = names.iter().filter(|name| name.starts_with("heartwire.log.")).collect();
        assert_eq!(days.len(), DAYS, "{names:?}");
        assert_eq!(days.iter().filter(|name| name.contains(".2020-")).count(), DAYS - 1, "today's is among them");
    }

    #[test]
    fn what_is_in_the_way_of_the_link_is_no_obstacle() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join(FILE)).unwrap();
        let (mut file, guard) = open(folder.path()).unwrap();
        file.write_all(b"line\n").unwrap();
        drop(guard);
        let today = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path()).find(|path| path.is_file());
        assert_eq!(fs::read_to_string(today.unwrap()).unwrap(), "line\n");
    }

    #[test]
    fn a_folder_that_cannot_be_had_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("logs");
        fs::write(&file, "").unwrap();
        assert!(open(&file).is_err());
    }
}
