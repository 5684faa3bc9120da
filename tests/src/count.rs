//! The privileged process by count: which files the broker is built of, what each is for, and how many
//! lines of code it has.
//!
//! A line counts where at least one token stands on it. Comments are no tokens; doc comments, items for
//! tests and items behind features that the broker does not have are left out. Files are found as the
//! compiler finds them, from each crate's `lib.rs` along its `mod`s.

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
};

use proc_macro2::{TokenStream, TokenTree};

use crate::tokens::{after_item, is_mark};

/// What a part of the privileged process is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Purpose {
    /// Bytes to types and back, and what is lexically valid.
    Wire,
    /// From a call to a denial or a plan.
    Decision,
    /// From a connection to the end of its run.
    Session,
    /// From a plan to a confined process.
    Sandbox,
    /// Who holds which capability.
    Privileges,
    /// From files to a policy.
    PolicyReading,
    /// What peers are told that they may ask, and what they are told of a refusal.
    Telling,
    /// The log of decisions.
    Audit,
    /// How many may run, and who waits.
    Queueing,
    /// Start, reload, end, and the process above.
    StartAndStop,
}

use Purpose::{
    Audit, Decision, PolicyReading, Privileges, Queueing, Sandbox, Session, StartAndStop, Telling,
    Wire,
};

/// In the order in which they are printed. The first five are the boundary.
pub const PURPOSES: [(Purpose, &str); 10] = [
    (Wire, "wire and lexical types"),
    (Decision, "decide and plan"),
    (Session, "connection and session"),
    (Sandbox, "sandbox and spawn"),
    (Privileges, "privileges"),
    (PolicyReading, "policy reading"),
    (Telling, "catalogs"),
    (Audit, "audit"),
    (Queueing, "queueing"),
    (StartAndStop, "start and stop"),
];

/// Each file of the three crates that the broker is built of, or a folder of them. Where several rows
/// fit, the longest path counts.
const FILES: &[(Purpose, &[&str])] = &[
    (Wire, &["protocol/src/"]),
    (
        Decision,
        &[
            "policy/src/approvers.rs",
            "policy/src/arguments.rs",
            "policy/src/beyond.rs",
            "policy/src/decide.rs",
            "policy/src/denied.rs",
            "policy/src/granted_options.rs",
            "policy/src/grants.rs",
            "policy/src/lines.rs",
            "policy/src/lookup.rs",
            "policy/src/names.rs",
            "policy/src/networks.rs",
            "policy/src/plan.rs",
            "policy/src/policy.rs",
            "policy/src/profile.rs",
            "policy/src/relations.rs",
            "policy/src/subject.rs",
            "policy/src/subject_grants.rs",
            "policy/src/targets.rs",
            "policy/src/template.rs",
            "policy/src/tool.rs",
            "policy/src/value.rs",
            "policy/src/words.rs",
            "policy/src/work.rs",
            "policy/src/lib.rs",
        ],
    ),
    (
        Session,
        &[
            "broker/src/connection.rs",
            "broker/src/peer.rs",
            "broker/src/run.rs",
            "broker/src/approvals.rs",
            "broker/src/session.rs",
            "broker/src/session/",
            "broker/src/sys/peer.rs",
        ],
    ),
    (Sandbox, &["broker/src/run_folder.rs", "broker/src/sandbox/", "broker/src/sys/"]),
    (Privileges, &["broker/src/privileges.rs"]),
    (
        PolicyReading,
        &[
            "policy/src/accounts.rs",
            "policy/src/canonical.rs",
            "policy/src/digest.rs",
            "policy/src/load.rs",
            "policy/src/raw.rs",
            "policy/src/source.rs",
            "policy/src/trust.rs",
            "policy/src/validate/",
        ],
    ),
    (
        Telling,
        &[
            "protocol/src/catalog.rs",
            "policy/src/allowance.rs",
            "policy/src/catalog.rs",
            "policy/src/options_left.rs",
            "broker/src/catalogs.rs",
        ],
    ),
    (Audit, &["protocol/src/chain.rs", "broker/src/audit/"]),
    (
        Queueing,
        &[
            "broker/src/admission.rs",
            "broker/src/buckets.rs",
            "broker/src/queue.rs",
            "broker/src/runs.rs",
            "broker/src/slices.rs",
            "broker/src/slots.rs",
        ],
    ),
    (
        StartAndStop,
        &[
            "broker/src/accept.rs",
            "broker/src/broker.rs",
            "broker/src/cli.rs",
            "broker/src/complain.rs",
            "broker/src/lib.rs",
            "broker/src/main.rs",
            "broker/src/notify.rs",
            "broker/src/reload.rs",
            "broker/src/rules.rs",
            "broker/src/shutdown.rs",
            "broker/src/startup.rs",
            "broker/src/supervisor.rs",
            "broker/src/sys/listener.rs",
        ],
    ),
];

