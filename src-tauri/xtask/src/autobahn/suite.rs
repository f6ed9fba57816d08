//! The Autobahn suite under the target folder, pinned by hash: it is a Python 2.7 program, and Debian has no Python 2.7 any
//! more. One of an older Debian is unpacked beside it; nothing of it is installed on this system.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::command::{self, Failure, command, say};
use crate::packages::{self, Need, is_installed};
use crate::{dirs, tools};

/// The suite's version, as the requirements pin it.
pub(super) const VERSION: &str = "25.10.1";

const REQUIREMENTS: &str = include_str!("requirements.txt");
const SERVER: &str = include_str!("server.py");

/// The last pip and its companions for Python 2.7.
const BOOTSTRAP: &str = "\
pip==20.3.4 --hash=sha256:217ae5161a0e08c0fb873858806e3478c9775caffce5168b50ec885e358c199d
setuptools==44.0.0 --hash=sha256:180081a244d0888b0065e18206950d603f6550721bd6f8c0a10221ed467dd78e
wheel==0.37.1 --hash=sha256:4bdcd7d840138086126cd09254dc6195fb4fc6f01c050a1d7236f2630db1d22a
";

/// Debian 11's Python 2.7.18 and the two libraries it needs that later releases do not have: path in the archive, SHA-256.
const PYTHON: [(&str, &str); 5] = [
    (
        "pool/main/p/python2.7/python2.7-minimal_2.7.18-8+deb11u1_amd64.deb",
        "44f0cdc1a343303d31c55fcb3a6402cfe326adf749ec30e375e6e0c0c5f7c1f7",
    ),
    (
        "pool/main/p/python2.7/libpython2.7-minimal_2.7.18-8+deb11u1_amd64.deb",
        "85833c92314011b89bbead6f9a5a7a360b5ee4f9b95e001225afead4ebf9f7d3",
    ),
    (
        "pool/main/p/python2.7/libpython2.7-stdlib_2.7.18-8+deb11u1_amd64.deb",
        "3e627d6d8992b853e000b8a4c09dda613fb767cdb711a2eac20ebc9f867b593c",
    ),
    (
        "pool/main/o/openssl/libssl1.1_1.1.1w-0+deb11u1_amd64.deb",
        "aadf8b4b197335645b230c2839b4517aa444fd2e8f434e5438c48a18857988f7",
    ),
    (
        "pool/main/libf/libffi/libffi7_3.3-6_amd64.deb",
        "30ca89bfddae5fa6e0a2a044f22b6e50cd17c4bc6bc850c579819aeab7101f0f",
    ),
];

/// Where the packages are as long as Debian 11 is kept, and where they are afterwards.
const ARCHIVES: [&str; 2] = ["http://deb.debian.org/debian", "http://archive.debian.org/debian"];

const PIP_ADVICE: &str = "It needs PyPI; check the network or pip's proxy settings.";

/// The suite, ready to run.
#[derive(Debug)]
pub(super) struct Suite {
    folder: PathBuf,
}

impl Suite {
    /// Installs it unless that was done from the same pins.
    pub(super) fn install() -> Result<Self, Failure> {
        let suite = Self { folder: dirs::tools().join("autobahn") };
        let pins = format!("{PYTHON:?}\n{BOOTSTRAP}{REQUIREMENTS}");
        let stamp = suite.folder.join("made-from.txt");
        if fs::read_to_string(&stamp).is_ok_and(|made_from| made_from == pins) {
            return Ok(suite);
        }
        require_tools()?;
        packages::install(&[Need::Servers])?;
        if suite.folder.exists() {
            fs::remove_dir_all(&suite.folder).map_err(Failure::io("removing the old suite"))?;
        }
        fs::create_dir_all(suite.downloads()).map_err(Failure::io("making the suite's folder"))?;
        suite.unpack_python()?;
        suite.install_packages()?;
        write(&stamp, &pins)?;
        Ok(suite)
    }

    /// The fuzzing server for this specification file.
    pub(super) fn server(&self, specification: &Path) -> Result<Command, Failure> {
        let script = self.folder.join("server.py");
        write(&script, SERVER)?;
        let mut server = crate::process::tied(&self.python().to_string_lossy());
        server.arg("-u").arg(script).arg(self.packages()).args(["--mode", "fuzzingserver", "--webport", "0", "--spec"]);
        server.arg(specification).env("LD_LIBRARY_PATH", self.libraries());
        Ok(server)
    }

    fn unpack_python(&self) -> Result<(), Failure> {
        for (path, sha256) in PYTHON {
            let name = path.rsplit('/').next().unwrap_or(path);
            let file = self.downloads().join(name);
            download(path, sha256, &file)?;
            let advice = "The package is what was pinned, so the disk may be full.";
            command::run(command("dpkg-deb").arg("--extract").arg(&file).arg(self.root()), advice)?;
        }
        Ok(())
    }

