//! Heartwire's development commands, `cargo xtask run|test|check|bench|autobahn|sim|herd|fuzz|loss`, and what tests need:
//! servers ([`server`]), a desktop of their own ([`desktop`]), its tray ([`tray`]) and a WebDriver client ([`webdriver`]).

#[cfg(unix)]
pub mod autobahn;
#[cfg(unix)]
pub mod bench;
#[cfg(unix)]
pub mod bus;
pub mod check;
pub mod command;
#[cfg(unix)]
pub mod desktop;
pub mod dirs;
pub mod loss;
pub mod packages;
pub mod prepare;
#[cfg(unix)]
pub mod process;
pub mod run;
#[cfg(unix)]
pub mod server;
pub mod sim;
pub mod summary;
pub mod test;
pub mod tools;
#[cfg(unix)]
mod tour;
#[cfg(unix)]
pub mod tray;
pub mod ui;
#[cfg(unix)]
pub mod webdriver;
