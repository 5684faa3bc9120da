//! The page for people: each view as HTML, made from what the service says.
//!
//! A view is a function from values to HTML. It asks for nothing, decides nothing, and knows no requests: who may
//! see what is found out before it is called. Every text is escaped where it is put in (by maud), and nothing in
//! here steps around that. All views work without scripts but for what lives.
//!
//! ```text
//! handlers of HTTP ──values──▶ view ──in──▶ frame ──▶ one document; style and script are files of their own
//! ```

pub mod assets;
mod bits;
mod commands;
mod compare;
mod failed;
mod fields;
mod frame;
mod grants;
mod login;
mod overview;
mod run;
mod runs;
mod tool;
mod value;
mod verdict;
mod waiting;
mod watches;

pub use self::{
    compare::compare,
    failed::failed,
    fields::{Fields, properties},
    frame::{Frame, Place, Who},
    grants::grants,
    login::{Login, entering, login},
    overview::{Overview, overview},
    run::{RunPage, run},
    runs::{RunsPage, runs},
    tool::{ToolPage, tool},
    verdict::verdict,
    waiting::waiting,
    watches::{WatchPage, watch, watches},
};

/// Where all of it is.
pub const ROOT: &str = "/ui/";
