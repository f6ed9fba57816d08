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
/// resident's and is removed.
///
/// # Errors
/// The folder or the socket cannot be made, or something that is no socket stands at `path`.
#[cfg(unix)]
pub fn bind(path: &Path) -> io::Result<Listener> {
    use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};

    crate::paths::create_parent(path)?;
    match std::fs::symlink_metadata(path) {
        Ok(found) if found.file_type().is_socket() => std::fs::remove_file(path)?,
        Ok(_) => {
            let message = format!("{} is in the way and is not a socket: move it aside", path.display());
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, message));
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let socket = tokio::net::UnixListener::bind(path)?;
    // Whoever got in before this line, in a folder that others may enter, is still turned away for being another user.
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    let user = std::fs::symlink_metadata(path)?.uid();
    Ok(Listener { socket, user, path: path.to_owned() })
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
    return tokio::net::UnixStream::connect(path).await;
    #[cfg(not(unix))]
    Err(io::Error::new(io::ErrorKind::NotFound, format!("no control socket at {} on this system", path.display())))
}
