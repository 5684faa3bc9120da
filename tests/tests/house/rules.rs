//! The rules of SECURITY.md and the code: each stands, word for word, as a comment `RULE:` right above
//! the line that enforces it, so that one search leads from a promise to the code that keeps it.
//!
//! Whether the line does enforce it, the other suites say.

use std::{collections::BTreeSet, fs, path::Path};

use crate::{each_source_of_the_workspace, root};

const MARK: &str = "// RULE: ";

/// Crates in which nothing is promised.
const OF_TESTS: &[&str] = &["tests", "bench"];

/// The rules of the page, in its order.
fn promised() -> Vec<String> {
    let page = fs::read_to_string(root().join("SECURITY.md")).unwrap();
    let (_, section) = page.split_once("\n## Rules\n").expect("a section of rules");
    let section = section.split("\n## ").next().unwrap();
    section.lines().filter_map(|line| line.strip_prefix("- ")).map(str::to_owned).collect()
}

/// Whether a file belongs to a crate that is shipped, and not to its tests.
fn is_shipped(path: &Path) -> bool {
    let within = path.strip_prefix(root()).unwrap();
    let is_test = |name: &str| name == "tests" || name.ends_with("_tests");
    let mut names = within.components().map(|part| part.as_os_str().to_string_lossy());
    !names.any(|name| is_test(name.trim_end_matches(".rs")) || OF_TESTS.contains(&&*name))
}

/// Each rule of the code, with where it stands and the line below it.
fn enforced() -> Vec<(String, String, String)> {
    let mut found = Vec::new();
    each_source_of_the_workspace(&mut |path, text| {
        if !is_shipped(path) {
            return;
        }
        let code = text.split("\n#[cfg(test)]\nmod ").next().unwrap();
        let lines: Vec<_> = code.lines().map(str::trim).collect();
        for (at, line) in lines.iter().enumerate() {
            if let Some(rule) = line.strip_prefix(MARK) {
                let below = lines.get(at + 1).copied().unwrap_or_default();
                let place = format!("{}:{}", path.display(), at + 1);
                found.push((rule.to_owned(), place, below.to_owned()));
            }
        }
    });
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
