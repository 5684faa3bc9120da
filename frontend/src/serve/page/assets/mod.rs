//! The files beside the documents: style, script and icon, in the program itself.
//!
//! Their addresses change with what is in them, so that a browser keeps one for as long as it likes.

use std::sync::LazyLock;

use sha2::{Digest as _, Sha256};

/// A file.
pub struct Asset {
    /// Its name in the folder of them.
    pub name: &'static str,
    /// Its media type.
    pub kind: &'static str,
    /// What is in it.
    pub text: &'static str,
    url: LazyLock<String>,
}

/// How it looks.
pub static STYLE: Asset = Asset {
    name: "page.css",
    kind: "text/css; charset=utf-8",
    text: include_str!("page.css"),
    url: LazyLock::new(|| url_of("page.css", include_str!("page.css"))),
};

/// What lives.
pub static SCRIPT: Asset = Asset {
    name: "page.js",
    kind: "text/javascript; charset=utf-8",
    text: include_str!("page.js"),
    url: LazyLock::new(|| url_of("page.js", include_str!("page.js"))),
};

/// The picture in a browser's tab.
pub static ICON: Asset = Asset {
    name: "icon.svg",
    kind: "image/svg+xml",
    text: include_str!("icon.svg"),
    url: LazyLock::new(|| url_of("icon.svg", include_str!("icon.svg"))),
};

impl Asset {
    /// Its address.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// One by its name.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        [&STYLE, &SCRIPT, &ICON].into_iter().find(|asset| asset.name == name)
    }
}

fn url_of(name: &str, text: &str) -> String {
    let hash = Sha256::digest(text);
    let version: String = hash.iter().take(6).map(|byte| format!("{byte:02x}")).collect();
    format!("/ui/assets/{name}?v={version}")
}
