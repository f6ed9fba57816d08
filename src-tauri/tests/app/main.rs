//! End-to-end tests: the real binary, real servers written with other libraries, a real desktop without a screen.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "these are tests as a whole: their helpers may fail them too")]

mod causes;
mod check;
mod desktop;
mod faults;
mod listen;
mod log_file;
mod presets;
mod resident;
mod server;
mod tray;
mod wrong_input;
