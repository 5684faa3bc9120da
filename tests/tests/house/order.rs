//! The order of crates, rooms and files: each uses what stands below it, and nothing above.

use std::collections::BTreeMap;

use probity_tests::imports::{Imports, Module, Use};

/// Crates whose files are held to it.
const CRATES: [&str; 6] = ["protocol", "policy", "output", "history", "broker", "frontend"];

/// The frontend's rooms, the lowest first.
const ROOMS: [&str; 10] = [
    "text", "config", "process", "broker", "output", "calls", "watches", "serve", "admin",
    "terminal",
];

/// The parts of `calls`, the lowest first.
const PARTS_OF_CALLS: [&str; 12] = [
    "error_type",
    "request",
    "published",
    "control",
    "result",
    "told",
    "runs",
    "observe",
    "tool_view",
    "service",
    "push",
    "watch",
];

fn imports(of: &str) -> Imports {
    Imports::read(&crate::root().join(of).join("src"))
}

fn shown(module: &Module) -> String {
    if module.is_empty() { "the crate's root".to_owned() } else { module.join("::") }
}

/// The uses that run from a part to one above it, where `depth` names on the way to a file say which
/// part it is in.
fn against(order: &[&str], within: &[&str], uses: impl IntoIterator<Item = Use>) -> Vec<String> {
    let place = |module: &Module| {
        let own = module
            .strip_prefix(within.iter().map(ToString::to_string).collect::<Vec<_>>().as_slice())?;
        let part = own.first()?;
        let at = order.iter().position(|of| of == part);
        Some(at.unwrap_or_else(|| panic!("{} is in no room: {order:?}", shown(module))))
    };
    let runs_up = |used: &Use| place(&used.from) < place(&used.to) && place(&used.from).is_some();
    let upwards = uses.into_iter().filter(runs_up);
    upwards.map(|used| format!("{} uses {}", shown(&used.from), shown(&used.to))).collect()
}

#[test]
fn rooms_of_the_frontend_use_only_those_below_them() {
    // The catalog that tests share stands in no room.
    let uses = imports("frontend").uses();
    let against = against(&ROOMS, &[], uses);
    assert!(against.is_empty(), "against the order of rooms:\n{}", against.join("\n"));
}

#[test]
fn parts_of_a_call_use_only_those_below_them() {
    let against = against(&PARTS_OF_CALLS, &["calls"], imports("frontend").uses());
    assert!(against.is_empty(), "against the order within calls:\n{}", against.join("\n"));
}

#[test]
fn the_page_and_mcp_do_not_know_of_http_nor_who_asks_of_any() {
    let order = ["access", "call_end", "page", "mcp", "http"];
    let against = against(&order, &["serve"], imports("frontend").uses());
    assert!(against.is_empty(), "against the order within serve:\n{}", against.join("\n"));
}

#[test]
fn no_files_use_one_another() {
    let mut found = Vec::new();
    for of in CRATES {
        for cycle in imports(of).cycles() {
            let files: Vec<String> = cycle.iter().map(shown).collect();
            found.push(format!("{of}: {}", files.join(", ")));
        }
    }
    assert!(found.is_empty(), "files that use one another:\n{}", found.join("\n"));
}

#[test]
fn the_reader_of_imports_sees_a_use_in_each_form() {
    let folder = tempfile::tempdir().unwrap();
    let files = [
        ("lib.rs", "pub mod a;\npub mod b;\nmod c;\npub use c::C;\n"),
        ("a.rs", "use crate::b::{self, B as Other};\nfn f() { let _ = crate::C::new(); }\n"),
        ("b/mod.rs", "mod inner;\npub use self::inner::B;\nfn f() { inner::act(); }\n"),
        ("b/inner.rs", "pub struct B;\npub fn act() { println!(\"{}\", super::super::a::X); }\n"),
        ("c.rs", "pub struct C;\n#[cfg(test)]\nmod tests { use crate::a; }\n// crate::a\n"),
    ];
    for (path, text) in files {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let imports = Imports::read(folder.path());
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for Use { from, to } in imports.uses() {
        found.entry(shown(&from)).or_default().push(shown(&to));
    }
    let expected =
        [("a", vec!["b", "b::inner", "c"]), ("b", vec!["b::inner"]), ("b::inner", vec!["a"])];
    let expected = expected
        .map(|(from, to)| (from.to_owned(), to.into_iter().map(str::to_owned).collect::<Vec<_>>()));
    assert_eq!(found.into_iter().collect::<Vec<_>>(), expected);
    let cycles: Vec<Vec<String>> =
        imports.cycles().iter().map(|cycle| cycle.iter().map(shown).collect()).collect();
    assert_eq!(cycles, [["a", "b::inner"]]);
}
