//! What every view stands in: its head, the way to the others, and who is logged in.

use maud::{DOCTYPE, Markup, html};

use super::{ROOT, assets};
use crate::serve::access::Role;

/// Which of the views in the menu one is, or belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// How this server is, and the tools.
    Overview,
    /// What was run.
    Runs,
    /// Calls that come by themselves.
    Watches,
    /// What whoever is logged in may do.
    Grants,
    /// Calls that wait for another person.
    Waiting,
    /// Elsewhere.
    Nowhere,
}

/// Who is logged in.
#[derive(Debug, Clone)]
pub struct Who {
    /// Their token's name.
    pub name: String,
    /// What they may do.
    pub role: Role,
    /// They see calls that come by themselves.
    pub sees_watches: bool,
}

impl Who {
    /// Whether they may run tools.
    #[must_use]
    pub fn may_run(&self) -> bool {
        self.role >= Role::Operator
    }
}

/// A document around a view.
pub struct Frame<'a> {
    /// Who looks at it; none where nobody is logged in.
    pub who: Option<&'a Who>,
    /// Where it is.
    pub place: Place,
    /// Its title, which is its heading too.
    pub title: &'a str,
    /// The kinds of events after which its parts are fetched anew, with spaces between; none of a view that
    /// stays as it is.
    pub follows: &'a str,
    /// A view without scripts is fetched anew after so many seconds; never with 0.
    pub again_after: u32,
}

impl<'a> Frame<'a> {
    /// A view that stays as it is.
    #[must_use]
    pub fn still(who: Option<&'a Who>, place: Place, title: &'a str) -> Self {
        Self { who, place, title, follows: "", again_after: 0 }
    }

    /// The whole document.
    #[must_use]
    pub fn around(&self, view: &Markup) -> Markup {
        html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    title { (self.title) " · Probity" }
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    link rel="stylesheet" href=(assets::STYLE.url());
                    link rel="icon" href=(assets::ICON.url());
                    @if self.again_after > 0 {
                        noscript { meta http-equiv="refresh" content=(self.again_after); }
                    }
                    script type="module" src=(assets::SCRIPT.url()) {}
                }
                body {
                    a.skip href="#main" { "Skip to content" }
                    (self.banner())
                    p #news .news role="status" hidden {}
                    main #main tabindex="-1" data-follows=[(!self.follows.is_empty()).then_some(self.follows)] {
                        h1 { (self.title) }
                        (view)
                    }
                    footer { "Probity " (env!("CARGO_PKG_VERSION")) }
                }
            }
        }
    }

    fn banner(&self) -> Markup {
        html! {
            header.banner {
                a.brand href=(ROOT) { img src=(assets::ICON.url()) alt="" width="24" height="24"; "Probity" }
                @if let Some(who) = self.who {
                    nav aria-label="Views" { ul { @for (place, href, name) in places(who) {
                        li { a href=(href) aria-current=[(place == self.place).then_some("page")] { (name) } }
                    } } }
                    form.who method="post" action="/ui/logout" {
                        span { (who.name) " " small { "(" (who.role.as_str()) ")" } }
                        button.quiet type="submit" { "Log out" }
                    }
                }
            }
        }
    }
}

/// The views that somebody sees. Those that one may not see are not there.
fn places(who: &Who) -> Vec<(Place, &'static str, &'static str)> {
    let mut places = vec![
        (Place::Overview, ROOT, "Overview"),
        (Place::Runs, "/ui/runs", "Runs"),
        (Place::Grants, "/ui/grants", "What I may do"),
        (Place::Waiting, "/ui/approvals", "Approvals"),
    ];
    if who.sees_watches {
        places.insert(2, (Place::Watches, "/ui/watches", "Watches"));
    }
    places
}
