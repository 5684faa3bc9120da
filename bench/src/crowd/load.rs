//! Requests over connections that are kept open, one at a time on each. One thread asks them all, as
//! cheaply as it can: it runs on one of the processors that the server runs on, and is part of every
//! figure.

use std::{
    io::{self, Read as _, Write as _},
    net::TcpStream,
    time::{Duration, Instant},
};

use nix::sys::{
    epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout},
    time::TimeSpec,
    timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags},
};

use crate::samples::seconds;

/// Far longer than any answer takes.
const PATIENCE_MS: u16 = 10_000;

/// What the timer's events are called; connections are called by their numbers.
const TIMER: u64 = u64::MAX;

/// Larger than any answer that is measured.
const BUFFER_BYTES: usize = 256 << 10;

/// Connections to a server, and the one request that all of them send.
pub(crate) struct Load {
    epoll: Epoll,
    connections: Vec<Connection>,
    request: Vec<u8>,
    /// What stands in an answer of which the time counts.
    expected: &'static str,
    buffer: Vec<u8>,
}

struct Connection {
    stream: TcpStream,
    /// What has come of an answer that is not whole yet.
    begun: Vec<u8>,
    /// Since when its client waits.
    since: Instant,
}

/// How a load went.
pub(crate) struct Answered {
    /// Seconds that each answer took.
    pub(crate) took: Vec<f64>,
    /// Answers per second.
    pub(crate) rate: f64,
}

impl Load {
    /// So many clients, whose answers have these words in them.
    pub(crate) fn open(
        host: &str,
        clients: usize,
        request: String,
        expected: &'static str,
    ) -> io::Result<Self> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        let mut connections = Vec::with_capacity(clients);
        for number in 0..clients {
            let stream = TcpStream::connect(host)?;
            stream.set_nodelay(true)?;
            stream.set_nonblocking(true)?;
            epoll.add(&stream, EpollEvent::new(EpollFlags::EPOLLIN, number as u64))?;
            connections.push(Connection { stream, begun: Vec::new(), since: Instant::now() });
        }
        let buffer = vec![0; BUFFER_BYTES];
        Ok(Self { epoll, connections, request: request.into_bytes(), expected, buffer })
    }

    /// Every client asks again as soon as it is answered, until there were so many answers.
    pub(crate) fn closed(&mut self, answers: usize) -> io::Result<Answered> {
        let mut took = Vec::with_capacity(answers);
        let started = Instant::now();
        for number in 0..self.connections.len().min(answers) {
            self.ask(number, Instant::now())?;
        }
        let mut left = answers.saturating_sub(self.connections.len());
        while took.len() < answers {
            for number in self.wait()? {
                let Some(time) = self.answer_of(number)? else { continue };
                took.push(time);
                if left > 0 {
                    left -= 1;
                    self.ask(number, Instant::now())?;
                }
            }
        }
        let rate = took.len() as f64 / seconds(started.elapsed());
        Ok(Answered { took, rate })
    }

    /// The clients together ask so many times a second, whether they are answered in time or not: one
    /// whose turn comes while all wait has waited since then.
    pub(crate) fn at_rate(&mut self, per_second: u32, answers: usize) -> io::Result<Answered> {
        let interval = Duration::from_secs(1) / per_second;
        let timer = TimerFd::new(ClockId::CLOCK_MONOTONIC, TimerFlags::TFD_NONBLOCK)?;
        self.epoll.add(&timer, EpollEvent::new(EpollFlags::EPOLLIN, TIMER))?;
        let mut idle: Vec<usize> = (0..self.connections.len()).collect();
        let mut took = Vec::with_capacity(answers);
        let started = Instant::now();
        let due = |asked: usize| started + interval * u32::try_from(asked).unwrap_or(u32::MAX);
        timer.set(
            Expiration::Interval(TimeSpec::from_duration(interval)),
            TimerSetTimeFlags::empty(),
        )?;
        let mut asked = 0;
        while took.len() < answers {
            for number in self.wait()? {
                if number == usize::MAX {
                    timer.wait()?;
                } else if let Some(time) = self.answer_of(number)? {
                    took.push(time);
                    // The one that has waited for longest is next.
                    idle.insert(0, number);
                }
            }
            while asked < answers && due(asked) <= Instant::now() {
                let Some(number) = idle.pop() else { break };
                self.ask(number, due(asked))?;
                asked += 1;
            }
        }
        self.epoll.delete(&timer)?;
        let rate = took.len() as f64 / seconds(started.elapsed());
        Ok(Answered { took, rate })
    }

    fn ask(&mut self, number: usize, since: Instant) -> io::Result<()> {
        let connection = &mut self.connections[number];
        connection.since = since;
        // Nothing else is on its way, so there is room for it.
        connection.stream.write_all(&self.request)
    }

    /// Those that have something to say.
    fn wait(&self) -> io::Result<impl Iterator<Item = usize> + use<>> {
        let mut events = [EpollEvent::empty(); 256];
        let count = self.epoll.wait(&mut events, EpollTimeout::from(PATIENCE_MS))?;
        match count {
            0 => Err(io::Error::new(io::ErrorKind::TimedOut, "no answer")),
            count => Ok(events
                .into_iter()
                .take(count)
                .map(|event| usize::try_from(event.data()).unwrap_or(usize::MAX))),
        }
    }

    /// Reads what there is; the time that the answer took, once it is whole.
    fn answer_of(&mut self, number: usize) -> io::Result<Option<f64>> {
        let connection = &mut self.connections[number];
        let count = match connection.stream.read(&mut self.buffer) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
            count => count?,
        };
        let came = &self.buffer[..count];
        // Nearly always it comes as a whole, and is not copied.
        let is_whole = if connection.begun.is_empty() {
            is_whole(came, self.expected)?
        } else {
            connection.begun.extend_from_slice(came);
            is_whole(&connection.begun, self.expected)?
        };
        if !is_whole {
            if connection.begun.is_empty() {
                connection.begun.extend_from_slice(came);
            }
            return Ok(None);
        }
        connection.begun.clear();
        Ok(Some(seconds(connection.since.elapsed())))
    }
}