impl Purpose {
    /// Whether it belongs to what stands between a request and a raw socket.
    #[must_use]
    pub fn is_boundary(self) -> bool {
        matches!(self, Wire | Decision | Session | Sandbox | Privileges)
    }

    fn of(file: &str) -> Option<Self> {
        let rows = FILES
            .iter()
            .flat_map(|(purpose, paths)| paths.iter().map(move |path| (path, *purpose)));
        let fits = rows.filter(|(path, _)| match path.ends_with('/') {
            true => file.starts_with(**path),
            false => file == **path,
        });
        fits.max_by_key(|(path, _)| path.len()).map(|(_, purpose)| purpose)
    }
}

/// A file of the privileged process.
#[derive(Debug)]
pub struct Counted {
    /// From the workspace's root.
    pub file: String,
    /// `None` where no row of the table has it.
    pub purpose: Option<Purpose>,
    /// Lines of code.
    pub lines: usize,
    /// `unsafe` blocks.
    pub unsafe_blocks: usize,
}

/// Why nothing can be counted.
#[derive(Debug, thiserror::Error)]
pub enum CountError {
    /// A file that cannot be read.
    #[error("{}: {error}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// A file that is not Rust.
    #[error("{} is not Rust: {error}", path.display())]
    Lex {
        /// Which.
        path: PathBuf,
        /// What the lexer says.
        error: proc_macro2::LexError,
    },
}

/// Every file that the broker is built of, below the workspace's root.
///
/// # Errors
/// A file that cannot be read or is not Rust.
pub fn privileged(root: &Path) -> Result<Vec<Counted>, CountError> {
    let mut found = Vec::new();
    for start in
        ["protocol/src/lib.rs", "policy/src/lib.rs", "broker/src/lib.rs", "broker/src/main.rs"]
    {
        let path = root.join(start);
        let children = path.parent().unwrap_or(root).to_owned();
        follow(root, &path, &children, &mut found)?;
    }
    Ok(found)
}

/// Counts a file, and those of its modules, which stand in the folder `children`.
fn follow(
    root: &Path,
    path: &Path,
    children: &Path,
    found: &mut Vec<Counted>,
) -> Result<(), CountError> {
    let text = fs::read_to_string(path)
        .map_err(|error| CountError::Io { path: path.to_owned(), error })?;
    let code = Code::of(&text).map_err(|error| CountError::Lex { path: path.to_owned(), error })?;
    let file = path.strip_prefix(root).unwrap_or(path).to_string_lossy().into_owned();
    let purpose = Purpose::of(&file);
    let (lines, unsafe_blocks) = (code.lines.len(), code.unsafe_blocks.len());
    found.push(Counted { file, purpose, lines, unsafe_blocks });
    for module in code.modules {
        let folder = children.join(&module);
        let beside = children.join(format!("{module}.rs"));
        let path = if beside.is_file() { beside } else { folder.join("mod.rs") };
        follow(root, &path, &folder, found)?;
    }
    Ok(())
}

/// What a text of Rust has in it that the broker compiles.
#[derive(Debug, Default)]
pub struct Code {
    /// Lines with a token, from 1.
    pub lines: BTreeSet<usize>,
    /// Lines with the word `unsafe`: of a block, a function or an implementation.
    pub unsafe_lines: Vec<usize>,
    /// Those where a block begins.
    pub unsafe_blocks: Vec<usize>,
    /// Modules in files of their own.
    pub modules: Vec<String>,
}

impl Code {
    /// Reads a text.
    ///
    /// # Errors
    /// That it is not Rust.
    pub fn of(text: &str) -> Result<Self, proc_macro2::LexError> {
        let mut code = Self::default();
        code.take(text.parse()?);
        Ok(code)
    }

    fn take(&mut self, stream: TokenStream) {
        let tokens: Vec<_> = stream.into_iter().collect();
        let mut rest = tokens.as_slice();
        let mut before = [String::new(), String::new()];
        while let Some((token, after)) = rest.split_first() {
            rest = match Meaning::of(rest) {
                Some((Meaning::Words, after)) => after,
                Some((Meaning::NotBuilt, after)) => after_item(after),
                None => {
                    before = self.see(token, before);
                    after
                }
            };
        }
    }

