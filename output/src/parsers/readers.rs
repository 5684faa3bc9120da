//! What reads the output of a tool: a parser of ours, by its name, or the table in the tool's own file.

use std::sync::Arc;

use probity_protocol::ParseTable;
use serde_json::Value;

use super::{
    ParseError, Parsed, arping, dns, http, ip, mtr, nmap, one_line, ping,
    table::{Table, TableError},
    tcpdump, tls, tracepath, traceroute,
};
use crate::clean::decode;

/// What reads the output of a tool. It can be used: a table is compiled, and a name is known.
#[derive(Debug, Clone)]
pub struct Parser(By);

#[derive(Debug, Clone)]
enum By {
    Ours(&'static Reader),
    Table(Arc<Table>),
}

/// A parser of ours.
#[derive(Debug)]
pub(super) struct Reader {
    /// What a tool's file calls it, and messages too.
    pub(super) name: &'static str,
    /// Of its results.
    schema: fn() -> Value,
    /// What it makes of standard output and standard error; `None` where there is no trace of a report.
    read: fn(&str, &str) -> Option<Parsed>,
}

/// All of them, by their names.
pub(super) static READERS: [Reader; 11] = [
    Reader {
        name: "arping",
        schema: arping::schema,
        read: |stdout, _| arping::parse(stdout).map(Parsed::Arping),
    },
    Reader {
        name: "curl",
        schema: http::schema,
        read: |stdout, stderr| http::parse(stdout, stderr).map(Parsed::Http),
    },
    Reader {
        name: "dig",
        schema: dns::schema,
        read: |stdout, stderr| dns::parse(stdout, stderr).map(Parsed::Dns),
    },
    Reader {
        name: "ip-json",
        schema: ip::schema,
        read: |stdout, stderr| ip::parse(stdout, stderr).map(Parsed::Ip),
    },
    Reader {
        name: "mtr",
        schema: mtr::schema,
        read: |stdout, _| mtr::parse(stdout).map(Parsed::Mtr),
    },
    Reader {
        name: "nmap-xml",
        schema: nmap::schema,
        read: |stdout, _| nmap::parse(stdout).map(Parsed::Nmap),
    },
    Reader {
        name: "ping",
        schema: ping::schema,
        read: |stdout, stderr| ping::parse(stdout, stderr).map(Parsed::Ping),
    },
    Reader {
        name: "tcpdump",
        schema: tcpdump::schema,
        read: |stdout, stderr| tcpdump::parse(stdout, stderr).map(Parsed::Capture),
    },
    Reader {
        name: "tls",
        schema: tls::schema,
        read: |stdout, stderr| tls::parse(stdout, stderr).map(Parsed::Tls),
    },
    Reader {
        name: "tracepath",
        schema: tracepath::schema,
        read: |stdout, _| tracepath::parse(stdout).map(Parsed::Tracepath),
    },
    Reader {
        name: "traceroute",
        schema: traceroute::schema,
        read: |stdout, _| traceroute::parse(stdout).map(Parsed::Traceroute),
    },
];

impl Parser {
    /// The parser of ours that a tool's file calls so: one of `probity_protocol::PARSERS`.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        READERS.iter().find(|reader| reader.name == name).map(|reader| Self(By::Ours(reader)))
    }

    /// What does as this table says.
    ///
    /// # Errors
    /// The part of the table that cannot be carried out.
    pub fn of_table(table: &ParseTable) -> Result<Self, TableError> {
        Ok(Self(By::Table(Arc::new(Table::new(table)?))))
    }

    /// What messages and logs call it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match &self.0 {
            By::Ours(reader) => reader.name,
            By::Table(_) => "table",
        }
    }

    /// The JSON Schema (2020-12, an object) of its results.
    #[must_use]
    pub fn schema(&self) -> Value {
        match &self.0 {
            By::Ours(reader) => (reader.schema)(),
            By::Table(table) => table.schema(),
        }
    }

    /// Reads what a tool wrote. `is_whole` says that it came to its end, and that nothing of it is left out: then
    /// a last line without an end is a line.
    ///
    /// # Errors
    /// [`ParseError`] when the output holds no trace of a report. An output that stops in the middle
    /// is no error: the report says how far it went.
    pub fn read(&self, stdout: &[u8], stderr: &[u8], is_whole: bool) -> Result<Parsed, ParseError> {
        let read = match &self.0 {
            By::Ours(reader) => (reader.read)(&decode(stdout), &decode(stderr)),
            By::Table(table) => {
                let mut output = decode(stdout).into_owned();
                if is_whole && !output.ends_with('\n') {
                    output.push('\n');
                }
                table.read(&output).map(Parsed::Table)
            }
        };
        read.ok_or_else(|| no_report(self.name(), stdout, stderr))
    }
}

/// Reads a tool's output with the parser of ours that has this name; `Ok(None)` where there is none.
///
/// # Errors
/// See [`Parser::read`].
pub fn parse(name: &str, stdout: &[u8], stderr: &[u8]) -> Result<Option<Parsed>, ParseError> {
    Parser::named(name).map(|parser| parser.read(stdout, stderr, false)).transpose()
}

fn no_report(tool: &'static str, stdout: &[u8], stderr: &[u8]) -> ParseError {
    let said = [stderr, stdout].into_iter().find_map(|bytes| {
        decode(bytes).lines().map(str::trim).find(|line| !line.is_empty()).map(one_line)
    });
    match said {
        Some(said) => ParseError::NoReport { tool, said },
        None => ParseError::Empty { tool },
    }
}
