//! How help is laid out.

/// Text below the options, for any terminal: its paragraphs have no line breaks of their own, which clap
/// would add its own to, and an example that is wider than a small terminal has its comment below it.
pub(super) fn help(text: &str) -> String {
    /// A terminal's usual width, and where comments begin.
    const WIDTH: usize = 80;
    const COMMENT: usize = 45;
    let is_prose = |line: &str| !line.is_empty() && !line.starts_with(' ');
    let mut lines: Vec<String> = Vec::new();
    for line in text.lines() {
        let comment = line.split_at_checked(COMMENT).filter(|(before, _)| before.ends_with(' '));
        match (lines.last_mut(), comment) {
            (Some(last), _) if is_prose(line) && is_prose(last) && !last.ends_with(':') => {
                *last = format!("{last} {line}");
            }
            (_, Some((command, comment))) if line.starts_with("  p") && line.len() > WIDTH => {
                lines.extend([command.trim_end().to_owned(), format!("      {comment}")]);
            }
            _ => lines.push(line.to_owned()),
        }
    }
    lines.join("\n")
}
