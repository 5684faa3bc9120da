//! How much code stands between a request and a raw socket. `make count` prints it by purpose.

use std::path::Path;

use probity_tests::count::{Code, Purpose, privileged};

use crate::{each_source_of_the_workspace, root};

/// Lines of the boundary. Whoever makes it smaller lowers this; docs/decisions/0043 says what it holds.
const MOST_BOUNDARY: usize = 7791;

/// Lines of the whole privileged process.
const MOST_PRIVILEGED: usize = 14_727;

#[test]
fn the_boundary_and_the_privileged_process_stay_as_small_as_they_are() {
    let files = privileged(&root()).unwrap();
    let boundary = files.iter().filter(|file| file.purpose.is_some_and(Purpose::is_boundary));
    let boundary: usize = boundary.map(|file| file.lines).sum();
    let all: usize = files.iter().map(|file| file.lines).sum();
    assert!(boundary <= MOST_BOUNDARY, "the boundary has {boundary} lines");
    assert!(all <= MOST_PRIVILEGED, "the privileged process has {all} lines");
}

#[test]
fn every_file_of_the_privileged_process_has_a_purpose() {
    for file in privileged(&root()).unwrap() {
        assert!(file.purpose.is_some(), "{} stands in no row of tests/src/count.rs", file.file);
    }
}

#[test]
fn unsafe_stands_under_sys_alone_and_says_why_it_is_sound() {
    let mut found = 0;
    each_source_of_the_workspace(&mut |path, text| found += check(path, text));
    assert!(found > 20, "{found}");
}

/// How many unsafe blocks a file has. Each stands where it may, with its reason above the statement.
fn check(path: &Path, text: &str) -> usize {
    let code = Code::of(text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let may_be = path.starts_with(root().join("broker/src/sys"));
    assert!(may_be || code.unsafe_lines.is_empty(), "{} is unsafe", path.display());
    let lines: Vec<_> = text.lines().map(str::trim).collect();
    for number in &code.unsafe_blocks {
        let above = || lines[..number - 1].iter().rev();
        let is_comment = |line: &&&str| line.starts_with("//");
        // The statement may have begun above, and its comment stands above that.
        let between = above().take_while(|line| !is_comment(line)).count();
        let mut comment = above().skip(between).take_while(is_comment);
        assert!(
            between <= MOST_BETWEEN && comment.any(|line| line.starts_with("// SAFETY: ")),
            "{}:{number} does not say why it is sound",
            path.display()
        );
    }
    code.unsafe_blocks.len()
}

/// Lines of a statement between its comment and the word `unsafe` in it.
const MOST_BETWEEN: usize = 2;
