//! `heartwire-bench FIGURE`: measures one of the link's figures beside its peers and prints rows of the table that
//! `cargo xtask bench` shows. One process a figure, so that none is warmed up or littered by another.

#[cfg(target_os = "linux")]
mod child;
#[cfg(target_os = "linux")]
mod client;
#[cfg(target_os = "linux")]
mod figures;
#[cfg(target_os = "linux")]
mod links;
#[cfg(target_os = "linux")]
mod peer;
#[cfg(target_os = "linux")]
mod process;
#[cfg(target_os = "linux")]
mod server;
#[cfg(target_os = "linux")]
mod stats;

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    figures::main()
}

#[cfg(not(target_os = "linux"))]
fn main() -> std::process::ExitCode {
    use std::io::Write;

    // Nobody is left to tell when stderr is gone.
    let _ = writeln!(std::io::stderr(), "error: the link's figures are counted in /proc: measure them on Linux");
    std::process::ExitCode::FAILURE
}
