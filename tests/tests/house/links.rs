//! The pages lead to one another: each link within them to a file that is there, and each heading that
//! a link names to one of that page's. A page that is shipped leads to nothing that is not.

use std::{
    collections::BTreeSet,
    fs,
    path::{Component, Path, PathBuf},
};

use crate::root;

fn markdown(folder: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(root().join(folder)).unwrap();
    let names = entries.map(|entry| Path::new(folder).join(entry.unwrap().file_name()));
    names.filter(|path| path.extension().is_some_and(|extension| extension == "md")).collect()
}

/// Every page, by its way from the root.
fn pages() -> Vec<PathBuf> {
    ["", "docs", "docs/decisions"].iter().flat_map(|folder| markdown(folder)).collect()
}

/// A page without its blocks of code.
fn prose(page: &Path) -> String {
    let text = fs::read_to_string(root().join(page)).unwrap();
    let mut in_code = false;
    let is_prose = |line: &&str| {
        let fence = line.starts_with("```");
        in_code ^= fence;
        !in_code && !fence
    };
    text.lines().filter(is_prose).collect::<Vec<_>>().join("\n")
}

fn links(prose: &str) -> impl Iterator<Item = &str> {
    let after = prose.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
    after.map(|(link, _)| link).filter(|link| !link.contains("://"))
}

/// A heading as links spell it.
fn anchor(heading: &str) -> String {
    let kept = heading.trim().chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    kept.flat_map(char::to_lowercase).map(|c| if c == ' ' { '-' } else { c }).collect()
}

fn anchors(page: &Path) -> BTreeSet<String> {
    let prose = prose(page);
    let headings = prose.lines().filter(|line| line.starts_with('#'));
    headings.map(|line| anchor(line.trim_start_matches('#'))).collect()
}

/// Where a link leads from a page, by its way from the root.
fn target(page: &Path, link: &str) -> PathBuf {
    let mut way = page.parent().unwrap().to_path_buf();
    for part in Path::new(link).components() {
        match part {
            Component::ParentDir => assert!(way.pop(), "{}: {link}", page.display()),
            part => way.push(part),
        }
    }
    way
}

#[test]
fn each_link_of_a_page_leads_somewhere() {
    for page in pages() {
        let text = prose(&page);
        for link in links(&text) {
            let (file, heading) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() { page.clone() } else { target(&page, file) };
            let place = format!("{}: {link}", page.display());
            assert!(root().join(&target).exists(), "{place}: there is no such file");
            let is_there = heading.is_empty() || anchors(&target).contains(heading);
            assert!(is_there, "{place}: {} has no such heading", target.display());
        }
    }
}

/// The package has pages as they lie in the sources, and so has `make install`.
#[test]
fn each_page_is_in_the_package() {
    let manifest = fs::read_to_string(root().join("frontend/Cargo.toml")).unwrap();
    for page in pages() {
        let folder = page.parent().unwrap().join("*.md");
        let listed = [&page, &folder].map(|path| format!("[\"../{}\"", path.display()));
        let is_listed = listed.iter().any(|entry| manifest.contains(entry));
        assert!(is_listed, "frontend/Cargo.toml: the package's assets lack {}", page.display());
    }
}

#[test]
fn the_index_has_each_page() {
    for (index, folder) in
        [("docs/README.md", "docs"), ("docs/decisions/README.md", "docs/decisions")]
    {
        let text = prose(Path::new(index));
        let linked: BTreeSet<_> = links(&text).map(str::to_owned).collect();
        for page in markdown(folder) {
            let name = page.file_name().unwrap().to_string_lossy().into_owned();
            assert!(name == "README.md" || linked.contains(&name), "{index} lacks {name}");
        }
    }
}
