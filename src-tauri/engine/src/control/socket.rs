//! The socket itself: made for one user, and only that user's processes get in.

use std::io;
use std::path::{Path, PathBuf};

use super::ControlError;

#[cfg(unix)]
pub(super) type Stream = tokio::net::UnixStream;
#[cfg(not(unix))]
pub(super) type Stream = tokio::io::DuplexStream;

/// The resident's end; dropping it removes the socket's file.
#[derive(Debug)]
pub struct Listener {
    #[cfg(unix)]
    socket: tokio::net::UnixListener,
    /// Who may connect: the user this process runs as.
    #[cfg(unix)]
    user: u32,
    path: PathBuf,
}

/// Makes the control socket at `path`. Whoever calls holds the resident's lock: a socket that is in the way is a dead
/// resident's and is removed.
///
/// # Errors
/// The folder or the socket cannot be made, something that is no socket stands at `path`, or the folder is not this
/// user's alone: whoever may write to it could put a socket of their own in the place of this one.
#[cfg(unix)]
pub fn bind(path: &Path) -> io::Result<Listener> {
    use std::os::unix::fs::{FileTypeExt, PermissionsExt};

    crate::paths::create_parent(path)?;
    let user = this_user();
    if let Some(folder) = path.parent() {
        check_folder(folder, user)?;
    }
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
    Ok(Listener { socket, user, path: path.to_owned() })
}

/// Whether this folder is this user's alone. Not followed if it is a link, which somebody else may lead elsewhere.
#[cfg(unix)]
fn check_folder(folder: &Path, user: u32) -> io::Result<()> {
    use std::os::unix::fs::MetadataExt;

    let found = std::fs::symlink_metadata(folder)?;
    let (owner, mode) = (found.uid(), found.mode() & 0o7777);
    let wrong = if !found.is_dir() {
        "is not a folder: remove it, and start Heartwire again".to_owned()
    } else if owner != user {
        format!("belongs to another user (uid {owner}): have it removed, or set HEARTWIRE_HOME to a folder of yours")
    } else if mode & 0o777 != 0o700 {
        format!("lets other users in (mode {mode:o}): run `chmod 700` on it, and start Heartwire again")
    } else {
        return Ok(());
    };
    Err(io::Error::new(io::ErrorKind::PermissionDenied, format!("{} {wrong}", folder.display())))
}

/// The user as whom this process acts.
#[cfg(unix)]
fn this_user() -> u32 {
    rustix::process::geteuid().as_raw()
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

/// Connects to the resident's socket. Nothing has been sent yet: who answers is known before that.
///
/// # Errors
/// Nobody answers, or another user does.
pub(super) async fn connect(path: &Path) -> Result<Stream, ControlError> {
    #[cfg(unix)]
    return connect_to(path, this_user()).await;
    #[cfg(not(unix))]
    Err(ControlError::NotRunning(path.to_owned()))
}

/// Connects to the socket of this user. The kernel tells who listens, whatever has happened to the file.
#[cfg(unix)]
pub(super) async fn connect_to(path: &Path, user: u32) -> Result<Stream, ControlError> {
    let stream = tokio::net::UnixStream::connect(path).await.map_err(|error| match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => ControlError::NotRunning(path.to_owned()),
        _ => ControlError::Io(error),
    })?;
    match stream.peer_cred()?.uid() {
        uid if uid == user => Ok(stream),
        uid => Err(ControlError::OtherUser { path: path.to_owned(), uid }),
    }
}
