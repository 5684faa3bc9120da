//! Which file of a crate uses which other, read from its tokens.
//!
//! A use is a path that begins with `crate`, `super` or `self`, in a `use` line, in code or in a
//! macro's arguments. It is followed to the file that defines the item, through `pub use` lines on
//! the way: a module that passes on what its children define does not use them by that. Code for
//! tests is left out.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use proc_macro2::{Delimiter, TokenStream, TokenTree};

use crate::tokens::{after_item, is_mark};

/// A module: the names on the way to it from the crate's root, which itself is empty.
pub type Module = Vec<String>;

/// The modules of one crate that are files of their own, and what each uses.
#[derive(Debug, Default)]
pub struct Imports {
    files: BTreeMap<Module, File>,
}

#[derive(Debug, Default)]
struct File {
    path: PathBuf,
    /// Paths that it uses, from the crate's root.
    used: BTreeSet<Module>,
    /// Names that it passes on, and where it has them from; `*` for all of a module.
    passed_on: BTreeMap<String, Vec<Module>>,
    /// Every word outside `use` lines: a name that is passed on may be used here as well.
    words: BTreeSet<String>,
}

/// One file uses another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Use {
    /// The file that uses.
    pub from: Module,
    /// The file that is used.
    pub to: Module,
}

impl Imports {
    /// Reads a crate's `src` folder.
    ///
    /// # Panics
    /// If a file cannot be read or is no Rust: there is nothing to test then.
    #[must_use]
    pub fn read(src: &Path) -> Self {
        let mut imports = Self::default();
        imports.read_folder(src, &[]);
        imports
    }

    fn read_folder(&mut self, folder: &Path, module: &[String]) {
        let entries = fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
        for entry in entries {
            let path = entry.expect("an entry of a folder").path();
            let name = path.file_stem().and_then(|name| name.to_str()).expect("a name").to_owned();
            if path.is_dir() && !matches!(name.as_str(), "tests" | "bin" | "fixtures") {
                self.read_folder(&path, &[module, &[name]].concat());
            } else if path.extension().is_some_and(|e| e == "rs") && !is_for_tests(&name) {
                let own = match name.as_str() {
                    "lib" | "mod" | "main" if module.is_empty() && name == "main" => continue,
                    "lib" | "mod" => module.to_vec(),
                    _ => [module, &[name]].concat(),
                };
                self.read_file(&path, own);
            }
        }
    }

    fn read_file(&mut self, path: &Path, module: Module) {
        let text = fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let tokens: TokenStream =
            text.parse().unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let mut file = File { path: path.to_owned(), ..File::default() };
        let children = children(&tokens);
        Reader { module: &module, children: &children, file: &mut file }.items(tokens);
        let used_here =
            |(name, from): (&String, &Vec<Module>)| file.words.contains(name).then(|| from.clone());
        let used_here: Vec<Module> =
            file.passed_on.iter().filter_map(used_here).flatten().collect();
        file.used.extend(used_here);
        self.files.insert(module, file);
    }

    /// Every use of one file by another, in order.
    #[must_use]
    pub fn uses(&self) -> BTreeSet<Use> {
        let mut uses = BTreeSet::new();
        for (from, file) in &self.files {
            for used in &file.used {
                uses.extend(
                    self.definers(used, 0)
                        .into_iter()
                        .filter(|to| to != from)
                        .map(|to| Use { from: from.clone(), to }),
                );
            }
        }
        uses
    }

    /// The files in which what a path names is defined.
    fn definers(&self, path: &[String], depth: u32) -> BTreeSet<Module> {
        const DEEPEST: u32 = 8;
        let Some(at) = (0..=path.len()).rev().find(|&at| self.files.contains_key(&path[..at]))
        else {
            return BTreeSet::new();
        };
        let (module, rest) = path.split_at(at);
        let file = &self.files[module];
        let Some(name) = rest.first().filter(|_| depth < DEEPEST) else {
            return [module.to_vec()].into();
        };
        let from = match name.as_str() {
            "*" => file.passed_on.values().flatten().collect(),
            name => file.passed_on.get(name).map(|from| from.iter().collect()).unwrap_or_default(),
        };
        let from: Vec<&Module> = from;
        let further = from.iter().flat_map(|from| {
            let tail = &rest[1..];
            self.definers(&[from.as_slice(), tail].concat(), depth + 1)
        });
        let mut all: BTreeSet<Module> = further.collect();
        if all.is_empty() || name == "*" {
            all.insert(module.to_vec());
        }
        all
    }

