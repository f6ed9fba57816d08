//! `heartwire secret`: a connection's password or token, from the keyboard or a pipe into the keyring. It is never an
//! argument, which other programs on this computer could read.

use std::io::{self, BufRead, IsTerminal};

use heartwire_core::control::Request;
use heartwire_core::secret::{SECRET_MAX, Secret};

use super::ask::ask;
use crate::exit::{Ended, Failure, of_reply};

/// Reads one line and hands it to the running app.
pub fn run(connection: String) -> Ended {
    let secret = read(&connection).map_err(|error| Failure::wrong(format!("nothing could be read: {error}")))?;
    of_reply(ask(Request::SetSecret { connection, secret })?)
}

fn read(connection: &str) -> io::Result<Secret> {
    if io::stdin().is_terminal() {
        return rpassword::prompt_password(format!("Password or token of {connection} (not shown): ")).map(Secret::new);
    }
    first_line(io::stdin().lock())
}

/// The first line without its end; what is too long is so for the app too, which says it.
fn first_line(from: impl BufRead) -> io::Result<Secret> {
    let mut line = String::with_capacity(SECRET_MAX + 2);
    from.take(SECRET_MAX as u64 + 2).read_line(&mut line)?;
    if line.ends_with('\n') {
        line.truncate(line.trim_end_matches(['\r', '\n']).len());
    }
    Ok(Secret::new(line))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_is_the_secret_and_keeps_its_blanks() {
        let check = |given: &str, secret: &str| assert_eq!(first_line(given.as_bytes()).unwrap().expose(), secret);
        check("abc\ndef\n", "abc");
        check("abc\r\n", "abc");
        check(" a b ", " a b ");
        check("", "");
        check(&"x".repeat(SECRET_MAX + 5), &"x".repeat(SECRET_MAX + 2));
    }
}
