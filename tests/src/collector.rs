//! What telemetry is pushed to: a server of HTTP that keeps what it is sent, for a test to look at.

use std::{
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex, PoisonError},
    thread,
};

/// A request, as it came.
#[derive(Debug, Clone)]
pub struct Pushed {
    /// `POST /v1/traces`.
    pub request: String,
    /// Its headers, the names in lower case.
    pub headers: Vec<(String, String)>,
    /// Its body.
    pub body: Vec<u8>,
}

/// A server on a free port of this machine, for as long as the test's process lives.
pub struct Collector {
    address: SocketAddr,
    pushed: Arc<Mutex<Vec<Pushed>>>,
}

impl Collector {
    /// One that answers each request with this status.
    ///
    /// # Errors
    /// Those of listening.
    pub fn answering(status: &'static str) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let this = Self { address: listener.local_addr()?, pushed: Arc::default() };
        let pushed = Arc::clone(&this.pushed);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let pushed = Arc::clone(&pushed);
                // A client that goes away in between is nobody's business.
                thread::spawn(move || drop(serve(&stream, status, &pushed)));
            }
        });
        Ok(this)
    }

    /// Its URL, without a path.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What came until now.
    #[must_use]
    pub fn pushed(&self) -> Vec<Pushed> {
        self.pushed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn serve(stream: &TcpStream, status: &str, pushed: &Mutex<Vec<Pushed>>) -> io::Result<()> {
    let mut input = BufReader::new(stream);
    loop {
        let mut line = || {
            let mut line = String::new();
            input.read_line(&mut line)?;
            Ok::<_, io::Error>(line.trim_end().to_owned())
        };
        let first = line()?;
        let mut headers = Vec::new();
        loop {
            let header = line()?;
            let Some((name, value)) = header.split_once(':') else { break };
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        let Some(request) = first.strip_suffix(" HTTP/1.1") else { return Ok(()) };
        let length = headers.iter().find(|(name, _)| name == "content-length");
        let length = length.and_then(|(_, value)| value.parse().ok()).unwrap_or_default();
        let mut body = vec![0; length];
        input.read_exact(&mut body)?;
        let one = Pushed { request: request.to_owned(), headers, body };
        pushed.lock().unwrap_or_else(PoisonError::into_inner).push(one);
        let mut output = stream;
        write!(output, "HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n")?;
    }
}
