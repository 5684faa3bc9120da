//! The report in words.

use std::io::{self, Write};

use super::{HeadState, Kept, Report};
use crate::{cli::output, source::printable};

pub(super) fn text(report: &Report) -> io::Result<()> {
    let mut out = anstream::stdout().lock();
    let files = match report.files.len() {
        1 => String::new(),
        several => format!(", in {several} files"),
    };
    let unbroken = match (report.first, report.head) {
        (Some(_), Some(head)) if report.broken.is_some() => {
            format!("the chain breaks after line {} ({}{files})", head.seq, lines(report.lines))
        }
        (Some(first), Some(head)) => {
            format!("lines {first} to {} are unbroken ({}{files})", head.seq, lines(report.lines))
        }
        _ => format!("no line is there{files}"),
    };
    let verdict = if report.ok { output::good("OK") } else { output::error("NOT OK") };
    writeln!(out, "{verdict}: {unbroken}")?;
    if let Some(head) = report.head {
        writeln!(out, "head: {head}")?;
    }
    if let Some(first) = report.first.filter(|first| *first > 1) {
        writeln!(
            out,
            "It begins with line {first}: those before it are in older files, or gone. The first \
             line's hash of them cannot be tried here."
        )?;
    }
    if let Some(broken) = &report.broken {
        writeln!(out, "{}", output::error(printable(&format!("broken at {}", broken.place))))?;
        writeln!(out, "  expected: {}", broken.expected)?;
        writeln!(out, "  found:    {}", broken.found)?;
        writeln!(out, "  {}", printable(&broken.meaning))?;
    }
    for kept in &report.heads {
        writeln!(out, "{}", printable(&told(kept, report.broken.is_some())))?;
    }
    if report.broken.is_none() && report.heads.is_empty() {
        writeln!(
            out,
            "The chain has no key. That its end was cut off, that the last line was changed, or that all \
             of it\nwas written anew shows only against a head that was kept elsewhere. The journal has \
             some, for --head:\n  journalctl -u probity-broker -g 'audit chain head'"
        )?;
    } else if let Some(last) = report.head.filter(|_| report.ok) {
        let known = report.heads.iter().map(|kept| kept.head.seq).max();
        if let Some(known) = known.filter(|known| *known < last.seq) {
            writeln!(out, "Lines after {known} have no head that vouches for them.")?;
        }
    }
    Ok(())
}

fn told(kept: &Kept, broken: bool) -> String {
    let head = kept.head;
    let at = kept.at.as_ref().map(|place| format!(", at {place}")).unwrap_or_default();
    let says = match kept.state {
        HeadState::Found => format!("is in the chain{at}"),
        HeadState::Differs => {
            format!(
                "is not in the chain: the line of that number{at} has another hash. It, or lines \
                 before it, were written anew"
            )
        }
        HeadState::CutOff if broken => "is not in the unbroken part".into(),
        HeadState::CutOff => "is not in the chain, which ends before it: lines were cut off".into(),
        HeadState::Older => {
            "is from before the first line: give the older files too. If there are none, lines \
             were taken away"
                .into()
        }
    };
    format!("head {head} {says}")
}

fn lines(count: u64) -> String {
    if count == 1 { "1 line".into() } else { format!("{count} lines") }
}
