//! What files say and how they are told to be wrong; what saving changes and what it leaves.

mod any;
mod load;
mod private;
mod save;

use std::fs;

use tempfile::TempDir;

use super::*;

struct Home {
    folder: TempDir,
    paths: Paths,
}

fn home(text: &str) -> Home {
    let home = empty_home();
    fs::write(&home.paths.settings_file, text).unwrap();
    home
}

fn empty_home() -> Home {
    let folder = tempfile::tempdir().unwrap();
    let mut paths = Paths::under(folder.path()).unwrap();
    paths.system_settings_file = Some(folder.path().join("system.toml"));
    Home { folder, paths }
}

impl Home {
    fn load(&self) -> Loaded {
        load(&self.paths, &BTreeMap::new())
    }

    fn load_with(&self, environment: &[(&str, &str)]) -> Loaded {
        let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        load(&self.paths, &environment)
    }

    fn system(&self, text: &str) -> &Self {
        fs::write(self.paths.system_settings_file.as_ref().unwrap(), text).unwrap();
        self
    }

    fn file(&self) -> &Path {
        &self.paths.settings_file
    }

    fn text(&self) -> String {
        fs::read_to_string(self.file()).unwrap()
    }
}

fn names_of(loaded: &Loaded) -> Vec<&str> {
    loaded.connections.iter().map(|connection| connection.name.as_str()).collect()
}

fn told(problems: &[Problem]) -> Vec<(Option<u32>, &str)> {
    problems.iter().map(|problem| (problem.line, problem.message.as_str())).collect()
}

fn form(name: &str, url: &str) -> ConnectionForm {
    ConnectionForm { name: Some(name.to_owned()), url: Some(url.to_owned()), ..ConnectionForm::default() }
}

const COMMENTED: &str = "\
# My settings, do not touch.

[general] # general
language = \"en\"   # mine

# The office.
[[connections]]
# its name
name = \"office\"
url = 'ws://office/x'   # the old one
future = { kept = true }

[connections.heartbeat]
every = \"5s\"  # quick
timeout = \"5s\"

# The last one.
[[connections]]
name = \"home\"
url = \"ws://home\"

# The end.
";
