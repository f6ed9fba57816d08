//! What only the end-to-end tests need: the libraries of their independent servers, installed under the target folder, each
//! only when its pinned list changed.

use std::fs;
use std::path::{Path, PathBuf};

use crate::command::{self, Failure, command};
use crate::{dirs, ui};

const PYTHON_ADVICE: &str = "The tests' servers need packages of PyPI; check the network or pip's proxy settings.";

/// Where the servers and their pinned lists are.
pub fn servers() -> PathBuf {
    dirs::root().join("src-tauri/tests/servers")
}

/// A Python that has what requirements.txt lists.
pub fn python() -> Result<PathBuf, Failure> {
    let wanted = read(&servers().join("requirements.txt"))?;
    let venv = dirs::tools().join("python");
    let python = venv.join("bin/python");
    let stamp = venv.join("made-from-requirements.txt");
    if fs::read_to_string(&stamp).is_ok_and(|made_from| made_from == wanted) && python.is_file() {
        return Ok(python);
    }
    let advice = "It needs Python 3.9 or later with venv (Debian and Ubuntu: `apt install python3-venv`).";
    command::run(command("python3").args(["-m", "venv", "--clear"]).arg(&venv), advice)?;
    let mut pip = command(&python.to_string_lossy());
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"]);
    command::run(pip.arg(servers().join("requirements.txt")), PYTHON_ADVICE)?;
    write(&stamp, &wanted)?;
    Ok(python)
}

/// The `node_modules` folder with what package.json lists; for `NODE_PATH`.
pub fn node_modules() -> Result<PathBuf, Failure> {
    let folder = dirs::tools().join("node");
    fs::create_dir_all(&folder).map_err(Failure::io(format!("making {}", folder.display())))?;
    for file in ["package.json", "package-lock.json"] {
        write(&folder.join(file), &read(&servers().join(file))?)?;
    }
    ui::install_in(&folder)?;
    Ok(folder.join("node_modules"))
}

fn read(path: &Path) -> Result<String, Failure> {
    fs::read_to_string(path).map_err(Failure::io(format!("reading {}", path.display())))
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    fs::write(path, text).map_err(Failure::io(format!("writing {}", path.display())))
}
