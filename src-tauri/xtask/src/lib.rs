//! Heartwire's development commands, `cargo xtask run|test|check|bench`, and what the end-to-end tests need: a desktop of
//! their own ([`desktop`]), a WebDriver client ([`webdriver`]) and servers by others ([`tools`]).

pub mod check;
pub mod command;
pub mod dirs;
pub mod packages;
pub mod prepare;
pub mod run;
pub mod summary;
pub mod test;
pub mod ui;
