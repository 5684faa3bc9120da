//! Names that read as English: none has a possessive in it, as `broker_s_end` had.

use proc_macro2::{TokenStream, TokenTree};

use crate::{each_source, root};

/// The names in a text that have one.
fn possessives(stream: TokenStream, found: &mut Vec<String>) {
    for token in stream {
        match token {
            TokenTree::Group(group) => possessives(group.stream(), found),
            TokenTree::Ident(name) => {
                let name = name.to_string();
                found.extend(name.split('_').any(|part| part == "s").then_some(name));
            }
            _ => {}
        }
    }
}

#[test]
fn no_name_has_a_possessive() {
    let mut found = Vec::new();
    for part in [
        "protocol", "policy", "advice", "output", "history", "broker", "frontend", "tests", "bench",
    ] {
        for folder in ["src", "tests", "examples"] {
            let folder = root().join(part).join(folder);
            if folder.is_dir() {
                each_source(&folder, &mut |path, text| {
                    let tokens = text.parse().unwrap_or_else(|e| panic!("{}: {e}", path.display()));
                    possessives(tokens, &mut found);
                });
            }
        }
    }
    // A name of one letter is a variable.
    found.retain(|name| name != "s");
    assert!(found.is_empty(), "{found:#?}");
}
