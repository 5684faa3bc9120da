//! A lab whose host wants its scanner to talk to somebody else, and what was sent there.
//!
//! The host's second address is served by `tests/hostile`, whose every answer names addresses beyond.
//! Two namespaces count what goes to any of them: the client, which sees what stays on the machine and
//! on its link, and the router, which sees frames that pass the client's sockets by. Nothing is let
//! through to anywhere, as in every lab.

use std::{
    collections::BTreeSet,
    fs::File,
    io::{BufRead as _, BufReader},
    net::Ipv4Addr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use probity_tests::lab::Lab;

/// Where the hostile target is. The lab's own servers stay at [`probity_tests::lab::HOST`].
pub const TARGET: Ipv4Addr = Ipv4Addr::new(10, 66, 2, 3);

pub const PYTHON: &str = "/usr/bin/python3";
pub const OPENSSL: &str = "/usr/bin/openssl";
pub const NFT: &str = "/usr/sbin/nft";

pub struct HostileLab {
    lab: Lab,
    target: Child,
    /// What the target serves, as nmap takes it.
    ports: String,
    _certificate: tempfile::TempDir,
}

impl HostileLab {
    pub fn new() -> Self {
        let lab = Lab::new().unwrap();
        lab.host().shell(&format!("ip addr add {TARGET}/32 dev lo")).unwrap();
        lab.watch_beyond(&[&TARGET.to_string()]).unwrap();

        let certificate = certificate();
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("hostile");
        let mut target = lab
            .host()
            .command(PYTHON)
            // Nothing is left behind in the source tree.
            .args(["-B", "-W", "ignore"])
            .arg(folder.join("target.py"))
            .arg(TARGET.to_string())
            .args([certificate.path().join("certificate"), certificate.path().join("key")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = String::new();
        BufReader::new(target.stdout.take().unwrap()).read_line(&mut said).unwrap();
        let ports = said.trim().strip_prefix("ready ").expect(&said).to_owned();
        Self { lab, target, ports, _certificate: certificate }
    }

    /// All ports but these.
    pub fn ports_without(&self, some: &[&str]) -> String {
        let ports: Vec<_> = self.ports.split(',').filter(|port| !some.contains(port)).collect();
        assert!(ports.len() > 30, "{}", self.ports);
        ports.join(",")
    }

    /// Runs a scan to its end, and returns what it prints.
    pub fn scan(&self, argv: &[String]) -> String {
        let output = self.lab.client().command(&argv[0]).args(&argv[1..]).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{argv:?}: {output:?}");
        text
    }

    /// Whom packets of the client went to since the lab is there, the target aside.
    pub fn beyond(&self) -> BTreeSet<String> {
        self.lab.beyond()
    }
}

impl Drop for HostileLab {
    fn drop(&mut self) {
        let _ = self.target.kill();
        let _ = self.target.wait();
    }
}

/// A certificate whose authority, revocations and further issuers are elsewhere, and its key.
fn certificate() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| -> PathBuf { folder.path().join(name) };
    let output = Command::new(OPENSSL)
        .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"])
        .args(["-subj", "/CN=elsewhere.example"])
        .args(["-addext", "subjectAltName=DNS:elsewhere.example,IP:198.51.100.7"])
        .args(["-addext", "authorityInfoAccess=OCSP;URI:http://198.51.100.7/ocsp"])
        .args(["-addext", "crlDistributionPoints=URI:http://198.51.100.7/crl"])
        .arg("-keyout")
        .arg(path("key"))
        .arg("-out")
        .arg(path("certificate"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(File::open(path("key")).is_ok());
    folder
}
