//! Results as pictures, so that people understand them at a glance: which replies were lost, where a way ends, what is
//! open.
//!
//! Each function takes a typed result as it is stored and published, and gives an SVG that stands by itself: no
//! script, no animation, no link, no font to fetch, and no colour but in [`STYLE`]. What a host chose is text in it,
//! cleaned and shortened, and nothing else. Colour is never the only sign of anything. The same result makes the
//! same bytes.
//!
//! A picture says no more than the result does: what was not seen is not drawn as gone, and what had no room
//! is counted in words.
//!
//! ```text
//! typed result ─read─▶ a view of what is drawn ─draw─▶ Sheet ─finish─▶ Picture
//! ```

mod capture;
mod chart;
mod dns;
mod fit;
mod http;
mod ink;
mod marks;
mod matrix;
mod nmap;
mod path;
mod ping;
mod sheet;
mod time;
mod tls;
mod two;
mod two_ports;
mod way;
mod words;

use serde::Deserialize;
use serde_json::Value;

use self::sheet::Sheet;
use crate::{
    compare::{CompareError, Side},
    parsers::one_line,
};

/// Most bytes of a picture.
pub const SVG_BYTES_MAX: usize = 64 * 1024;

/// The one style sheet of all pictures, which stands in a `<style>` of each, byte by byte: a server that sends a
/// Content-Security-Policy allows it by its hash.
///
/// It has the colours, for light and dark screens and for paper. Its classes begin with `pb-`, and it has
/// no `<`, `>` and `&`, so that it reads the same in HTML and in XML.
pub const STYLE: &str = include_str!("style.css");

/// A picture, and what it says to whoever does not see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// An SVG document, 480 units wide, [`SVG_BYTES_MAX`] bytes at most; it may stand inline in a page of HTML.
    pub svg: String,
    /// What it is a picture of, on one line: `ping 10.66.2.2`.
    pub title: String,
    /// What it shows, in a sentence or a few, with the figures.
    pub alternative: String,
}

/// One run as it is drawn.
#[derive(Debug, Clone, Copy)]
pub struct Shown<'a> {
    /// The tool's name.
    pub tool: &'a str,
    /// What it was aimed at, as it was asked for.
    pub target: &'a str,
    /// When it was, in RFC 3339.
    pub at: Option<&'a str>,
    /// The typed result, as it was published.
    pub parsed: &'a Value,
    /// Whether the run came to its end, and nothing of its output is left out.
    pub complete: bool,
    /// The command line that was run, program first; empty where nobody knows it.
    pub command: &'a [String],
}

/// One run of a watch.
#[derive(Debug, Clone, Copy)]
pub struct Moment<'a> {
    /// When it was, in RFC 3339.
    pub at: &'a str,
    /// Its typed result; `None` where the run failed.
    pub parsed: Option<&'a Value>,
    /// Whether the watch told of a change at it.
    pub changed: bool,
}

/// Why there is no picture.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PictureError {
    /// Pictures are made of the results of other parsers.
    #[error(
        "there is no picture of results of the parser {parser:?}; read the text or the structured result"
    )]
    NotDrawn {
        /// The name that was given.
        parser: String,
    },
    /// The run has no typed result.
    #[error(
        "the run has no typed values, since the tool wrote no report; read what it wrote, or run it again"
    )]
    NothingParsed,
    /// The result is not what that parser makes.
    #[error(
        "the result is no report of the parser {parser:?} ({why}); ask for the picture of the tool that made it"
    )]
    Unreadable {
        /// The name that was given.
        parser: String,
        /// What is wrong with it, in one line.
        why: String,
    },
    /// The result holds nothing that could be drawn.
    #[error("the result has {what} to draw; read its text, or run the tool again")]
    NothingToDraw {
        /// What is missing: `no request and no reply`.
        what: &'static str,
    },
    /// The watch has not run yet.
    #[error("the watch has no runs to draw yet; wait for its first")]
    NoMoments,
    /// The two results cannot be compared.
    #[error(transparent)]
    NotComparable(#[from] CompareError),
}