    /// By pip for Python 2.7, which today's pip brings: a wheel can be run without being installed.
    fn install_packages(&self) -> Result<(), Failure> {
        let (bootstrap, requirements) = (self.folder.join("bootstrap.txt"), self.folder.join("requirements.txt"));
        write(&bootstrap, BOOTSTRAP)?;
        write(&requirements, REQUIREMENTS)?;
        let mut fetch = command(&tools::python()?.to_string_lossy());
        fetch.args([
            "-m",
            "pip",
            "download",
            "--quiet",
            "--disable-pip-version-check",
            "--no-deps",
            "--require-hashes",
        ]);
        fetch.args(["--python-version", "2.7", "--only-binary", ":all:", "--dest"]).arg(self.downloads());
        command::run(fetch.arg("-r").arg(&bootstrap), PIP_ADVICE)?;

        let pip = self.downloads().join("pip-20.3.4-py2.py3-none-any.whl");
        let builders = self.folder.join("builders");
        command::run(self.pip(&[&pip]).arg(&builders).arg("-r").arg(&bootstrap), PIP_ADVICE)?;
        command::run(self.pip(&[&pip, &builders]).arg(self.packages()).arg("-r").arg(&requirements), PIP_ADVICE)
    }

    /// Up to the folder to install into.
    fn pip(&self, path: &[&Path]) -> Command {
        let mut pip = command(&self.python().to_string_lossy());
        let path = path.iter().map(|path| path.to_string_lossy()).collect::<Vec<_>>().join(":");
        pip.env("LD_LIBRARY_PATH", self.libraries()).env("PYTHONPATH", path).env("PYTHONWARNINGS", "ignore");
        // That Python 2.7 is of the past is known.
        pip.env("PIP_NO_PYTHON_VERSION_WARNING", "1");
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--require-hashes"]);
        pip.arg("--target");
        pip
    }

    fn downloads(&self) -> PathBuf {
        self.folder.join("downloads")
    }

    fn root(&self) -> PathBuf {
        self.folder.join("root")
    }

    fn python(&self) -> PathBuf {
        self.root().join("usr/bin/python2.7")
    }

    fn libraries(&self) -> PathBuf {
        self.root().join("usr/lib/x86_64-linux-gnu")
    }

    fn packages(&self) -> PathBuf {
        self.folder.join("packages")
    }
}

fn require_tools() -> Result<(), Failure> {
    if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        return Err(Failure::new(
            "The Autobahn suite is pinned for 64-bit x86 Linux only. Run this there, or in a container of Debian 12.",
        ));
    }
    let missing: Vec<_> = ["dpkg-deb", "sha256sum"].into_iter().filter(|name| !is_installed(name)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(Failure::new(format!(
        "{} missing: the suite's Python 2.7 comes in Debian packages. Install `dpkg` and `coreutils`, then start again.",
        missing.join(" and ")
    )))
}

/// From the first archive that has it; whatever arrives counts only with the pinned hash.
fn download(path: &str, sha256: &str, to: &Path) -> Result<(), Failure> {
    let mut tried = Vec::new();
    for archive in ARCHIVES {
        let url = format!("{archive}/{path}");
        say(format_args!("Fetching {url}"));
        match fetch(&url, to).and_then(|()| verify(to, sha256)) {
            Ok(()) => return Ok(()),
            Err(failure) => tried.push(format!("{url}: {failure}")),
        }
    }
    Err(Failure::new(format!(
        "The suite's Python 2.7 could not be fetched:\n  {}\nCheck the network, then start again.",
        tried.join("\n  ")
    )))
}

fn fetch(url: &str, to: &Path) -> Result<(), Failure> {
    let wrong = |error: ureq::Error| Failure::new(error.to_string());
    let bytes = ureq::get(url).call().map_err(wrong)?.body_mut().read_to_vec().map_err(wrong)?;
    fs::write(to, bytes).map_err(Failure::io(format!("writing {}", to.display())))
}

fn verify(file: &Path, sha256: &str) -> Result<(), Failure> {
    let mut check = command("sha256sum");
    check.args(["--check", "--status"]).stdin(Stdio::piped());
    let mut child = check.spawn().map_err(Failure::io("starting sha256sum"))?;
    if let Some(mut stdin) = child.stdin.take() {
        writeln!(stdin, "{sha256}  {}", file.display()).map_err(Failure::io("asking sha256sum"))?;
    }
    let status = child.wait().map_err(Failure::io("waiting for sha256sum"))?;
    if status.success() { Ok(()) } else { Err(Failure::new("it is another file than the pinned one")) }
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    fs::write(path, text).map_err(Failure::io(format!("writing {}", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_package_is_pinned_by_version_and_hash() {
        let pinned = |line: &&str| line.contains("==") && line.contains(" --hash=sha256:");
        let lines: Vec<_> = REQUIREMENTS.lines().chain(BOOTSTRAP.lines()).filter(|l| !l.starts_with('#')).collect();
        assert_eq!(lines.iter().filter(|line| pinned(line)).count(), lines.len());
        assert!(REQUIREMENTS.contains(&format!("\nautobahntestsuite=={VERSION} ")));
    }

    #[test]
    fn a_file_counts_only_with_its_hash() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("empty");
        fs::write(&file, "").unwrap();
        verify(&file, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855").unwrap();
        fs::write(&file, "x").unwrap();
        let failure = verify(&file, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855").unwrap_err();
        assert_eq!(failure.to_string(), "it is another file than the pinned one");
    }
}
