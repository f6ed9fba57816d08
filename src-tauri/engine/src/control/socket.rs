//! The socket itself: made for one user, and only that user's processes get in.

use std::io;
use std::path::{Path, PathBuf};

#[cfg(unix)]
pub(super) type Stream = tokio::net::UnixStream;
#[cfg(not(unix))]
pub(super) type Stream = tokio::io::DuplexStream;

/// The resident's end; dropping it removes the socket's file.
#[derive(Debug)]
pub struct Listener {
    #[cfg(unix)]
    socket: tokio::net::UnixListener,
    /// Who may connect: the user who owns the socket's file, which is the user this process runs as.
    #[cfg(unix)]
    user: u32,
    path: PathBuf,
}

/// Makes the control socket at `path`. Whoever calls holds the resident's lock: a socket that is in the way is a dead
/// resident's and is replaced.
///
/// # Errors
/// The folder or the socket cannot be made, or something that is no socket stands at `path`.
#[cfg(unix)]
pub fn bind(path: &Path) -> io::Result<Listener> {
    use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt};

    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("{} names no file", path.display())));
    };
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    if std::fs::symlink_metadata(path).is_ok_and(|found| !found.file_type().is_socket()) {
        let message = format!("{} is in the way and is not a socket: move it aside", path.display());
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, message));
    }
    // The folder may be an older one that others can enter: so the socket gets its mode in a folder of its own (0700)
    // and is moved into its place only then.
    let private = tempfile::Builder::new().prefix(".").tempdir_in(folder)?;
    let made = private.path().join(name);
    let short = Short::of(&made)?;
    let socket = tokio::net::UnixListener::bind(short.path())?;
    std::fs::set_permissions(&made, std::fs::Permissions::from_mode(0o600))?;
    let user = std::fs::symlink_metadata(&made)?.uid();
    std::fs::rename(&made, path)?;
    Ok(Listener { socket, user, path: path.to_owned() })
}

/// A path that fits into a socket address (108 bytes, unix(7)), however long the folder's is.
#[cfg(unix)]
struct Short {
    path: PathBuf,
    /// Open as long as the path is used, which goes through its descriptor.
    _folder: Option<std::fs::File>,
}

#[cfg(unix)]
impl Short {
    const LONGEST: usize = 100;

    fn of(path: &Path) -> io::Result<Self> {
        use std::os::fd::AsRawFd;

        match (path.parent(), path.file_name()) {
            (Some(folder), Some(name)) if cfg!(target_os = "linux") && path.as_os_str().len() > Self::LONGEST => {
                let folder = std::fs::File::open(folder)?;
                let path = Path::new("/proc/self/fd").join(folder.as_raw_fd().to_string()).join(name);
                Ok(Self { path, _folder: Some(folder) })
            }
            _ => Ok(Self { path: path.to_owned(), _folder: None }),
        }
    }

    fn path(&self) -> &Path {
        &self.path
    }
}

/// Named pipes with an access list for one user are not built yet.
///
/// # Errors
/// Always: there is no control socket on this system.
#[cfg(not(unix))]
pub fn bind(path: &Path) -> io::Result<Listener> {
    let _ = path;
    Err(io::Error::new(io::ErrorKind::Unsupported, "the control socket is not available on this system yet"))
}

impl Listener {
    /// Makes it believe that it belongs to somebody else, so that a test's own connections are another user's.
    #[cfg(all(test, unix))]
    pub(super) fn of_another_user(mut self) -> Self {
        self.user += 1;
        self
    }

    /// The next client of this user; others are turned away without a word.
    pub(super) async fn accept(&self) -> io::Result<Stream> {
        #[cfg(unix)]
        loop {
            let (stream, _) = self.socket.accept().await?;
            let peer = stream.peer_cred()?;
            if peer.uid() == self.user {
                return Ok(stream);
            }
            tracing::warn!(uid = peer.uid(), "another user tried the control socket and was turned away");
        }
        #[cfg(not(unix))]
        std::future::pending().await
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        // The next resident removes it if this fails.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Connects to the resident's socket.
pub(super) async fn connect(path: &Path) -> io::Result<Stream> {
    #[cfg(unix)]
    return tokio::net::UnixStream::connect(Short::of(path)?.path()).await;
    #[cfg(not(unix))]
    Err(io::Error::new(io::ErrorKind::NotFound, format!("no control socket at {} on this system", path.display())))
}
