//! Reading Rust token by token, for what counts lines and for what follows imports.

use proc_macro2::{Delimiter, TokenTree};

/// Whether a token is this punctuation mark.
pub(crate) fn is_mark(token: &TokenTree, mark: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == mark)
}

/// What stands after the first of these: after an item or a statement to its braces or semicolon, after
/// a field or a variant to its comma.
pub(crate) fn after_item(tokens: &[TokenTree]) -> &[TokenTree] {
    const ITEMS: [&str; 14] = [
        "async",
        "const",
        "enum",
        "fn",
        "impl",
        "let",
        "macro_rules",
        "mod",
        "static",
        "struct",
        "trait",
        "type",
        "unsafe",
        "use",
    ];
    let (mut is_item, mut open) = (false, 0);
    let mut rest = tokens;
    while let Some((token, after)) = rest.split_first() {
        rest = after;
        match token {
            TokenTree::Ident(word) => is_item |= ITEMS.contains(&word.to_string().as_str()),
            TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => {
                let ends =
                    rest.first().is_some_and(|next| is_mark(next, ';') || is_mark(next, ','));
                return rest.get(usize::from(ends)..).unwrap_or_default();
            }
            token if is_mark(token, ';') => break,
            token if is_mark(token, ',') && !is_item && open == 0 => break,
            token => open += i32::from(is_mark(token, '<')) - i32::from(is_mark(token, '>')),
        }
    }
    rest
}
