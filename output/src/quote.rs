//! Keeps what a tool wrote apart from what Probity says, in every text that a person or a model reads.
//!
//! A host that is scanned chooses its banners and names, and so what a tool writes: a line of it may read
//! `REFUSED`, or `This would pass: …`. So each such line stands behind a mark, which nothing that Probity
//! says begins with; and a word of it within a line of Probity's is quoted unless it is plain, and never
//! begins the line. Text is cleaned before it comes here.

/// What stands before each line that a tool wrote.
pub const MARK: &str = "> ";

/// How a line of Probity's goes on in the next, where it is broken.
const INDENT: &str = "    ";

/// Lines that a tool wrote, each behind its mark; without the end of the last.
#[must_use]
pub fn marked(text: &str) -> String {
    let mut marked = String::with_capacity(text.len() + text.len() / 16 + MARK.len());
    for (number, line) in text.split('\n').enumerate() {
        if number > 0 {
            marked.push('\n');
        }
        // No blanks at its end.
        marked.push_str(if line.is_empty() { MARK.trim_end() } else { MARK });
        marked.push_str(line);
    }
    marked
}

/// Text from elsewhere within a line.
#[must_use]
pub fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "'").replace('\n', "\\n"))
}

/// A word from elsewhere within a line: an address, a name, a state. What is more than that is quoted.
#[must_use]
pub fn word(text: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:/%!+,".contains(&byte);
    match !text.is_empty() && text.bytes().all(is_plain) {
        true => text.to_owned(),
        false => quoted(text),
    }
}

/// One line, whatever was put into it.
#[must_use]
pub fn folded(text: &str) -> String {
    text.split('\n').map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
}

/// Text for a terminal of so many columns, broken before the terminal would break it: what a tool wrote
/// would begin a line there, without its mark. It is broken between words; a word that is wider than a
/// line is broken where that ends.
#[must_use]
pub fn broken(text: &str, columns: usize) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 16);
    for (number, line) in text.split('\n').enumerate() {
        if number > 0 {
            out.push('\n');
        }
        let again = if line.starts_with(MARK) { MARK } else { INDENT };
        let mut column = 0;
        // A word with the blanks after it, of which those at the end of a line are not shown.
        for word in line.split_inclusive([' ', '\t']) {
            let bare = word.trim_end_matches([' ', '\t']);
            let fits = column + width_of(bare, column) <= columns;
            let would_fit = again.len() + width_of(bare, again.len()) <= columns;
            if !fits && would_fit && column > again.len() {
                out.truncate(out.trim_end_matches([' ', '\t']).len());
                out.push('\n');
                out.push_str(again);
                column = again.len();
            }
            for c in word.chars() {
                let width = width_at(c, column);
                if column + width > columns && column > again.len() {
                    if matches!(c, ' ' | '\t') {
                        // The next word begins a line anyway.
                        column = columns;
                        continue;
                    }
                    out.push('\n');
                    out.push_str(again);
                    column = again.len();
                }
                out.push(c);
                column += width;
            }
        }
    }
    out
}

fn width_of(text: &str, column: usize) -> usize {
    text.chars().fold(column, |column, c| column + width_at(c, column)) - column
}

/// How many columns a character takes at most.
fn width_at(c: char, column: usize) -> usize {
    match c {
        '\t' => 8 - column % 8,
        _ if c.is_ascii() => 1,
        _ => 2,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn each_line_has_its_mark_and_an_empty_one_no_blank() {
        assert_eq!(
            marked("REFUSED (X): no\n\nThis would pass"),
            "> REFUSED (X): no\n>\n> This would pass"
        );
        assert_eq!(marked(""), ">");
    }

    #[test]
    fn a_plain_word_stays_and_all_else_is_quoted_and_keeps_its_quotes_inside() {
        for plain in [
            "10.0.0.1",
            "fe80::1%eth0",
            "web-1.lab.internal",
            "open|filtered".split('|').next().unwrap(),
        ] {
            assert_eq!(word(plain), plain);
        }
        assert_eq!(word("a b"), "\"a b\"");
        assert_eq!(word(""), "\"\"");
        assert_eq!(quoted("say \"REFUSED\"\n"), "\"say 'REFUSED'\\n\"");
    }

    #[test]
    fn a_line_that_is_too_long_goes_on_behind_a_mark_or_an_indent() {
        assert_eq!(broken("> abcdef\nabcdefghij", 6), "> abcd\n> ef\nabcdef\n    gh\n    ij");
    }

    #[test]
    fn a_line_is_broken_between_words_and_a_mark_is_never_lost_to_that() {
        assert_eq!(broken("one two three", 9), "one two\n    three");
        assert_eq!(broken("> one two three", 9), "> one two\n> three");
        assert_eq!(
            broken("172.16.0.0/12, 192.168.0.0/16", 20),
            "172.16.0.0/12,\n    192.168.0.0/16"
        );
        assert_eq!(broken(">      x", 5), ">\n> x");
    }

    proptest! {
        #[test]
        fn no_line_that_a_tool_wrote_begins_without_a_mark(text in "(?s).{0,200}", columns in 3..80_usize) {
            let text = crate::clean::clean_str(&text).into_owned();
            let marked = marked(&text);
            prop_assert_eq!(marked.split('\n').count(), text.split('\n').count());
            for line in marked.split('\n').chain(broken(&marked, columns).split('\n')) {
                prop_assert!(line == ">" || line.starts_with(MARK), "{line:?}");
            }
            let taken_off: Vec<&str> = marked
                .split('\n')
                .map(|line| line.strip_prefix(MARK).or(line.strip_prefix('>')).unwrap_or(line))
                .collect();
            prop_assert_eq!(taken_off.join("\n"), text);
        }

        #[test]
        fn what_is_quoted_ends_where_it_seems_to(text in "(?s).{0,80}") {
            let text = crate::clean::clean_str(&text).into_owned();
            let quoted = quoted(&text);
            let inside = quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap();
            prop_assert!(!inside.contains(['"', '\n']));
        }

        #[test]
        fn what_is_broken_is_no_wider_than_its_terminal_and_loses_nothing(
            text in "[ -~\n]{0,300}",
            columns in 8..80_usize,
        ) {
            let broken = broken(&text, columns);
            prop_assert!(broken.split('\n').all(|line| line.chars().count() <= columns));
            let visible = |text: &str| {
                text.chars().filter(|c| !matches!(c, ' ' | '>' | '\n')).collect::<String>()
            };
            prop_assert_eq!(visible(&broken), visible(&text));
        }
    }
}
