//! The way in: a form that takes a token, and what is shown for the moment after a link with a code.

use maud::{DOCTYPE, Markup, html};

use super::{Frame, Place, ROOT, assets};

/// What the form says.
#[derive(Debug, Default)]
pub struct Login<'a> {
    /// Where to go then: a path of the page.
    pub next: &'a str,
    /// What was wrong with the last try.
    pub wrong: Option<&'a str>,
}

/// The form.
#[must_use]
pub fn login(login: &Login<'_>) -> Markup {
    let view = html! {
        @if let Some(wrong) = login.wrong { p.notice.bad role="alert" { (wrong) } }
        form.card.narrow method="post" action="/ui/login" {
            label for="token" { "Token" }
            input #token type="password" name="token" required autocomplete="current-password"
                autofocus aria-describedby="where";
            input type="hidden" name="next" value=(login.next);
            p #where .help {
                "Whoever runs this server has tokens: " code { "probity token new" }
                ". A server that was started without any has printed a link that opens this page."
            }
            button type="submit" { "Log in" }
        }
    };
    Frame::still(None, Place::Nowhere, "Log in").around(&view)
}

/// A document that goes on to the page by itself. A redirect would not do: a browser that came here from
/// another site would not yet send the cookie along.
#[must_use]
pub fn entering() -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                title { "Probity" }
                link rel="icon" href=(assets::ICON.url());
                meta http-equiv="refresh" content={ "0; url=" (ROOT) };
            }
            body { p { a href=(ROOT) { "Go on to Probity" } } }
        }
    }
}