/// What draws a result: it fills the sheet, and answers what stands on it in words.
type Draw = fn(&Shown<'_>, &mut Sheet) -> Result<String, PictureError>;

/// Who draws the results of which parser.
const DRAWN: [(&str, Draw); 9] = [
    ("curl", http::draw),
    ("dig", dns::draw),
    ("mtr", path::mtr),
    ("nmap-xml", nmap::draw),
    ("ping", ping::draw),
    ("tcpdump", capture::draw),
    ("tls", tls::draw),
    ("tracepath", path::tracepath),
    ("traceroute", path::traceroute),
];

/// Whether there is a picture of this parser's results. The others say in one line all that they have to say.
#[must_use]
pub fn is_drawn(parser: &str) -> bool {
    DRAWN.iter().any(|(name, _)| *name == parser)
}

/// Draws one result of a parser, which has the name that a tool's file gives it.
///
/// # Errors
/// [`PictureError`]: there is no picture of that parser's results, or the result holds nothing that could be drawn.
pub fn of_run(parser: &str, run: &Shown<'_>) -> Result<Picture, PictureError> {
    let found = DRAWN.iter().find(|(name, _)| *name == parser);
    let (_, draw) = found.ok_or_else(|| PictureError::NotDrawn { parser: one_line(parser) })?;
    let title = words::title(run.tool, run.target);
    let mut sheet = Sheet::headed(&title, &words::when(run.at, run.complete));
    let alternative = draw(run, &mut sheet)?;
    Ok(sheet.finish(title, alternative))
}

/// Draws what is different between two results of a parser, as [`compare`](crate::compare::compare) finds it; also of
/// parsers whose single results are not drawn.
///
/// # Errors
/// [`PictureError::NotComparable`]: there is no such parser, or one of the results is none of its reports.
pub fn of_two(
    parser: &str,
    before: &Shown<'_>,
    after: &Shown<'_>,
) -> Result<Picture, PictureError> {
    let comparison = crate::compare::compare(parser, before.side(), after.side())?;
    let title = words::title(after.tool, after.target);
    let mut sheet = Sheet::headed(&title, &words::between(before.at, after.at));
    let alternative = two::draw(parser, &comparison, &mut sheet);
    Ok(sheet.finish(format!("{title}, compared"), alternative))
}

/// Draws the runs of a watch, the oldest first: for each parser what matters of it over time, and for one that is
/// not drawn whether the runs came to a result. `title` says what is watched.
///
/// A result that cannot be read counts as a run that failed.
///
/// # Errors
/// [`PictureError::NoMoments`]: there are none.
pub fn over_time(
    parser: &str,
    title: &str,
    moments: &[Moment<'_>],
) -> Result<Picture, PictureError> {
    let (Some(first), Some(last)) = (moments.first(), moments.last()) else {
        return Err(PictureError::NoMoments);
    };
    let title = words::bounded(title);
    let mut sheet = Sheet::headed(&title, &words::between(Some(first.at), Some(last.at)));
    let alternative = time::draw(parser, moments, &mut sheet);
    Ok(sheet.finish(title, alternative))
}

impl<'a> Shown<'a> {
    fn side(&self) -> Side<'a> {
        Side { parsed: Some(self.parsed), complete: self.complete, command: self.command }
    }
}

/// Reads the part of a result that is drawn.
fn read<'a, T: Deserialize<'a>>(parser: &str, parsed: &'a Value) -> Result<T, PictureError> {
    let no_report =
        |why: String| PictureError::Unreadable { parser: one_line(parser), why: one_line(&why) };
    match parsed {
        Value::Null => Err(PictureError::NothingParsed),
        Value::Object(_) => T::deserialize(parsed).map_err(|error| no_report(error.to_string())),
        _ => Err(no_report("it is no object".to_owned())),
    }
}

#[cfg(test)]
mod tests;
