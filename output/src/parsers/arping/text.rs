//! arping's answers as text: who has the address, and whether another has it too.

use super::{ArpingReport, Owner};
use crate::parsers::page::{Page, count, subject, word};

pub(super) fn text(report: &ArpingReport) -> String {
    let who = subject(None, report.target.as_deref());
    let on = report.device.as_deref().map(|device| format!(" on {}", word(device)));
    let on = on.unwrap_or_default();
    let sent = count(report.sent, "question");
    let mut page = Page::default();
    match &report.owners[..] {
        [] if report.received > 0 => {
            page.line(&format!("{who} answered {} times{on}", report.received));
        }
        [] if report.complete => {
            page.line(&format!("{who} did not answer{on}: {sent}, no answer"));
            page.line(
                "nobody has the address, or it is not on this link: ARP does not pass a router. \
                 route tells which; ping reaches further",
            );
        }
        [] => page.line(&format!("{who} had not answered{on} when arping was stopped")),
        [owner] => {
            let asked = if report.sent > 0 { format!(" ({sent})") } else { String::new() };
            page.line(&format!("{who} is {}{on}: {}{asked}", owner.mac, answers(owner)));
        }
        owners => {
            page.line(&format!(
                "{who} is in conflict: {} answered for it{on}, so that packets reach one or the other",
                count(owners.len() as u64, "device")
            ));
            for owner in owners {
                page.line(&format!("  device {}: {}", owner.mac, answers(owner)));
            }
        }
    }
    page.finish("")
}

fn answers(owner: &Owner) -> String {
    let times = match (owner.rtt_min_ms, owner.rtt_max_ms) {
        (Some(min), Some(max)) if min < max => format!(", {min} to {max} ms"),
        (Some(one), _) => format!(", {one} ms"),
        _ => String::new(),
    };
    format!("{}{times}", count(owner.answers, "answer"))
}
