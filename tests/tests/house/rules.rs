//! The rules of SECURITY.md and the code: each stands, word for word, as a comment `RULE:` right above
//! the line that enforces it, so that one search leads from a promise to the code that keeps it.
//!
//! Whether the line does enforce it, the other suites say.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

const MARK: &str = "// RULE: ";

/// Crates in which nothing is promised.
const OF_TESTS: &[&str] = &["tests", "bench"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The rules of the page, in its order.
fn promised() -> Vec<String> {
    let page = fs::read_to_string(root().join("SECURITY.md")).unwrap();
    let (_, section) = page.split_once("\n## Rules\n").expect("a section of rules");
    let section = section.split("\n## ").next().unwrap();
    section.lines().filter_map(|line| line.strip_prefix("- ")).map(str::to_owned).collect()
}

/// The sources of all crates that are shipped, less their tests.
fn sources() -> Vec<PathBuf> {
    let crates = fs::read_dir(root()).unwrap().map(|entry| entry.unwrap());
    let crates = crates.filter(|entry| entry.path().join("Cargo.toml").is_file());
    let shipped = crates.filter(|entry| !OF_TESTS.iter().any(|name| entry.file_name() == *name));
    let mut folders: Vec<_> = shipped.map(|entry| entry.path().join("src")).collect();
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            let is_test = name == "tests" || name.ends_with("_tests");
            match path.extension() {
                _ if is_test => {}
                None if path.is_dir() => folders.push(path),
                Some(extension) if extension == "rs" => files.push(path),
                _ => {}
            }
        }
    }
    files
}

/// Each rule of the code, with where it stands and the line below it.
fn enforced() -> Vec<(String, String, String)> {
    let mut found = Vec::new();
    for path in sources() {
        let text = fs::read_to_string(&path).unwrap();
        let code = text.split("\n#[cfg(test)]\nmod ").next().unwrap();
        let lines: Vec<_> = code.lines().map(str::trim).collect();
        for (at, line) in lines.iter().enumerate() {
            if let Some(rule) = line.strip_prefix(MARK) {
                let below = lines.get(at + 1).copied().unwrap_or_default();
                let place = format!("{}:{}", path.display(), at + 1);
                found.push((rule.to_owned(), place, below.to_owned()));
            }
        }
    }
    found
}

#[test]
fn each_rule_of_the_page_stands_at_the_code_that_enforces_it() {
    let known: BTreeSet<_> = enforced().into_iter().map(|(rule, ..)| rule).collect();
    let promised = promised();
    assert!(promised.len() > 40, "{promised:?}");
    let missing: Vec<_> = promised.iter().filter(|rule| !known.contains(*rule)).collect();
    assert!(missing.is_empty(), "no code has `{MARK}…` for {missing:#?}");
    let distinct: BTreeSet<_> = promised.iter().collect();
    assert_eq!(distinct.len(), promised.len(), "a rule stands twice");
}

#[test]
fn each_rule_in_the_code_stands_in_the_page_and_above_a_line_of_code() {
    let promised = promised();
    for (rule, place, below) in enforced() {
        assert!(promised.contains(&rule), "{place}: SECURITY.md has no rule “{rule}”");
        assert!(!below.is_empty() && !below.starts_with("//"), "{place}: no code stands below");
    }
}
