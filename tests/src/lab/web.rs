//! The web servers of the lab's host: good ones, and each way in which one can be bad.
//! `tests/servers/web.py` says what each path and port stands for, `certificates.sh` which certificates.

use std::{
    fs,
    io::Read as _,
    net::IpAddr,
    path::{Path, PathBuf},
    process::Command,
};

use super::{Lab, LabError};

/// The port that speaks HTTP, with a path for each way to answer.
pub const HTTP: u16 = 8081;

impl Lab {
    /// Adds web servers at [`super::HOST`], and by IPv6 where [`Lab::widen`] came before, and has the client
    /// trust the authority of the good ones. What is to trust it, a broker for one, has to be started after that.
    ///
    /// # Errors
    /// Those of making certificates and of starting the servers.
    pub fn serve_web(&mut self) -> Result<(), LabError> {
        let write = |source| LabError::Write { path: std::env::temp_dir(), source };
        let folder = tempfile::tempdir().map_err(write)?;
        super::namespace::run(certificates().arg(folder.path()), "")?;

        let ssl = self.client.etc().join("ssl/certs");
        fs::create_dir_all(&ssl).map_err(write)?;
        let mut copy = Command::new("/bin/cp");
        copy.arg("-r").arg(folder.path().join("ssl")).arg(self.client.etc());
        super::namespace::run(&mut copy, "")?;

        let mut command = self.host.command("/usr/bin/python3");
        command.arg(servers().join("web.py")).arg(folder.path()).arg(folder.path().join("said"));
        command.args(self.served.iter().map(IpAddr::to_string));
        self.start(command)?;
        self.certificates = Some(folder);
        Ok(())
    }

    /// Makes one more certificate for [`super::HOST_NAME`] that the client accepts, for so many days: a PEM
    /// file with its key, for a server of the test's own. [`Lab::serve_web`] has to come before.
    ///
    /// # Errors
    /// Those of making it.
    pub fn certificate(&self, name: &str, days: u16) -> Result<PathBuf, LabError> {
        let folder = self.certificates.as_ref().map(|folder| folder.path().to_owned());
        let folder = folder.unwrap_or_default();
        let mut make = certificates();
        super::namespace::run(make.arg(&folder).args([name, &days.to_string()]), "")?;
        Ok(folder.join(format!("{name}.pem")))
    }

    /// What was said to the mail servers after the handshake, a line for each connection.
    #[must_use]
    pub fn said_after_handshakes(&self) -> Vec<String> {
        let mut text = String::new();
        let file =
            self.certificates.as_ref().and_then(|it| fs::File::open(it.path().join("said")).ok());
        // What cannot be read is not there, and a test that looks for it says so.
        let _ = file.map(|mut file| file.read_to_string(&mut text));
        text.lines().map(str::to_owned).collect()
    }
}

fn servers() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("servers")
}

/// What makes certificates, in the folder that it is given.
fn certificates() -> Command {
    let mut make = Command::new("/bin/sh");
    make.arg(servers().join("certificates.sh"));
    make
}
