//! A secret that a program prints, such as a password store's command. No shell is involved.

use std::process::Stdio;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Command;
use zeroize::Zeroizing;

use heartwire_core::cause::Cause;
use heartwire_core::secret::Secret;

use super::{READ_MOST, line_of, missing, shown};

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
    let (printed, said) = tokio::join!(whole(child.stdout.take()), whole(child.stderr.take()));
    let ended = child.wait().await.map_err(|error| wrong(format!("was lost ({error})")))?;
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

/// Everything up to a bound; beyond it the pipe is closed, which ends a program that prints for ever.
async fn whole(pipe: Option<impl AsyncRead + Unpin>) -> Zeroizing<Vec<u8>> {
    let mut read = Zeroizing::new(Vec::with_capacity(4096));
    if let Some(pipe) = pipe {
        // What was read before an error still tells something.
        let _ = pipe.take(READ_MOST).read_to_end(&mut read).await;
    }
    read
}
