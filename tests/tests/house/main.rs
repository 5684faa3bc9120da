//! The house's own rules, held by reading its sources. Nothing is run.
//!
//! | module | promise |
//! |---|---|
//! | `order` | imports run one way, between rooms and between files |
//! | `counts` | how large the privileged process is, and where it is unsafe |
//! | `bans` | what the broker must not be built of |
//! | `rules` | each rule of SECURITY.md stands at the code that enforces it, and no other does |
//! | `words` | names read as English |
//! | `processors` | the filters' system calls are there on aarch64 too |
//! | `links` | the pages lead to one another, in the package too |

mod bans;
mod counts;
mod links;
mod order;
mod processors;
mod rules;
mod words;

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Where the workspace is.
fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

/// Shows `look` each file of Rust in a folder, and in those below it.
fn each_source(folder: &Path, look: &mut dyn FnMut(&Path, &str)) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            each_source(&path, look);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            look(&path, &fs::read_to_string(&path).unwrap());
        }
    }
}

/// The same of every crate's `src`.
fn each_source_of_the_workspace(look: &mut dyn FnMut(&Path, &str)) {
    for entry in fs::read_dir(root()).unwrap() {
        let folder = entry.unwrap().path();
        if folder.join("Cargo.toml").is_file() {
            each_source(&folder.join("src"), look);
        }
    }
}
