//! Why watches are not as somebody wants them, and what to do.

use std::path::PathBuf;

use crate::watches::{file::FileError, watch::MOST_WATCHES, webhook::SecretError};

/// Why watches are not as somebody wants them.
#[derive(Debug, thiserror::Error)]
pub enum WatchesError {
    /// The file of the settings cannot be used.
    #[error("{0}")]
    File(#[from] FileError),
    /// There is somewhere to send news to, and nothing to sign them with.
    #[error("watches.webhook is set and watches.webhook_secret is not")]
    NoSecret,
    /// The secret could be guessed.
    #[error("watches.webhook_secret: {0}")]
    Secret(#[from] SecretError),
    /// What is asked for is no watch.
    #[error("{0}")]
    Asked(String),
    /// The name stands in the file of the settings, which is not the server's to write.
    #[error("the watch {name} stands in {}", file.display())]
    InFile {
        /// The name.
        name: String,
        /// The file.
        file: PathBuf,
    },
    /// There is none of this name.
    #[error("there is no watch of this name")]
    NoSuchWatch,
    /// There are as many as may be.
    #[error("there are {MOST_WATCHES} watches, and no more are taken")]
    TooMany,
    /// The server's own file is there and cannot be used. It is left as it is.
    #[error("{file}, which has the watches that were added, cannot be used: {why}", file = file.display())]
    Added {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        why: String,
    },
}

impl WatchesError {
    /// What to do.
    #[must_use]
    pub fn remedy(&self) -> String {
        match self {
            // They say it themselves.
            Self::File(_) | Self::Secret(_) | Self::Asked(_) => String::new(),
            Self::NoSecret => {
                "Set it, too (`openssl rand -hex 32` makes one), so that the receiver knows what is from here."
                    .into()
            }
            Self::InFile { .. } => {
                "Change it there, and have the server read it again (SIGHUP).".into()
            }
            Self::NoSuchWatch => "GET /watches lists those that there are.".into(),
            Self::TooMany => "Remove one that is not needed.".into(),
            Self::Added { .. } => "Mend it or move it away, and start the server again.".into(),
        }
    }
}
