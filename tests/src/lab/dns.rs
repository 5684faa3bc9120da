//! The name server of the lab's host: an answer of every type, and every way of not answering.
//! `tests/servers/dns.py` says which name stands for what.

use std::{fs, io::Read as _, net::IpAddr, path::Path};

use super::{HOST, Lab, LabError};

/// A name whose first answer is [`HOST`], and each later one [`super::PUBLIC`].
pub const CHANGING_NAME: &str = "changing.lab.internal";

impl Lab {
    /// Adds a name server at [`HOST`], port 53, and by IPv6 where [`Lab::widen`] came before.
    ///
    /// # Errors
    /// Those of starting it.
    pub fn serve_dns(&mut self) -> Result<(), LabError> {
        let write = |source| LabError::Write { path: std::env::temp_dir(), source };
        let questions = tempfile::NamedTempFile::new().map_err(write)?;
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("servers/dns.py");
        let mut command = self.host.command("/usr/bin/python3");
        command.arg(script).arg(questions.path()).args(self.served.iter().map(IpAddr::to_string));
        self.questions = Some(questions);
        self.start(command)
    }

    /// Has the client look names up there, and nowhere else.
    ///
    /// # Errors
    /// Those of writing its files.
    pub fn look_names_up(&self) -> Result<(), LabError> {
        let text = format!("nameserver {HOST}\noptions timeout:1 attempts:1\n");
        for (name, text) in [("resolv.conf", text.as_str()), ("nsswitch.conf", "hosts: dns\n")] {
            let path = self.client.etc().join(name);
            fs::write(&path, text).map_err(|source| LabError::Write { path, source })?;
        }
        Ok(())
    }

    /// What the name server was asked so far, a name and a type each.
    #[must_use]
    pub fn questions(&self) -> Vec<String> {
        let mut text = String::new();
        let file = self.questions.as_ref().and_then(|file| file.reopen().ok());
        // What cannot be read is not there, and a test that looks for it says so.
        let _ = file.map(|mut file| file.read_to_string(&mut text));
        text.lines().map(str::to_owned).collect()
    }
}
