//! Secrets: read where the settings say they are, kept in memory for the connection that needs them, and forgotten when
//! they are refused. They are never logged, shown or stored anywhere else.
//!
//! What a failure means for the link follows from its cause:
//!
//! | what | cause | the link |
//! | --- | --- | --- |
//! | the keyring has no entry, or its prompt was dismissed | `unauthorized` | is blocked; tries again after 5 minutes, or at once when the secret is given |
//! | the command fails, the file is missing or empty | `unauthorized` | the same: both can be put right without a change of the settings |
//! | the environment variable is not set | `configuration` | is blocked: it cannot change while Heartwire runs |
//! | the keyring is locked, hangs or is not there yet | `connect-timeout` | retries as after any failed dial |

mod authorization;
mod credentials;
mod keyring;
mod source;

pub use credentials::Credentials;
pub use keyring::{Keyring, KeyringError, Obstacle};