    /// Takes one token, of which the two before are known, and answers the two before the next.
    fn see(&mut self, token: &TokenTree, [last, this]: [String; 2]) -> [String; 2] {
        if let TokenTree::Group(group) = token {
            if this == "unsafe" {
                self.unsafe_blocks.extend(self.unsafe_lines.last());
            }
            self.lines.extend([group.span_open().start().line, group.span_close().end().line]);
            self.take(group.stream());
            return [this, String::new()];
        }
        self.lines.extend(token.span().start().line..=token.span().end().line);
        let text = token.to_string();
        if last == "mod" && text == ";" {
            self.modules.push(this.clone());
        }
        if text == "unsafe" {
            self.unsafe_lines.push(token.span().start().line);
        }
        [this, text]
    }
}

/// What an attribute means for the count, where it means anything.
#[derive(PartialEq, Eq)]
enum Meaning {
    /// A doc comment.
    Words,
    /// The broker is built without what follows.
    NotBuilt,
}

impl Meaning {
    /// Of the attribute that stands first, with what stands after it.
    fn of(tokens: &[TokenTree]) -> Option<(Self, &[TokenTree])> {
        /// The conditions that are false where the broker is built. Any other counts as true.
        const FALSE: [&str; 4] = [
            "cfg(test)",
            "cfg(any(test,feature=\"cli\"))",
            "cfg(feature=\"cli\")",
            "cfg(feature=\"client\")",
        ];
        let (attribute, after) = match tokens {
            [mark, TokenTree::Group(group), after @ ..] if is_mark(mark, '#') => (group, after),
            [mark, inner, TokenTree::Group(group), after @ ..]
                if is_mark(mark, '#') && is_mark(inner, '!') =>
            {
                (group, after)
            }
            _ => return None,
        };
        let text: String = attribute.stream().to_string().split_whitespace().collect();
        match text.as_str() {
            doc if doc.starts_with("doc=") => Some((Self::Words, after)),
            condition if FALSE.contains(&condition) => Some((Self::NotBuilt, after)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<usize> {
        Code::of(text).unwrap().lines.into_iter().collect()
    }

    #[test]
    fn a_line_counts_where_a_token_stands_on_it() {
        assert_eq!(lines("//! About.\n\nuse a;\n// why\nfn f() {\n    g()\n}\n"), [3, 5, 6, 7]);
        assert_eq!(lines("const A: &str = \"one\ntwo\n\";"), [1, 2, 3]);
        assert_eq!(lines("/// What.\n#[must_use]\nfn f() {}"), [2, 3]);
        assert_eq!(lines("/* a\nb */ fn f() {}"), [2]);
    }

    #[test]
    fn what_the_broker_is_not_built_with_does_not_count() {
        assert_eq!(lines("#[cfg(test)]\nmod tests {\n    fn f() {}\n}\nfn g() {}"), [5]);
        assert_eq!(lines("#[cfg(test)]\n#[path = \"x.rs\"]\nmod tests;\nfn g() {}"), [4]);
        assert_eq!(
            lines("struct A {\n    #[cfg(test)]\n    a: B<C, D>,\n    b: u8,\n}"),
            [1, 4, 5]
        );
        assert_eq!(lines("#[cfg(feature = \"cli\")]\nfn f<A, B>() {\n}\nfn g() {}"), [4]);
        assert_eq!(
            lines("#[cfg(any(test, feature = \"cli\"))]\npub use a::{b, c};\nfn g() {}"),
            [3]
        );
        assert_eq!(lines("#[cfg(target_os = \"linux\")]\nfn g() {}"), [1, 2]);
    }

    #[test]
    fn modules_and_unsafe_are_found() {
        let code =
            Code::of("mod a;\n#[cfg(test)]\nmod b;\nmod c { fn f() { unsafe { g() } } }").unwrap();
        assert_eq!(code.modules, ["a"]);
        assert_eq!((code.unsafe_lines, code.unsafe_blocks), (vec![4], vec![4]));
        let code = Code::of("unsafe fn f() {\n    unsafe {\n        g()\n    }\n}").unwrap();
        assert_eq!((code.unsafe_lines, code.unsafe_blocks), (vec![1, 2], vec![2]));
    }
}
