//! Calls that wait for another person, and what that person types: to approve is the broker's own tool's, never
//! this page's.

use maud::{Markup, html};

use super::{
    Frame, Place, Who,
    bits::{moment, run_link},
};
use crate::calls::runs::RunView;

/// The view, of runs that have not begun.
#[must_use]
pub fn waiting(who: &Who, runs: &[RunView]) -> Markup {
    let view = html! {
        p { "Some calls run only once a second person approves of them, on this machine and as another user. "
            "Approving is done there with " code { "probity-policy approve" } ", and not here." }
        section #waiting data-part {
            @if runs.is_empty() { p.help { "Nothing waits." } }
            @else { ul.plain { @for run in runs { li {
                (run_link(run)) ", asked " (moment(&run.asked_at))
                @if let Some(progress) = &run.progress { br; (progress.message) }
            } } } }
        }
    };
    let frame = Frame {
        follows: "run",
        again_after: 5,
        ..Frame::still(Some(who), Place::Waiting, "Approvals")
    };
    frame.around(&view)
}
