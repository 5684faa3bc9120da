//! Prometheus, as Debian has it, on this machine: it scrapes what a test serves, by the files that are
//! shipped, and answers what they ask.

use std::{
    fmt::Write as _,
    fs,
    io::{self, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;

use crate::{lab::Namespace, procs::wait_until};

/// For whatever has to happen at all; never waited out where all is well.
const PATIENCE: Duration = Duration::from_secs(60);

/// What asks it from within a namespace.
const CURL: &str = "/usr/bin/curl";

/// Where the Makefile puts the programs of Debian's package.
const PROGRAMS: &str = "../.venv/prometheus";

/// A server of a test's own.
pub struct Prometheus {
    child: Child,
    /// Where it runs, where that is not this machine's own network.
    namespace: Option<Namespace>,
    address: SocketAddr,
    folder: tempfile::TempDir,
}

/// A program of the package: `prometheus` or `promtool`. `make venv` makes it.
#[must_use]
pub fn program(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(PROGRAMS).join(name)
}

impl Prometheus {
    /// Starts it by this configuration and these rules, which it finds as `rules.yml`, and waits until it
    /// is ready.
    ///
    /// # Errors
    /// Those of starting it, and its end before that, with what it wrote.
    pub fn start(configuration: &str, rules: &str) -> io::Result<Self> {
        Self::start_at(None, configuration, rules)
    }

    /// The same in a namespace of a lab.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_in(namespace: &Namespace, configuration: &str, rules: &str) -> io::Result<Self> {
        Self::start_at(Some(namespace.clone()), configuration, rules)
    }

    fn start_at(
        namespace: Option<Namespace>,
        configuration: &str,
        rules: &str,
    ) -> io::Result<Self> {
        let folder = tempfile::tempdir()?;
        fs::write(folder.path().join("prometheus.yml"), configuration)?;
        fs::write(folder.path().join("rules.yml"), rules)?;
        // Free a moment ago: it takes no socket that is open already.
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let log = fs::File::create(folder.path().join("log"))?;
        let program = program("prometheus");
        let mut command = match &namespace {
            Some(namespace) => namespace.command(&program),
            None => Command::new(&program),
        };
        let child = command
            .current_dir(folder.path())
            .args(["--config.file=prometheus.yml", "--storage.tsdb.path=data"])
            .arg(format!("--web.listen-address={address}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()?;
        let mut this = Self { child, namespace, address, folder };
        let mut has_ended = false;
        let is_ready = wait_until(PATIENCE, || {
            has_ended = this.child.try_wait().is_ok_and(|status| status.is_some());
            has_ended || this.get("/-/ready").is_ok_and(|answer| answer.starts_with("HTTP/1.0 200"))
        });
        if has_ended || !is_ready {
            return Err(io::Error::other(format!("not ready: {}", this.log())));
        }
        Ok(this)
    }

    /// What an expression comes to now: samples, each with its labels and its value, which may be none of
    /// a number.
    ///
    /// # Errors
    /// Those of the connection, and an expression that it does not take, with its reason.
    pub fn query(&self, expression: &str) -> io::Result<Vec<(Value, f64)>> {
        let answer = self.api(&format!("query?query={}", encoded(expression)))?;
        let samples = answer["result"].as_array().cloned().unwrap_or_default();
        let value = |sample: &Value| sample["value"][1].as_str()?.parse::<f64>().ok();
        let sample = |sample: &Value| Some((sample["metric"].clone(), value(sample)?));
        Ok(samples.iter().filter_map(sample).collect())
    }

    /// The names of the alerts that fire.
    ///
    /// # Errors
    /// Those of the connection.
    pub fn firing(&self) -> io::Result<Vec<String>> {
        let answer = self.api("alerts")?;
        let alerts = answer["alerts"].as_array().cloned().unwrap_or_default();
        let fires = alerts.iter().filter(|alert| alert["state"] == "firing");
        let names = fires.filter_map(|alert| alert["labels"]["alertname"].as_str());
        Ok(names.map(str::to_owned).collect())
    }

    /// What it wrote.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    fn api(&self, path: &str) -> io::Result<Value> {
        let answer = self.get(&format!("/api/v1/{path}"))?;
        let (_, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
        let body: Value = serde_json::from_str(body)?;
        match body["status"].as_str() {
            Some("success") => Ok(body["data"].clone()),
            _ => Err(io::Error::other(format!("{path}: {body}"))),
        }
    }

    /// By version 1.0, in which an answer comes in one piece.
    fn get(&self, path: &str) -> io::Result<String> {
        if let Some(namespace) = &self.namespace {
            let url = format!("http://{}{path}", self.address);
            let output = namespace.command(CURL).args(["-q", "-s", "-i", "-0", &url]).output()?;
            return String::from_utf8(output.stdout).map_err(io::Error::other);
        }
        let mut stream = TcpStream::connect(self.address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        write!(stream, "GET {path} HTTP/1.0\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = kill(Pid::from_raw(self.child.id().cast_signed()), Signal::SIGKILL);
        let _ = self.child.wait();
    }
}

/// A text as a query of a URL has it.
fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut encoded, byte| {
        let _ = match byte.is_ascii_alphanumeric() {
            true => encoded.write_char(byte.into()),
            false => write!(encoded, "%{byte:02X}"),
        };
        encoded
    })
}
