//! A view that there is not, or not now: what is wrong, and what to do.

use maud::{Markup, html};

use super::{Frame, Place, ROOT, bits::sentence};

/// That it went wrong.
#[must_use]
pub fn failed(title: &str, message: &str, remedy: &str) -> Markup {
    let view = html! {
        p.notice.bad { (sentence(message)) }
        @if !remedy.is_empty() { p { (remedy) } }
        p { a href=(ROOT) { "Back to the overview" } }
    };
    Frame::still(None, Place::Nowhere, title).around(&view)
}