/// Whether an answer has come to its end. Any but a 200 with the expected words is an error: a refusal
/// would be fast, and no measure of anything.
fn is_whole(answer: &[u8], expected: &str) -> io::Result<bool> {
    let Some(end) = find(answer, b"\r\n\r\n") else { return Ok(false) };
    let (head, body) = answer.split_at(end + 4);
    let head = std::str::from_utf8(head).unwrap_or_default();
    let mut lines = head.split("\r\n");
    let is_good = lines.next().is_some_and(|line| line.starts_with("HTTP/1.1 200"));
    let length: Option<usize> =
        lines.find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
    let has_ended = match length {
        Some(length) => body.len() >= length,
        None => body.ends_with(b"0\r\n\r\n"),
    };
    match has_ended && !(is_good && find(body, expected.as_bytes()).is_some()) {
        true => Err(io::Error::other(String::from_utf8_lossy(answer).into_owned())),
        false => Ok(has_ended),
    }
}

fn find(text: &[u8], words: &[u8]) -> Option<usize> {
    text.windows(words.len()).position(|window| window == words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_whole_with_its_last_byte_and_any_but_the_expected_is_an_error() {
        let counted: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nx: y\r\n\r\n{}";
        let chunked: &[u8] =
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n";
        for answer in [counted, chunked] {
            for length in 0..answer.len() {
                assert!(!is_whole(&answer[..length], "{}").unwrap(), "{length}");
            }
            assert!(is_whole(answer, "{}").unwrap());
            assert!(is_whole(answer, "[]").is_err());
        }
        assert!(is_whole(b"HTTP/1.1 429 Too\r\ncontent-length: 2\r\n\r\n{}", "{}").is_err());
    }
}
