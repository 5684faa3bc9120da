//! Everything at once, as on a host where Probity is installed: the lab, a broker as root would start
//! it, and a frontend that users without any privilege run.

use std::{fs, io, os::unix::fs::PermissionsExt as _, process::Command};

use serde_json::Value;

use crate::{
    broker::{Broker, CLIENT_GID, PolicyFolder, copy_of_program, program},
    lab::Lab,
};

/// A lab, a broker in its client namespace, and a frontend that any user can execute.
pub struct World {
    /// The network.
    pub lab: Lab,
    /// The broker, by the shipped policy with [`PolicyFolder::with_grants`].
    pub broker: Broker,
    /// The broker's policy, which lives as long as the broker.
    pub policy: PolicyFolder,
    folder: tempfile::TempDir,
}

impl World {
    /// Builds one. Several may exist at once, and none sees another.
    ///
    /// # Errors
    /// Those of the lab and the broker.
    pub fn new() -> io::Result<Self> {
        Self::with_grants("")
    }

    /// The same, with `more` at the end of its policy.
    ///
    /// # Errors
    /// Those of the lab and the broker.
    pub fn with_grants(more: &str) -> io::Result<Self> {
        Self::around(Lab::new().map_err(io::Error::other)?, more)
    }

    /// The same around a lab that has what a test needs: who trusts whom is read when the broker starts.
    ///
    /// # Errors
    /// Those of the broker.
    pub fn around(lab: Lab, more: &str) -> io::Result<Self> {
        let policy = PolicyFolder::with_grants(more)?;
        let broker = Broker::start(&program("probity-broker"), &policy, Some(&lab.client()))?;
        let folder = tempfile::tempdir()?;
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755))?;
        let frontend = folder.path().join("probity");
        copy_of_program("probity", &frontend)?;
        Ok(Self { lab, broker, policy, folder })
    }

    /// The words that run the frontend as a user without any capability, inside the client's
    /// namespace: `arguments` are its own, its command first.
    #[must_use]
    pub fn frontend(&self, uid: u32, arguments: &[&str]) -> Vec<String> {
        let namespace = self.lab.client();
        let user = [
            "ip",
            "netns",
            "exec",
            namespace.name(),
            "setpriv",
            "--reuid",
            &uid.to_string(),
            "--regid",
            &uid.to_string(),
            "--groups",
            &CLIENT_GID.to_string(),
            "--inh-caps=-all",
            "--bounding-set=-all",
            "--no-new-privs",
        ]
        .map(str::to_owned);
        let program = self.folder.path().join("probity").to_string_lossy().into_owned();
        let socket = self.broker.socket().to_string_lossy().into_owned();
        let arguments = arguments.iter().map(|a| (*a).to_owned());
        let socket = ["--socket".to_owned(), socket];
        let (command, rest) = (arguments.clone().take(1), arguments.skip(1));
        user.into_iter().chain([program]).chain(command).chain(socket).chain(rest).collect()
    }

    /// Runs the frontend to its end: its exit code (-1 where a signal ended it), and what it printed
    /// if that is JSON.
    ///
    /// # Errors
    /// Those of starting it.
    pub fn call(&self, uid: u32, arguments: &[&str]) -> io::Result<(i32, Value)> {
        let words = self.frontend(uid, arguments);
        let output = Command::new(&words[0]).args(&words[1..]).output()?;
        let printed = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
        Ok((output.status.code().unwrap_or(-1), printed))
    }
}