    /// Groups of files that use one another, each in order; single files are left out. A module may
    /// use what lies in its own folder, and that may use the module: the two are read as one. So a
    /// use of a child by its own module, or of a child's child, closes no cycle.
    #[must_use]
    pub fn cycles(&self) -> Vec<Vec<Module>> {
        let mut reached: BTreeMap<Module, BTreeSet<Module>> = BTreeMap::new();
        let mut direct: BTreeMap<Module, Vec<Module>> = BTreeMap::new();
        for Use { from, to } in self.uses().into_iter().filter(|u| !u.to.starts_with(&u.from)) {
            direct.entry(from).or_default().push(to);
        }
        for from in self.files.keys() {
            let mut seen = BTreeSet::new();
            let mut open: Vec<&Module> = direct.get(from).into_iter().flatten().collect();
            while let Some(next) = open.pop() {
                if seen.insert(next.clone()) {
                    open.extend(direct.get(next).into_iter().flatten());
                }
            }
            reached.insert(from.clone(), seen);
        }
        let mut cycles: Vec<Vec<Module>> = Vec::new();
        for (from, seen) in reached.iter().filter(|(from, seen)| seen.contains(*from)) {
            if cycles.iter().any(|cycle| cycle.contains(from)) {
                continue;
            }
            let back = |to: &&Module| reached.get(*to).is_some_and(|seen| seen.contains(from));
            cycles.push(seen.iter().filter(back).cloned().collect());
        }
        cycles
    }

    /// The file of a module, as it lies in the sources.
    #[must_use]
    pub fn path(&self, module: &[String]) -> Option<&Path> {
        self.files.get(module).map(|file| file.path.as_path())
    }

    /// Every file.
    pub fn modules(&self) -> impl Iterator<Item = &Module> {
        self.files.keys()
    }
}

fn is_for_tests(name: &str) -> bool {
    name == "tests" || name.ends_with("_tests") || name == "test_catalog"
}

/// What is read of one file.
struct Reader<'a> {
    module: &'a Module,
    children: &'a BTreeSet<String>,
    file: &'a mut File,
}

impl Reader<'_> {
    /// Goes through tokens that may be items, statements or a macro's arguments.
    fn items(&mut self, tokens: TokenStream) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let mut at = 0;
        let mut is_passed_on = false;
        let mut is_use = false;
        while let Some(token) = tokens.get(at) {
            at += 1;
            match token {
                TokenTree::Punct(p) if p.as_char() == '#' && is_cfg_test(tokens.get(at)) => {
                    at = tokens.len() - after_item(&tokens[at + 1..]).len();
                }
                TokenTree::Punct(p) if p.as_char() == ';' => {
                    (is_use, is_passed_on) = (false, false);
                }
                TokenTree::Ident(word) if word == "pub" => is_passed_on = true,
                TokenTree::Ident(word) if word == "use" => {
                    is_use = true;
                    for path in tree(&tokens, at).0 {
                        self.take_use(path, is_passed_on);
                    }
                    while tokens.get(at).is_some_and(|t| !is_mark(t, ';')) {
                        at += 1;
                    }
                }
                TokenTree::Ident(word)
                    if ["crate", "super", "self"].iter().any(|root| word == root)
                        && tokens.get(at).is_some_and(|t| is_mark(t, ':')) =>
                {
                    let (paths, next) = tree(&tokens, at - 1);
                    at = next.max(at);
                    for path in paths {
                        self.take(&path.names);
                    }
                }
                TokenTree::Group(group) => {
                    self.items(group.stream());
                    if group.delimiter() == Delimiter::Brace && !is_use {
                        is_passed_on = false;
                    }
                }
                TokenTree::Ident(word) => {
                    let word = word.to_string();
                    let is_path = tokens.get(at).is_some_and(|t| is_mark(t, ':'))
                        && tokens.get(at + 1).is_some_and(|t| is_mark(t, ':'));
                    let begins = at < 2 || tokens.get(at - 2).is_none_or(|t| !is_mark(t, ':'));
                    if is_path && begins && self.children.contains(&word) {
                        let (paths, next) = tree(&tokens, at - 1);
                        at = next.max(at);
                        for path in paths {
                            let names = [&["self".to_owned()], path.names.as_slice()].concat();
                            self.take(&names);
                        }
                    }
                    is_passed_on &= !is_item(&word);
                    self.file.words.insert(word);
                }
                _ => {}
            }
        }
    }

    fn take_use(&mut self, path: UsePath, is_passed_on: bool) {
        let Some(names) = self.resolved(&path.names, true) else { return };
        if is_passed_on {
            let name = path.alias.or_else(|| names.last().cloned()).unwrap_or_default();
            let from = match names.split_last() {
                Some((last, rest)) if last == "*" => rest.to_vec(),
                _ => names,
            };
            self.file.passed_on.entry(name).or_default().push(from);
        } else {
            self.file.used.insert(names);
        }
    }

    fn take(&mut self, names: &[String]) {
        if let Some(names) = self.resolved(names, false) {
            self.file.used.insert(names);
        }
    }

    /// The path from the crate's root. A `use` may begin with a child's name too; what begins with
    /// another crate's becomes a path that no file has, and counts for nothing.
    fn resolved(&self, names: &[String], in_use: bool) -> Option<Module> {
        let mut base = self.module.clone();
        let mut rest = names;
        match rest.first().map(String::as_str) {
            Some("crate") => {
                base.clear();
                rest = &rest[1..];
            }
            Some("self") => rest = &rest[1..],
            Some("super") => {
                while rest.first().is_some_and(|name| name == "super") {
                    base.pop();
                    rest = &rest[1..];
                }
            }
            _ if in_use => {}
            _ => return None,
        }
        let rest = rest.iter().filter(|name| *name != "self").cloned();
        Some(base.into_iter().chain(rest).collect())
    }
}

