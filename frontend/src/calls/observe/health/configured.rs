//! The checks of the configuration file: how old a file is, whether something listens, whether a
//! command is there.
//!
//! They look and change nothing: no command is run, nothing is sent, and no name is looked up. What
//! they find wrong is unhealthy where much depends on it (CRITICAL and HIGH), and else degraded.

use std::{
    borrow::Cow,
    env, fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, SystemTime},
};

use probity_output::clean::clean_str;
use rustix::fs::{Access, access};
use tokio::{net::TcpStream, time::timeout};

use super::{Finding, HealthCheck, Looking, Priority};
use crate::config::{CheckKind, CheckSettings};

/// How much later than its own limit a check would be told to have taken too long.
const SPARE: Duration = Duration::from_millis(500);

/// One of them.
pub struct Configured {
    settings: CheckSettings,
    /// A look at the file system that has not come back yet.
    is_looking: Arc<AtomicBool>,
}

impl Configured {
    /// What the configuration describes.
    #[must_use]
    pub fn new(settings: CheckSettings) -> Self {
        Self { settings, is_looking: Arc::default() }
    }

    async fn look(&self) -> Result<String, String> {
        let limit = self.settings.timeout;
        match &self.settings.kind {
            CheckKind::FileAge { path, max_age } => {
                let (path, max_age) = (path.clone(), *max_age);
                self.off_the_thread(move || age(&path, max_age)).await
            }
            CheckKind::Tcp(address) => connects(*address, limit).await,
            CheckKind::CommandPresent(command) => {
                let command = command.clone();
                self.off_the_thread(move || present(&command)).await
            }
        }
    }

    /// A file system may hang, and then the look at it does. There is never more than one for each
    /// check, however often it is asked.
    pub(super) async fn off_the_thread(
        &self,
        look: impl FnOnce() -> Result<String, String> + Send + 'static,
    ) -> Result<String, String> {
        let late = || Err("the file system does not answer".to_owned());
        if self.is_looking.swap(true, Ordering::AcqRel) {
            return late();
        }
        let is_looking = Arc::clone(&self.is_looking);
        let looked = tokio::task::spawn_blocking(move || {
            let found = look();
            is_looking.store(false, Ordering::Release);
            found
        });
        match timeout(self.settings.timeout, looked).await {
            Ok(Ok(found)) => found,
            Ok(Err(_)) | Err(_) => late(),
        }
    }
}

impl HealthCheck for Configured {
    fn name(&self) -> Cow<'_, str> {
        self.settings.name.as_str().into()
    }

    fn priority(&self) -> Priority {
        self.settings.priority
    }

    fn timeout(&self) -> Duration {
        self.settings.timeout + SPARE
    }

    fn check(&self) -> Looking<'_> {
        Box::pin(async {
            match self.look().await {
                Ok(message) => Finding::healthy(message),
                Err(message) if self.settings.priority <= Priority::High => {
                    Finding::unhealthy(message)
                }
                Err(message) => Finding::degraded(message),
            }
        })
    }
}

fn age(path: &Path, max_age: Duration) -> Result<String, String> {
    let shown = clean_str(&path.to_string_lossy()).into_owned();
    let written = fs::metadata(path).and_then(|found| found.modified());
    let written = written.map_err(|error| format!("{shown}: {error}"))?;
    // One of the future, after a clock was set back, is new.
    let age = SystemTime::now().duration_since(written).unwrap_or_default();
    let (seconds, most) = (age.as_secs(), max_age.as_secs_f64());
    match age <= max_age {
        true => Ok(format!("{shown} was written {seconds} s ago")),
        false => Err(format!("{shown} was written {seconds} s ago, and {most} s are the most")),
    }
}

async fn connects(address: SocketAddr, limit: Duration) -> Result<String, String> {
    match timeout(limit, TcpStream::connect(address)).await {
        Ok(Ok(_)) => Ok(format!("{address} accepts connections")),
        Ok(Err(error)) => Err(format!("{address}: {error}")),
        Err(_) => {
            Err(format!("{address} does not accept a connection within {} s", limit.as_secs_f64()))
        }
    }
}

fn present(command: &Path) -> Result<String, String> {
    let shown = clean_str(&command.to_string_lossy()).into_owned();
    let found = match command.is_absolute() {
        true => is_command(command).then(|| command.to_owned()),
        false => on_path(command),
    };
    match found {
        Some(found) => Ok(format!("{} is there", clean_str(&found.to_string_lossy()))),
        None => Err(format!("{shown} is not there, or may not be executed")),
    }
}

fn on_path(command: &Path) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|folder| folder.join(command)).find(|found| is_command(found))
}

fn is_command(path: &Path) -> bool {
    let is_file = fs::metadata(path).is_ok_and(|found| found.is_file());
    is_file && access(path, Access::EXEC_OK).map_err(io::Error::from).is_ok()
}
