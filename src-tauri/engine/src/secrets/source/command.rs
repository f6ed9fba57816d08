//! A secret that a program prints, such as a password store's command. No shell is involved.

use std::io;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};
use tokio::time::timeout;
use zeroize::Zeroizing;

use heartwire_core::cause::Cause;
use heartwire_core::secret::Secret;

use super::{READ_MOST, line_of, missing, shown};

/// How long what a program printed is waited for once it has ended. What it left behind, such as an agent, may keep its
/// output open for ever.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// The first line that the program prints. It is killed when this future is dropped.
pub(super) async fn first_line(words: &[String], word: &str) -> Result<Secret, Cause> {
    let name = name(words);
    let wrong = |what: String| missing(format!("no {word}: the command {name} {what}"));
    let (program, arguments) = words.split_first().ok_or_else(|| wrong("is empty: change the settings".to_owned()))?;
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| wrong(format!("cannot be started ({error}): install it, or change the settings")))?;
    let (mut printed, mut said) = (buffer(), buffer());
    let ended =
        until_end(&mut child, &mut printed, &mut said).await.map_err(|error| wrong(format!("was lost ({error})")))?;
    if !ended.success() {
        let said = String::from_utf8_lossy(&said);
        let said = match said.lines().next().map(str::trim).filter(|line| !line.is_empty()) {
            Some(line) => format!(": {}", shown(line)),
            None => String::new(),
        };
        return Err(wrong(format!("failed ({ended}){said}; see what it says in a terminal, or change the settings")));
    }
    match line_of(&printed) {
        Ok(Some(secret)) => Ok(secret),
        Ok(None) => Err(wrong(format!("printed nothing; its first line is to be the {word}"))),
        Err(_) => Err(wrong("printed something that is no text".to_owned())),
    }
}

/// Only the program's name: its arguments may be a secret.
pub(super) fn name(words: &[String]) -> String {
    shown(words.first().map_or("", String::as_str))
}

/// Reads what the program prints and says until it has ended.
async fn until_end(child: &mut Child, printed: &mut Vec<u8>, said: &mut Vec<u8>) -> io::Result<ExitStatus> {
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let reading = async { tokio::join!(whole(stdout, printed), whole(stderr, said)) };
    tokio::pin!(reading);
    tokio::select! {
        _ = &mut reading => child.wait().await,
        ended = child.wait() => {
            // What was read until then counts, whether that was all or not.
            let _ = timeout(LAST_WORDS, reading).await;
            ended
        }
    }
}

fn buffer() -> Zeroizing<Vec<u8>> {
    Zeroizing::new(Vec::with_capacity(4096))
}

/// Everything up to a bound; beyond it the pipe is closed, which ends a program that prints for ever. What was read is in
/// `read` at any time.
async fn whole(pipe: Option<impl AsyncRead + Unpin>, read: &mut Vec<u8>) {
    let Some(pipe) = pipe else { return };
    let mut pipe = pipe.take(READ_MOST);
    // What was read before an error still tells something.
    while let Ok(1..) = pipe.read_buf(read).await {}
}
