//! The command line, as promised in the README: names, options and exit codes do not change.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use heartwire_core::control::WindowView;

const ABOUT: &str = "Keeps WebSockets alive and shows every message as a notification.

Without a command it starts in the tray; a second start asks the first one to show its window.";

const NOTES: &str =
    "HEARTWIRE_HOME=DIR puts configuration, data, logs and lock under DIR. HEARTWIRE_LOG=debug says more on stderr.
The app's log: DIR/logs/heartwire.log, or ~/.local/share/heartwire/logs/heartwire.log; a file a day, seven are kept.
Exit codes: 0 done, 1 the input was wrong, 2 usage, 3 the app is not running.";

/// The whole command line.
#[derive(Debug, Parser)]
#[command(name = "heartwire", version, about = ABOUT, long_about = None, after_help = NOTES)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Cli {
    /// Start with the window open; beside a running Heartwire: show its window.
    #[arg(long)]
    pub window: bool,
    /// What to do instead of starting in the tray.
    #[command(subcommand)]
    pub role: Option<Role>,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Role {
    /// The same engine without tray or window: events on stdout.
    Listen(ListenOptions),
    /// Validate a configuration: every error with file, line and what to do.
    Check {
        /// The configuration; without it the person's own.
        file: Option<PathBuf>,
        /// Also try this connection out, step by step, from its secret to its first message.
        #[arg(long, value_name = "NAME")]
        connect: Option<String>,
    },
    /// Send text over a connection of the running app.
    Send {
        /// The connection's name.
        name: String,
        /// The text of the frame.
        text: String,
    },
    /// Put a connection's password or token into the keyring; it is read from stdin, and not shown.
    Secret {
        /// The connection's name.
        name: String,
    },
    /// What the running app's connections are doing.
    Status {
        /// The whole state as one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// The built-in demo server, on this computer only.
    DemoServer {
        /// The port; 0 takes a free one.
        #[arg(long, default_value_t = 0)]
        port: u16,
        /// What it does, step by step; without it the built-in demo.
        #[arg(long)]
        script: Option<PathBuf>,
    },
    /// The window's process; the resident starts it.
    #[command(hide = true)]
    WindowProcess {
        /// The view to open with.
        #[arg(long, value_parser = view)]
        view: Option<WindowView>,
    },
}

/// `heartwire listen`.
#[derive(Debug, Args)]
pub struct ListenOptions {
    /// Connect only to this address, with the defaults; the connection is named after its host.
    pub url: Option<String>,
    /// Read this configuration instead of the person's own.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// One JSON object a line.
    #[arg(long)]
    pub json: bool,
}

fn view(word: &str) -> Result<WindowView, String> {
    let views = [WindowView::Connections, WindowView::History, WindowView::Messages, WindowView::Settings];
    views.into_iter().find(|view| view.word() == word).ok_or_else(|| format!("{word} is no view"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn what_is_promised_parses_and_nothing_else() {
        let check = |line: &str| Cli::try_parse_from(line.split(' ')).map_err(|error| error.exit_code());
        for line in [
            "heartwire",
            "heartwire --window",
            "heartwire listen",
            "heartwire listen ws://127.0.0.1:1/ --json",
            "heartwire listen --config a.toml",
            "heartwire check",
            "heartwire check a.toml",
            "heartwire check --connect crm",
            "heartwire check a.toml --connect crm",
            "heartwire send crm hello",
            "heartwire secret crm",
            "heartwire status --json",
            "heartwire demo-server --port 8080 --script a.toml",
            "heartwire window-process --view settings",
        ] {
            assert!(check(line).is_ok(), "{line}");
        }
        for line in [
            "heartwire fly",
            "heartwire send crm",
            "heartwire check --connect",
            "heartwire secret crm hunter2",
            "heartwire --window status",
            "heartwire demo-server --port x",
        ] {
            assert_eq!(check(line).err(), Some(2), "{line}");
        }
    }
}
