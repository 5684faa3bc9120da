//! What changed from one run to a later one.

use maud::{Markup, html};
use probity_output::compare::Kind;

use super::{
    Frame, Place, Who,
    bits::{badge, moment, run_link},
};
use crate::calls::runs::Compared;

/// The view. `picture` is what the picture says to whoever does not see it; none where there is none.
#[must_use]
pub fn compare(who: &Who, compared: &Compared, picture: Option<&str>) -> Markup {
    let found = &compared.comparison;
    let (before, after) = (&compared.before, &compared.after);
    let view = html! {
        p.summary { (found.sentence) }
        dl.facts {
            div { dt { "From" } dd { (run_link(before)) " " (moment(&before.asked_at)) } }
            div { dt { "To" } dd { (run_link(after)) " " (moment(&after.asked_at)) } }
        }
        @if let Some(alternative) = picture {
            figure { img.picture width="480" alt=(alternative)
                src={ "/ui/runs/" (before.run_id) "/diff/" (after.run_id) "/picture.svg" }; }
        }
        @if !found.changes.is_empty() {
            div.wide tabindex="0" { table {
                thead { tr { th scope="col" { "What" } th scope="col" { "Of" } th scope="col" { "Was" } th scope="col" { "Is" } } }
                tbody { @for change in &found.changes { tr {
                    td { (badge(kind_of(change.what), word(change.what))) }
                    th scope="row" { (change.subject) }
                    td { (change.before.as_deref().unwrap_or("–")) }
                    td { (change.after.as_deref().unwrap_or("–")) }
                } } }
            } }
        }
        @if found.truncated { p.help { (found.change_count) " changes in all; some are left out here." } }
        @if !found.notes.is_empty() { h2 { "What cannot be said" } ul { @for note in &found.notes { li { (note) } } } }
    };
    let title = format!("What changed: {} {}", after.tool, after.target);
    Frame::still(Some(who), Place::Runs, title.trim()).around(&view)
}

const fn word(kind: Kind) -> &'static str {
    match kind {
        Kind::Came => "came",
        Kind::Gone => "gone",
        Kind::Changed => "changed",
        Kind::Worse => "worse",
        Kind::Better => "better",
        Kind::Unsure => "unsure",
        Kind::NotSeen => "not seen",
        Kind::Noise => "no more than chance",
    }
}

const fn kind_of(kind: Kind) -> &'static str {
    match kind {
        Kind::Came | Kind::Better => "good",
        Kind::Gone | Kind::Worse => "bad",
        Kind::Changed => "warn",
        Kind::Unsure | Kind::NotSeen | Kind::Noise => "still",
    }
}
