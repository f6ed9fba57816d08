//! Where Heartwire keeps its files. It finds the places and makes the folders, for this user only; it reads and writes
//! no file.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use directories::{BaseDirs, ProjectDirs};

/// The longest path of a socket, in bytes: `sun_path` has 108 on Linux and 104 on macOS, with the final NUL.
const SOCKET_PATH_MAX: usize = 103;

/// The settings that a system's administrator gives every user.
const SYSTEM_SETTINGS: &str = "/etc/heartwire/config.toml";

/// The socket's folder beside the data. A folder that the person made may let others in; this one never does.
const SOCKET_FOLDER: &str = "run";

/// The places of one installation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paths {
    /// The person's settings.
    pub settings_file: PathBuf,
    /// The system's settings, below the person's; none with `HEARTWIRE_HOME`, which is a world of its own.
    pub system_settings_file: Option<PathBuf>,
    /// Messages and history.
    pub database: PathBuf,
    /// Held by the resident as long as it runs.
    pub lock: PathBuf,
    /// Where the resident listens; on Windows the name of a pipe.
    ///
    /// It has a folder of its own, which must be this user's alone: [`crate::control::bind`] sees to that.
    ///
    /// A socket's path must be short. Where the usual one is not, it is `heartwire-<hash of the usual path>/control.sock`
    /// in the folder for temporary files, so that every process with the same places finds the same socket.
    pub control_socket: PathBuf,
    /// The folder of the log files.
    pub logs: PathBuf,
    /// Under which name this installation's secrets are in the keyring: one with `HEARTWIRE_HOME` must not change
    /// another's.
    pub keyring_service: String,
}

/// There is no place to keep anything.
#[derive(Debug, thiserror::Error)]
pub enum PathsError {
    /// The user has no home folder.
    #[error("this user has no home folder: set HEARTWIRE_HOME to a folder for Heartwire's files")]
    NoHome,
    /// The current folder is gone, so a relative `HEARTWIRE_HOME` means nothing.
    #[error("HEARTWIRE_HOME is the relative path {0:?} and the current folder is gone: set an absolute path")]
    NoCurrentFolder(PathBuf, #[source] io::Error),
}

impl Paths {
    /// The places of this process: all below `HEARTWIRE_HOME` if it is set, else the platform's.
    pub fn new() -> Result<Self, PathsError> {
        match std::env::var_os("HEARTWIRE_HOME").filter(|home| !home.is_empty()) {
            Some(home) => Self::under(&PathBuf::from(home)),
            None => Self::of_platform(std::env::var_os("XDG_RUNTIME_DIR")),
        }
    }

    /// All places below `home`.
    pub fn under(home: &Path) -> Result<Self, PathsError> {
        let home = std::path::absolute(home).map_err(|error| PathsError::NoCurrentFolder(home.to_owned(), error))?;
        Ok(Self {
            settings_file: home.join("config.toml"),
            system_settings_file: None,
            database: home.join("heartwire.db"),
            lock: home.join("heartwire.lock"),
            control_socket: control_socket(&home.join(SOCKET_FOLDER)),
            logs: home.join("logs"),
            keyring_service: format!("heartwire in {}", home.display()),
        })
    }

    fn of_platform(runtime: Option<OsString>) -> Result<Self, PathsError> {
        let project = ProjectDirs::from("", "", "heartwire").ok_or(PathsError::NoHome)?;
        let data = project.data_local_dir();
        // The variable may name a folder that does not exist, as in a session begun by su.
        let runtime = runtime.map(PathBuf::from).filter(|runtime| runtime.is_absolute() && runtime.is_dir());
        Ok(Self {
            settings_file: project.config_dir().join("config.toml"),
            system_settings_file: cfg!(unix).then(|| SYSTEM_SETTINGS.into()),
            database: data.join("heartwire.db"),
            lock: data.join("heartwire.lock"),
            control_socket: control_socket(
                &runtime.map_or_else(|| data.join(SOCKET_FOLDER), |runtime| runtime.join("heartwire")),
            ),
            logs: data.join("logs"),
            keyring_service: "heartwire".to_owned(),
        })
    }

