//! A reader of server-sent events, at a pace that the test decides.
//!
//! The frontend's own tests use it too.

use std::{
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
};

use serde_json::Value;

/// An answer that goes on.
pub struct Events {
    stream: BufReader<TcpStream>,
    /// The status.
    pub status: u16,
    /// The headers as they came, each line with its end.
    pub head: String,
    /// What has come and was not taken.
    text: String,
    /// How much of it was looked at for the end of a message.
    seen: usize,
    /// The id of the last message that had one.
    pub id: String,
    /// Comments that have come.
    pub comments: usize,
    is_over: bool,
}

/// A message: its type and its data.
pub type Message = (String, Value);

impl Events {
    /// Asks over a connection: `GET` without a body, `POST` with one.
    ///
    /// # Errors
    /// Those of the connection, and an answer that is none.
    pub fn ask(
        stream: TcpStream,
        host: &str,
        path: &str,
        token: &str,
        body: Option<&Value>,
    ) -> io::Result<Self> {
        Self::ask_after(stream, host, path, token, body, "")
    }

    /// The same, of a reader who has had a message of that id.
    ///
    /// # Errors
    /// As [`Self::ask`].
    pub fn ask_after(
        mut stream: TcpStream,
        host: &str,
        path: &str,
        token: &str,
        body: Option<&Value>,
        id: &str,
    ) -> io::Result<Self> {
        let method = if body.is_some() { "POST" } else { "GET" };
        let body = body.map(Value::to_string).unwrap_or_default();
        let length = body.len();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n\
             Accept: text/event-stream\r\nContent-Type: application/json\r\nLast-Event-ID: {id}\r\n\
             Content-Length: {length}\r\n\r\n{body}"
        )?;
        let mut stream = BufReader::new(stream);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if stream.read_line(&mut head)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.ok_or_else(|| io::Error::other(head.clone()))?;
        let (text, id) = (String::new(), String::new());
        Ok(Self { stream, status, head, id, text, seen: 0, comments: 0, is_over: false })
    }

    /// The next message; none at the end.
    ///
    /// # Errors
    /// Those of the connection, and what is no message.
    pub fn next_message(&mut self) -> io::Result<Option<Message>> {
        loop {
            // What was looked at already is not looked at again.
            while let Some(end) = self.text[self.seen..].find("\n\n") {
                let event: String = self.text.drain(..self.seen + end + 2).collect();
                self.seen = 0;
                let mut event = event.trim_end();
                if let Some((id, data)) =
                    event.strip_prefix("id: ").and_then(|text| text.split_once('\n'))
                {
                    id.clone_into(&mut self.id);
                    event = data;
                }
                let Some(data) = event.strip_prefix("data: ") else {
                    self.comments += usize::from(event.starts_with(':'));
                    continue;
                };
                let mut message: Value = serde_json::from_str(data).map_err(io::Error::other)?;
                let kind = message["type"].as_str().unwrap_or_default().to_owned();
                return Ok(Some((kind, message["data"].take())));
            }
            self.seen = self.text.floor_char_boundary(self.text.len().saturating_sub(1));
            if self.is_over {
                return Ok(None);
            }
            self.read_chunk()?;
        }
    }

    /// The data of the next message of a type, those of others passed over.
    ///
    /// # Errors
    /// As [`Self::next_message`], and the end before there is one.
    pub fn data_of(&mut self, kind: &str) -> io::Result<Value> {
        loop {
            match self.next_message()? {
                Some((is, data)) if is == kind => return Ok(data),
                Some(_) => {}
                None => return Err(io::Error::other(format!("no {kind} came"))),
            }
        }
    }

    /// All that is still to come.
    ///
    /// # Errors
    /// As [`Self::next_message`].
    pub fn rest(&mut self) -> io::Result<Vec<Message>> {
        let mut all = Vec::new();
        while let Some(message) = self.next_message()? {
            all.push(message);
        }
        Ok(all)
    }

    /// The connection, to be closed in whatever way.
    #[must_use]
    pub fn connection(&self) -> &TcpStream {
        self.stream.get_ref()
    }

    /// What is read when the answer is no stream of events.
    pub fn reader(&mut self) -> &mut impl io::Read {
        &mut self.stream
    }

    fn read_chunk(&mut self) -> io::Result<()> {
        let mut size = String::new();
        self.stream.read_line(&mut size)?;
        let size = usize::from_str_radix(size.trim(), 16).map_err(io::Error::other)?;
        let mut chunk = vec![0; size + 2];
        self.stream.read_exact(&mut chunk)?;
        self.is_over = size == 0;
        self.text.push_str(std::str::from_utf8(&chunk[..size]).map_err(io::Error::other)?);
        Ok(())
    }
}
