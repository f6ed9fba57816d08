//! System packages: which are needed for what, which are missing, and installing those on Debian and its relatives. On
//! other systems it names them and stops.

use std::collections::BTreeSet;
use std::path::Path;

use crate::command::{self, Failure, ask, command, say};

/// What the packages are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Building the app.
    Build,
    /// A private desktop, its window driven by WebDriver, screenshots.
    Desktop,
    /// The servers of the end-to-end tests.
    Servers,
    /// Networks of a test's own, which only root can make.
    Network,
    /// The proxies that the engine's dials are tested with, and openssl to check certificates against.
    Proxies,
    /// A message bus and a keyring of the engine's tests' own.
    Bus,
    /// Brokers that the dialects speak with.
    Brokers,
}

impl Need {
    /// Debian's and Ubuntu's names.
    fn debian(self) -> &'static [&'static str] {
        match self {
            Self::Build => &["build-essential", "pkg-config", "libwebkit2gtk-4.1-dev"],
            Self::Desktop => &[
                "adwaita-icon-theme",
                "dbus",
                "dunst",
                "fonts-dejavu-core",
                "fonts-inter",
                "fonts-noto-cjk",
                "librsvg2-common",
                "scrot",
                "systemd",
                "webkit2gtk-driver",
                "x11-xserver-utils",
                "wmctrl",
                "xfce4-panel",
                "xfconf",
                "xfwm4",
                "xvfb",
            ],
            Self::Servers => &["python3-venv"],
            Self::Network => &["iproute2"],
            Self::Proxies => &["microsocks", "openssl", "tinyproxy-bin", "util-linux"],
            Self::Bus => &["dbus", "gnome-keyring"],
            Self::Brokers => &["mosquitto", "rabbitmq-server"],
        }
    }

    /// What to type elsewhere; a title and the command.
    fn elsewhere(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Build => &[
                ("Fedora", "sudo dnf install @development-tools pkgconf webkit2gtk4.1-devel"),
                ("Arch", "sudo pacman -S --needed base-devel pkgconf webkit2gtk-4.1"),
                ("openSUSE", "sudo zypper install -t pattern devel_basis && sudo zypper install webkit2gtk3-devel"),
            ],
            Self::Desktop => &[
                (
                    "Fedora",
                    "sudo dnf install dbus-daemon dunst google-noto-sans-cjk-fonts scrot webkit2gtk4.1 wmctrl xfce4-panel xfconf xfwm4 xorg-x11-server-Xvfb xsetroot",
                ),
                (
                    "Arch",
                    "sudo pacman -S --needed dbus dunst noto-fonts-cjk scrot webkit2gtk-4.1 wmctrl xfce4-panel xfconf xfwm4 xorg-server-xvfb xorg-xsetroot",
                ),
                (
                    "openSUSE",
                    "sudo zypper install dbus-1-daemon dunst google-noto-sans-cjk-fonts scrot webkit2gtk-4_1-injected-bundles wmctrl xfce4-panel xfconf xfwm4 xorg-x11-server-Xvfb xsetroot",
                ),
            ],
            Self::Network => &[
                ("Fedora", "sudo dnf install iproute"),
                ("Arch", "sudo pacman -S --needed iproute2"),
                ("openSUSE", "sudo zypper install iproute2"),
            ],
            // Where they are missing, the tests that want them are skipped and say so.
            Self::Servers | Self::Proxies | Self::Bus | Self::Brokers => &[],
        }
    }

    /// Programs, or modules of pkg-config, that show on other systems whether the packages are there.
    fn signs(self) -> &'static [Sign] {
        match self {
            Self::Build => &[Sign::Program("cc"), Sign::Library("webkit2gtk-4.1")],
            Self::Desktop => &[
                Sign::Program("Xvfb"),
                Sign::Program("dbus-daemon"),
                Sign::Program("dunst"),
                Sign::Program("scrot"),
                Sign::Program("WebKitWebDriver"),
                Sign::Program("xfce4-panel"),
                Sign::Program("xfwm4"),
                Sign::Program("wmctrl"),
                Sign::Program("xsetroot"),
                Sign::Program("busctl"),
            ],
            Self::Servers => &[Sign::Program("python3")],
            Self::Network => &[Sign::Program("ip")],
            Self::Proxies | Self::Bus | Self::Brokers => &[],
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Sign {
    Program(&'static str),
    Library(&'static str),
}

impl Sign {
    fn name(self) -> &'static str {
        match self {
            Self::Program(name) | Self::Library(name) => name,
        }
    }

    fn is_there(self) -> bool {
        match self {
            Self::Program(name) => is_installed(name),
            Self::Library(name) => command("pkg-config").args(["--exists", name]).status().is_ok_and(|s| s.success()),
        }
    }
}

/// Whether the program is in the search path.
pub fn is_installed(program: &str) -> bool {
    std::env::var_os("PATH").is_some_and(|path| std::env::split_paths(&path).any(|dir| dir.join(program).is_file()))
}

/// Whether this process may do everything.
pub fn is_root() -> Result<bool, Failure> {
    Ok(ask(command("id").arg("-u"))?.trim() == "0")
}

/// Installs what is missing, or says what to install.
pub fn install(needs: &[Need]) -> Result<(), Failure> {
    if !cfg!(target_os = "linux") {
        // Windows and macOS bring their webview along.
        return Ok(());
    }
    if is_installed("apt-get") && is_installed("dpkg-query") { install_by_apt(needs) } else { name_missing(needs) }
}

fn install_by_apt(needs: &[Need]) -> Result<(), Failure> {
    let wanted: Vec<&str> = needs.iter().flat_map(|need| need.debian()).copied().collect();
    let listed = command("dpkg-query")
        .args(["-W", "-f", "${Package} ${db:Status-Status}\n"])
        .args(&wanted)
        .stderr(std::process::Stdio::null())
        .output()
        .map_err(Failure::io("dpkg-query could not be started"))?;
    let missing = missing(&wanted, &String::from_utf8_lossy(&listed.stdout));
    if missing.is_empty() {
        return Ok(());
    }
    say(format_args!("Installing {} missing system packages: {}", missing.len(), missing.join(" ")));
    let advice = "Run it by hand to see what apt needs, then start again.";
    command::run(as_root(&["apt-get", "-q", "update"])?.env("DEBIAN_FRONTEND", "noninteractive"), advice)?;
    let mut words = vec!["apt-get", "-q", "install", "-y", "--no-install-recommends"];
    words.extend(missing);
    command::run(as_root(&words)?.env("DEBIAN_FRONTEND", "noninteractive"), advice)
}

/// Those of `wanted` that dpkg-query does not list as installed.
fn missing<'a>(wanted: &[&'a str], listed: &str) -> Vec<&'a str> {
    let installed: BTreeSet<&str> = listed.lines().filter_map(|line| line.strip_suffix(" installed")).collect();
    wanted.iter().copied().filter(|package| !installed.contains(package)).collect()
}