/// One path of a `use`.
struct UsePath {
    names: Vec<String>,
    alias: Option<String>,
}

/// The paths of a tree such as `crate::{a, b::{c as d, *}}`, and where it ends.
fn tree(tokens: &[TokenTree], mut at: usize) -> (Vec<UsePath>, usize) {
    let mut names = Vec::new();
    loop {
        match tokens.get(at) {
            Some(TokenTree::Ident(name)) => {
                names.push(name.to_string());
                at += 1;
            }
            Some(TokenTree::Punct(star)) if star.as_char() == '*' => {
                names.push("*".to_owned());
                return (vec![UsePath { names, alias: None }], at + 1);
            }
            Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace => {
                let inner: Vec<TokenTree> = group.stream().into_iter().collect();
                let branches = inner.split(|token| is_mark(token, ','));
                let paths = branches.filter(|branch| !branch.is_empty()).flat_map(|branch| {
                    tree(branch, 0).0.into_iter().map(|path| UsePath {
                        names: [names.as_slice(), &path.names].concat(),
                        alias: path.alias,
                    })
                });
                return (paths.collect(), at + 1);
            }
            _ => return (vec![UsePath { names, alias: None }], at),
        }
        let is_path = |at: usize| tokens.get(at).is_some_and(|t| is_mark(t, ':'));
        if is_path(at) && is_path(at + 1) {
            at += 2;
            continue;
        }
        let alias = match (tokens.get(at), tokens.get(at + 1)) {
            (Some(TokenTree::Ident(word)), Some(TokenTree::Ident(alias))) if word == "as" => {
                Some(alias.to_string())
            }
            _ => None,
        };
        return (vec![UsePath { names, alias }], at);
    }
}

fn is_item(word: &str) -> bool {
    matches!(
        word,
        "fn" | "struct" | "enum" | "mod" | "const" | "static" | "type" | "trait" | "impl"
    )
}

/// The modules that a file declares to lie in files of their own.
fn children(tokens: &TokenStream) -> BTreeSet<String> {
    let tokens: Vec<TokenTree> = tokens.clone().into_iter().collect();
    let declared = tokens.windows(3).filter_map(|three| match three {
        [TokenTree::Ident(word), TokenTree::Ident(name), end]
            if word == "mod" && is_mark(end, ';') =>
        {
            Some(name.to_string())
        }
        _ => None,
    });
    declared.collect()
}

/// `[cfg(test)]`, behind its `#`.
fn is_cfg_test(token: Option<&TokenTree>) -> bool {
    let Some(TokenTree::Group(group)) = token else { return false };
    group.stream().to_string().replace(' ', "") == "cfg(test)"
}