    /// Makes every folder that is missing, for this user only.
    ///
    /// # Errors
    /// The first of them that cannot be made; the others are made all the same.
    pub fn create_folders(&self) -> io::Result<()> {
        let files = [&self.settings_file, &self.database, &self.lock].map(|file| create_parent(file));
        files.into_iter().chain([create_folder(&self.logs)]).collect()
    }
}

/// A path of the settings, in which `~/` is this person's own folder. None: this user has none.
pub(crate) fn at_home(given: &str) -> Option<PathBuf> {
    match given.strip_prefix("~/") {
        Some(rest) => Some(BaseDirs::new()?.home_dir().join(rest)),
        None => Some(PathBuf::from(given)),
    }
}

/// Makes the folder of `file` and those above it, for this user only.
pub(crate) fn create_parent(file: &Path) -> io::Result<()> {
    file.parent().map_or(Ok(()), create_folder)
}

fn create_folder(folder: &Path) -> io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

fn control_socket(folder: &Path) -> PathBuf {
    let usual = folder.join("control.sock");
    if cfg!(windows) {
        return PathBuf::from(format!(r"\\.\pipe\heartwire-{:016x}", hash(&usual)));
    }
    if usual.as_os_str().len() <= SOCKET_PATH_MAX {
        return usual;
    }
    let short = |base: &Path| base.join(format!("heartwire-{:016x}", hash(&usual))).join("control.sock");
    let temporary = short(&std::env::temp_dir());
    // TMPDIR may be as deep as what it replaces.
    if temporary.as_os_str().len() <= SOCKET_PATH_MAX { temporary } else { short(Path::new("/tmp")) }
}

/// FNV-1a: the same in every build and process, which the standard library does not promise of its own.
fn hash(path: &Path) -> u64 {
    path.as_os_str()
        .as_encoded_bytes()
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt;

    #[test]
    fn everything_lies_below_the_home_that_was_asked_for() {
        let home = tempfile::tempdir().unwrap();
        let paths = Paths::under(home.path()).unwrap();
        for path in [&paths.settings_file, &paths.database, &paths.lock, &paths.control_socket, &paths.logs] {
            assert!(path.starts_with(home.path()), "{}", path.display());
        }
        assert_eq!(paths.system_settings_file, None);
    }

    #[test]
    fn a_path_at_home_begins_at_the_home_folder_and_others_stay() {
        let home = PathBuf::from(std::env::var_os("HOME").unwrap());
        assert_eq!(at_home("~/a/b.pem").unwrap(), home.join("a/b.pem"));
        assert_eq!(at_home("/a/~/b.pem").unwrap(), Path::new("/a/~/b.pem"));
    }

    #[test]
    fn a_relative_home_is_the_same_place_after_a_change_of_folder() {
        let paths = Paths::under(Path::new("some/home")).unwrap();
        assert!(paths.settings_file.is_absolute() && paths.control_socket.is_absolute());
    }

    #[test]
    fn the_folders_are_for_this_user_only() {
        let home = tempfile::tempdir().unwrap();
        let paths = Paths::under(&home.path().join("a/b")).unwrap();
        paths.create_folders().unwrap();
        paths.create_folders().unwrap();
        for folder in [home.path().join("a"), home.path().join("a/b"), paths.logs] {
            assert_eq!(std::fs::metadata(&folder).unwrap().mode() & 0o777, 0o700, "{}", folder.display());
        }
    }

    #[test]
    fn a_sockets_path_fits_and_is_the_same_each_time() {
        let deep = Path::new("/tmp").join("deep".repeat(40));
        let (one, two) = (Paths::under(&deep).unwrap(), Paths::under(&deep).unwrap());
        assert_eq!(one, two);
        assert!(one.control_socket.as_os_str().len() <= SOCKET_PATH_MAX, "{}", one.control_socket.display());
        let other = Paths::under(&deep.join("er")).unwrap();
        assert_ne!(one.control_socket, other.control_socket);
        assert_ne!(one.keyring_service, other.keyring_service);
        let exactly = Path::new("/").join("x".repeat(SOCKET_PATH_MAX - "//control.sock".len()));
        assert_eq!(control_socket(&exactly), exactly.join("control.sock"));
    }

    #[test]
    fn a_bound_socket_shows_that_the_path_fits() {
        let home = tempfile::tempdir().unwrap();
        let paths = Paths::under(&home.path().join("deep".repeat(40))).unwrap();
        create_parent(&paths.control_socket).unwrap();
        std::os::unix::net::UnixListener::bind(&paths.control_socket).unwrap();
        std::fs::remove_dir_all(paths.control_socket.parent().unwrap()).unwrap();
    }

    #[test]
    fn a_folder_that_cannot_be_made_does_not_keep_the_others_from_being_made() {
        let home = tempfile::tempdir().unwrap();
        let mut paths = Paths::under(home.path()).unwrap();
        std::fs::write(home.path().join("file"), "").unwrap();
        paths.settings_file = home.path().join("file").join("config.toml");
        assert!(paths.create_folders().is_err());
        assert!(paths.logs.is_dir());
    }

    #[test]
    fn the_platforms_places_are_the_users() {
        let runtime = tempfile::tempdir().unwrap();
        let paths = Paths::of_platform(Some(runtime.path().into())).unwrap();
        assert_eq!(paths.control_socket, runtime.path().join("heartwire/control.sock"));
        assert_eq!(paths.system_settings_file.as_deref(), Some(Path::new(SYSTEM_SETTINGS)));
        let gone = Paths::of_platform(Some(runtime.path().join("gone").into())).unwrap();
        assert_eq!(gone.control_socket.parent(), Some(gone.database.with_file_name("run").as_path()));
    }
}
