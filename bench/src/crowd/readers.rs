//! Readers of `/events`, and what a thousand of them cost in memory.

use std::{
    fs,
    io::{self, Read as _, Write as _},
    net::TcpStream,
    thread,
    time::{Duration, Instant},
};

use crate::server::HttpServer;

/// Twice what lies between one round of messages and the next, and some.
const WATCHED: Duration = Duration::from_secs(11);

/// How often the readers look.
const PAUSE: Duration = Duration::from_millis(50);

/// Resident memory of the server at its highest, in bytes, with so many readers that are told of health
/// and metrics three times each.
pub(crate) fn memory(server: &HttpServer<'_>, readers: usize, request: &str) -> io::Result<f64> {
    let mut streams = Vec::with_capacity(readers);
    for _ in 0..readers {
        let mut stream = TcpStream::connect(server.host())?;
        stream.write_all(request.as_bytes())?;
        stream.set_nonblocking(true)?;
        streams.push((stream, Heard::default()));
    }
    let deadline = Instant::now() + WATCHED;
    let mut buffer = vec![0; 64 << 10];
    while Instant::now() < deadline {
        for (stream, heard) in &mut streams {
            heard.read(stream, &mut buffer)?;
        }
        thread::sleep(PAUSE);
    }
    match streams.iter().map(|(_, heard)| heard.messages).min() {
        Some(least) if least >= 6 => peak(server.pid()),
        least => Err(io::Error::other(format!("a reader was told {least:?} messages"))),
    }
}

#[derive(Default)]
struct Heard {
    messages: usize,
    /// Whether the last byte that came was a line's end.
    at_line_end: bool,
}

impl Heard {
    /// Counts the empty lines, of which each message has one.
    fn read(&mut self, stream: &mut TcpStream, buffer: &mut [u8]) -> io::Result<()> {
        loop {
            let count = match stream.read(buffer) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                count => count?,
            };
            for byte in &buffer[..count] {
                let is_line_end = *byte == b'\n';
                self.messages += usize::from(is_line_end && self.at_line_end);
                self.at_line_end = is_line_end;
            }
        }
    }
}

fn peak(pid: u32) -> io::Result<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u32>().ok());
    let kib = kib.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))?;
    Ok(f64::from(kib) * 1024.0)
}
