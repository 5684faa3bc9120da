//! All that it takes to start a broker, again if need be. It is fixed before the first one, and nothing
//! that the frontend says later changes it.

use std::{
    fs::{self, DirBuilder, File},
    io,
    os::{
        fd::OwnedFd,
        unix::{
            fs::{DirBuilderExt as _, PermissionsExt as _, chown},
            net::UnixListener,
            process::CommandExt as _,
        },
    },
    path::PathBuf,
    process::{Command, Stdio},
};

use command_fds::{CommandFdExt as _, FdMapping};
use tokio::process::Child;

use super::{
    EmbeddedError,
    directory::PrivateDirectory,
    preparing,
    trail::{self, Trail},
};
use crate::process::confine::NOBODY;

/// Where nothing comes from, and nothing that is written stays.
const NULL: &str = "/dev/null";

/// Descriptors as the broker finds them; 3 is where systemd would put the listener.
const LISTEN_FD: i32 = 3;
const LIFETIME_FD: i32 = 4;

/// Groups that nobody is in: from here on each process has one that it can give to whom it likes.
const GROUPS: u32 = 1 << 30;

/// What a broker is started with.
#[derive(Debug)]
pub(super) struct Launch {
    pub program: PathBuf,
    pub policy: Option<PathBuf>,
    /// None where the policy names the log.
    pub audit: Option<Trail>,
    pub directory: PrivateDirectory,
    /// The group by which nobody gets to the socket, where root starts a broker for a frontend that
    /// became nobody.
    pub group: Option<u32>,
}

impl Launch {
    /// Prepares for a frontend of this user's own, or for one that root starts and that becomes nobody.
    pub(super) fn prepare(
        program: PathBuf,
        policy: Option<PathBuf>,
        for_nobody: bool,
    ) -> Result<Self, EmbeddedError> {
        let audit = match policy.as_deref().is_some_and(trail::is_named_by) {
            true => None,
            false => Some(Trail::find()?),
        };
        let directory = PrivateDirectory::make()?;
        let mut this = Self { program, policy, audit, directory, group: None };
        if for_nobody {
            this.group = match this.let_nobody_in() {
                Ok(group) => Some(group),
                // Root who may not give anything away: the broker will say what it lacks.
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => None,
                Err(error) => return Err(preparing("the broker's folder")(error)),
            };
        }
        Ok(this)
    }

    /// The same for a broker that is looked at, whose log goes with its directory.
    pub(super) fn prepare_to_look_at(
        program: PathBuf,
        policy: Option<PathBuf>,
    ) -> Result<Self, EmbeddedError> {
        let directory = PrivateDirectory::make()?;
        let audit = Some(Trail::passing(directory.passing_audit_log()));
        Ok(Self { program, policy, audit, directory, group: None })
    }

    /// Starts one. Its end of the pipe ends it.
    ///
    /// # Errors
    /// [`EmbeddedError`].
    pub(super) fn spawn(&self) -> Result<(Child, io::PipeWriter), EmbeddedError> {
        let listener = self.listen().map_err(preparing("the broker's socket"))?;
        let (watched, lifetime) = io::pipe().map_err(preparing("a pipe"))?;
        let mut command = Command::new(&self.program);
        command.arg("--embedded");
        command.args(["--listen-fd", "3", "--lifetime-fd", "4"]);
        command.arg("--run-dir").arg(self.directory.runs());
        if let Some(audit) = &self.audit {
            command.arg("--audit").arg(audit.path());
        }
        if let Some(policy) = &self.policy {
            command.arg("--policy").arg(policy);
        }
        if self.group.is_some() {
            command.args(["--owner", &NOBODY.to_string()]);
        }
        // Its complaints go where this process's go. It is in a process group of its own, so that
        // Ctrl-C is for this process to answer.
        let null = || {
            let opened = File::options().read(true).write(true).open(NULL);
            opened.map(Stdio::from).map_err(preparing(NULL))
        };
        command.stdin(null()?).stdout(null()?).process_group(0);
        let mappings = vec![
            FdMapping { parent_fd: OwnedFd::from(listener), child_fd: LISTEN_FD },
            FdMapping { parent_fd: OwnedFd::from(watched), child_fd: LIFETIME_FD },
        ];
        let mapped = command.fd_mappings(mappings).map_err(io::Error::other);
        mapped.map_err(preparing("the broker's descriptors"))?;
        // Never killed by being dropped: it has runs to end first.
        let child = tokio::process::Command::from(command).spawn().map_err(|source| {
            let program = self.program.clone();
            EmbeddedError::Spawn { program, source }
        })?;
        // The command is gone here, and with it this process's copies of the listener and of the pipe's
        // read end: a broker that ends is then seen at once, as a refused connection.
        Ok((child, lifetime))
    }

    fn listen(&self) -> io::Result<UnixListener> {
        let socket = self.directory.socket();
        self.make_folder()?;
        // The one that ended has left its own.
        match fs::remove_file(&socket) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(&socket)?;
        if let Some(group) = self.group {
            // Until then its folder keeps everybody else out, and afterwards too.
            chown(&socket, None, Some(group))?;
            fs::set_permissions(&socket, fs::Permissions::from_mode(0o660))?;
        }
        Ok(listener)
    }

    fn make_folder(&self) -> io::Result<PathBuf> {
        let folder = self.directory.listen();
        DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
        Ok(folder)
    }

    /// Opens the folder of the socket to one group, and answers which. It is this process's own, which
    /// nobody else is in; only a namespace that has no such number makes it do with nobody's.
    fn let_nobody_in(&self) -> io::Result<u32> {
        let folder = self.make_folder()?;
        let own = GROUPS + std::process::id();
        let group = match chown(&folder, None, Some(own)) {
            Ok(()) => own,
            Err(_) => chown(&folder, None, Some(NOBODY)).map(|()| NOBODY)?,
        };
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o710))?;
        Ok(group)
    }
}
