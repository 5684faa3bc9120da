//! What the broker must not be built of: it parses nothing foreign.

use std::process::Command;

use crate::root;

/// Crates by the beginnings of their names, each with what nobody may ask the broker to do.
const BANNED: [(&[&str], &str); 8] = [
    (
        &["serde_json", "json", "simd-json", "sonic-rs", "jsonc", "jsonschema"],
        "it reads no JSON: requests are frames of its own protocol",
    ),
    (
        &[
            "http",
            "httparse",
            "hyper",
            "h2",
            "h3",
            "axum",
            "actix",
            "reqwest",
            "ureq",
            "tower",
            "rmcp",
            "tungstenite",
        ],
        "it speaks no HTTP and no MCP: that is the frontend's",
    ),
    (
        &["xml", "quick-xml", "roxmltree", "serde-xml-rs", "libxml"],
        "it reads no tool's output, nmap's report least of all",
    ),
    (
        &["regex", "fancy-regex", "pcre", "onig", "aho-corasick"],
        "what is accepted is said by the types of values, and not by patterns that take long",
    ),
    (
        &["hickory", "trust-dns", "dns", "domain", "c-ares", "resolv"],
        "names are resolved in the frontend; the broker checks the addresses that it is given",
    ),
    (
        &["openssl", "rustls", "native-tls", "ring", "aws-lc"],
        "its socket is a local one, whose peer the kernel names",
    ),
    (
        &["rusqlite", "libsqlite3-sys", "probity-history"],
        "it keeps no runs: that is the frontend's",
    ),
    (
        &["clap", "serde_yaml", "yaml", "config", "tracing", "shlex", "toml_write", "toml_writer"],
        "it reads one language and few options, and writes no policy",
    ),
];

#[test]
fn the_broker_is_built_of_nothing_that_parses_what_is_foreign() {
    let tree = Command::new(env!("CARGO"))
        .args(["tree", "--locked", "--package", "probity-broker", "--edges", "normal"])
        .args(["--prefix", "none", "--format", "{p}"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(tree.status.success(), "{}", String::from_utf8_lossy(&tree.stderr));
    let tree = String::from_utf8(tree.stdout).unwrap();
    let crates: Vec<_> = tree.lines().filter_map(|line| line.split(' ').next()).collect();
    // What it is built of is there, so that an empty list passes for nothing.
    for known in
        ["probity-broker", "probity-policy", "probity-protocol", "postcard", "toml", "tokio"]
    {
        assert!(crates.contains(&known), "{known} is not in {tree}");
    }
    for name in crates {
        for (banned, reason) in &BANNED {
            assert!(!banned.iter().any(|start| is(name, start)), "{name}: {reason}");
        }
    }
}

/// Whether a crate is the one named, or one of its family: `hyper`, `hyper-util`, `hyper_util`.
fn is(name: &str, family: &str) -> bool {
    name.strip_prefix(family).is_some_and(|rest| rest.is_empty() || rest.starts_with(['-', '_']))
}