/// The command, through sudo where we are not root.
fn as_root(words: &[&str]) -> Result<std::process::Command, Failure> {
    if is_root()? {
        let mut direct = command(words[0]);
        direct.args(&words[1..]);
        return Ok(direct);
    }
    if !is_installed("sudo") {
        let words = words.join(" ");
        return Err(Failure::new(format!(
            "Packages are missing and there is no sudo. As root, run `{words}`, then start again."
        )));
    }
    let mut sudo = command("sudo");
    // sudo drops the environment, so that apt would ask questions.
    sudo.args(["env", "DEBIAN_FRONTEND=noninteractive"]).args(words);
    Ok(sudo)
}

fn name_missing(needs: &[Need]) -> Result<(), Failure> {
    let mut lines = Vec::new();
    for need in needs {
        let missing: Vec<_> = need.signs().iter().filter(|sign| !sign.is_there()).map(|sign| sign.name()).collect();
        if missing.is_empty() {
            continue;
        }
        lines.push(format!("{} missing. Install with", missing.join(", ")));
        lines.extend(need.elsewhere().iter().map(|(system, command)| format!("  {system}: {command}")));
        lines.push(format!("  elsewhere, the packages that Debian calls {}", need.debian().join(", ")));
    }
    if lines.is_empty() {
        return Ok(());
    }
    let system = ask(command("uname").arg("-s")).unwrap_or_default();
    let name = std::fs::read_to_string(Path::new("/etc/os-release")).unwrap_or_default();
    let name = name.lines().find_map(|line| line.strip_prefix("PRETTY_NAME=")).unwrap_or(system.trim());
    let lines = lines.join("\n");
    Err(Failure::new(format!(
        "{name} has no apt-get to install the missing packages with.\n{lines}\nThen start again."
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_dpkg_does_not_list_as_installed_is_missing() {
        let listed = "dunst installed\nxvfb config-files\nscrot installed\n";
        assert_eq!(missing(&["dunst", "xvfb", "scrot", "dbus"], listed), ["xvfb", "dbus"]);
        assert_eq!(missing(&["dunst"], listed), [""; 0]);
    }

    #[test]
    fn other_systems_are_told_what_to_install() {
        for need in [Need::Build, Need::Desktop, Need::Network] {
            let systems: Vec<_> = need.elsewhere().iter().map(|(system, _)| *system).collect();
            assert_eq!(systems, ["Fedora", "Arch", "openSUSE"], "{need:?}");
        }
    }
}
