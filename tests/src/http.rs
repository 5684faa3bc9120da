//! A client of `probity http`, byte by byte: what a test writes is what the server reads, and no
//! library makes it well formed first.
//!
//! The frontend's own tests use it too.

use std::{
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    net::{Shutdown, SocketAddr, TcpStream},
    process::{Child, ChildStderr, Command, Stdio},
    sync::{Arc, Mutex, PoisonError},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;

/// For whatever has to happen at all; never waited out where all is well.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server of a test's own, on a free port of this machine unless it says otherwise.
pub struct HttpServer {
    child: Child,
    log: Arc<Mutex<String>>,
    reader: JoinHandle<()>,
    /// `127.0.0.1:PORT`, or empty where it listens elsewhere.
    host: String,
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Its headers, the names in lower case.
    pub headers: Vec<(String, String)>,
    /// Its body.
    pub body: String,
}

impl HttpServer {
    /// Starts it and waits until it serves. The command has all but its standard error.
    ///
    /// # Errors
    /// Its end before that, with what it wrote.
    pub fn start(mut command: Command) -> io::Result<Self> {
        let mut child = command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn()?;
        let stderr = child.stderr.take().ok_or_else(|| io::Error::other("no pipe"))?;
        let log = Arc::new(Mutex::new(String::new()));
        let kept = Arc::clone(&log);
        let reader = thread::spawn(move || keep(stderr, &kept));
        let mut this = Self { child, log, reader, host: String::new() };
        let serves = "probity: serving on ";
        this.await_log(serves)?;
        let log = this.log();
        let line = log.lines().find_map(|line| line.strip_prefix(serves)).unwrap_or_default();
        this.host = line.strip_prefix("http://").unwrap_or_default().to_owned();
        Ok(this)
    }

    /// Where it listens, as a Host header has it.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Its process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it has written to standard error until now.
    #[must_use]
    pub fn log(&self) -> String {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The same as soon as this is in it: a server writes its log beside what it answers. What there is
    /// where it never comes.
    #[must_use]
    pub fn log_with(&self, text: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let log = self.log();
            if log.contains(text) || Instant::now() > deadline {
                return log;
            }
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits until it has written this.
    ///
    /// # Errors
    /// It does not, or ends first.
    pub fn await_log(&mut self, text: &str) -> io::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            // Asked first: what it wrote before its end is read after it.
            let has_ended = self.child.try_wait()?.is_some();
            thread::sleep(Duration::from_millis(5));
            if self.log().contains(text) {
                return Ok(());
            }
            if has_ended || Instant::now() > deadline {
                return Err(io::Error::other(format!("no {text:?} in:\n{}", self.log())));
            }
        }
    }

    /// The one token that it made, where it was given none.
    #[must_use]
    pub fn token(&self) -> Option<String> {
        let log = self.log();
        let word = log.split_whitespace().find(|word| word.starts_with("probity_"));
        word.map(str::to_owned)
    }

    /// A connection.
    ///
    /// # Errors
    /// Those of `connect(2)`.
    pub fn connect(&self) -> io::Result<TcpStream> {
        let address: SocketAddr = self.host.parse().map_err(io::Error::other)?;
        let stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(stream)
    }

    /// A request as it would be written by curl: `token` where there is one, JSON where there is a body.
    ///
    /// # Errors
    /// Those of the connection, and an answer that is none.
    pub fn request(
        &self,
        method: &str,
        path: &str,
        token: Option<&str>,
        body: Option<&Value>,
    ) -> io::Result<Answer> {
        let mut headers = format!("Host: {}\r\n", self.host);
        if let Some(token) = token {
            headers += &format!("Authorization: Bearer {token}\r\n");
        }
        let body = body.map(Value::to_string);
        if let Some(body) = &body {
            headers +=
                &format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len());
        }
        self.raw(method, path, &headers, &body.unwrap_or_default())
    }

    /// `GET`.
    ///
    /// # Errors
    /// As [`Self::request`].
    pub fn get(&self, path: &str, token: Option<&str>) -> io::Result<Answer> {
        self.request("GET", path, token, None)
    }

    /// `POST` of a JSON body.
    ///
    /// # Errors
    /// As [`Self::request`].
    pub fn post(&self, path: &str, token: &str, body: &Value) -> io::Result<Answer> {
        self.request("POST", path, Some(token), Some(body))
    }

    /// A request with just these headers, each line with its end; the connection is closed after it.
    ///
    /// # Errors
    /// As [`Self::request`].
    pub fn raw(&self, method: &str, target: &str, headers: &str, body: &str) -> io::Result<Answer> {
        let text =
            format!("{method} {target} HTTP/1.1\r\n{headers}Connection: close\r\n\r\n{body}");
        self.exchange(text.as_bytes())
    }

    /// Writes these bytes and reads all that comes back.
    ///
    /// # Errors
    /// As [`Self::request`].
    pub fn exchange(&self, bytes: &[u8]) -> io::Result<Answer> {
        let mut stream = self.connect()?;
        // A server that has answered already reads no more.
        let _ = stream.write_all(bytes);
        read_answer(&mut stream)
    }

    /// Writes a request and leaves it open.
    ///
    /// # Errors
    /// Those of the connection.
    pub fn begin(&self, path: &str, token: &str, body: &Value) -> io::Result<TcpStream> {
        let (body, host) = (body.to_string(), &self.host);
        let length = body.len();
        let mut stream = self.connect()?;
        write!(
            stream,
            "POST {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n\
             Content-Type: application/json\r\nContent-Length: {length}\r\n\
             Connection: close\r\n\r\n{body}"
        )?;
        Ok(stream)
    }

    /// Sends it a signal.
    ///
    /// # Errors
    /// Those of `kill(2)`.
    pub fn signal(&self, signal: Signal) -> io::Result<()> {
        Ok(kill(Pid::from_raw(self.child.id().cast_signed()), signal)?)
    }

    /// Ends it with a signal and waits for its exit code.
    ///
    /// # Errors
    /// Those of `kill(2)` and `wait(2)`.
    pub fn end(&mut self, signal: Signal) -> io::Result<Option<i32>> {
        self.signal(signal)?;
        self.wait()
    }

    /// Waits for its exit code; none where a signal ended it. Its log is whole then.
    ///
    /// # Errors
    /// Those of `wait(2)`.
    pub fn wait(&mut self) -> io::Result<Option<i32>> {
        let status = self.child.wait()?;
        // A process that it left behind would have the log open still: that is not waited for.
        let deadline = Instant::now() + PATIENCE;
        while !self.reader.is_finished() && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(5));
        }
        Ok(status.code())
    }
}

impl Drop for HttpServer {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            // Twice: what a test left running is not waited for.
            let _ = self.signal(Signal::SIGTERM);
            let _ = self.signal(Signal::SIGINT);
            let _ = self.child.wait();
        }
    }
}

/// Reads an answer to the end of its connection.
///
/// # Errors
/// Those of the connection, and what is no answer: a connection that was closed without one.
pub fn read_answer(stream: &mut TcpStream) -> io::Result<Answer> {
    let mut bytes = Vec::new();
    if let Err(error) = stream.read_to_end(&mut bytes)
        && bytes.is_empty()
    {
        return Err(error);
    }
    let _ = stream.shutdown(Shutdown::Both);
    let text = String::from_utf8_lossy(&bytes).into_owned();
    parse(&text).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, format!("{text:?}")))
}

fn parse(text: &str) -> Option<Answer> {
    let (head, body) = text.split_once("\r\n\r\n")?;
    let mut lines = head.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let header = |line: &str| {
        let (name, value) = line.split_once(':')?;
        Some((name.to_ascii_lowercase(), value.trim().to_owned()))
    };
    Some(Answer { status, headers: lines.filter_map(header).collect(), body: body.to_owned() })
}

impl Answer {
    /// A header's value, where there is one.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The body as JSON; null where it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }
}

/// Keeps what a server says.
fn keep(stderr: ChildStderr, log: &Mutex<String>) {
    let mut lines = BufReader::new(stderr);
    let mut line = String::new();
    while lines.read_line(&mut line).is_ok_and(|length| length > 0) {
        log.lock().unwrap_or_else(PoisonError::into_inner).push_str(&line);
        line.clear();
    }
}
