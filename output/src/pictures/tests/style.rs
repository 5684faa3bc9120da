//! What is so of the style sheet: texts are read on any ground, and nothing is fetched.

use super::STYLE;

/// Relative luminance and contrast, as WCAG has them.
fn contrast(one: &str, other: &str) -> f64 {
    let luminance = |color: &str| {
        let digits = color.trim_start_matches('#');
        let wide: String = match digits.len() {
            3 => digits.chars().flat_map(|c| [c, c]).collect(),
            _ => digits.to_owned(),
        };
        let part = |at: usize| {
            let value = f64::from(u8::from_str_radix(&wide[at..at + 2], 16).unwrap()) / 255.0;
            if value <= 0.03928 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * part(0) + 0.7152 * part(2) + 0.0722 * part(4)
    };
    let (one, other) = (luminance(one) + 0.05, luminance(other) + 0.05);
    one.max(other) / one.min(other)
}

/// The fill of a class in a part of the style sheet.
fn fill<'a>(style: &'a str, class: &str) -> &'a str {
    let is_of = |rule: &&str| {
        let (names, body) = rule.split_once('{').unwrap_or_default();
        body.contains("fill:#") && names.split(',').any(|name| name.trim() == class)
    };
    let rule = style.split('}').find(is_of).unwrap_or_else(|| panic!("{class} in {style}"));
    let (_, fill) = rule.split_once("fill:").unwrap();
    fill.split([';', '}']).next().unwrap()
}

#[test]
fn texts_are_read_on_light_and_dark_screens_and_on_paper() {
    let (light, rest) = STYLE.split_once("@media (prefers-color-scheme:dark){").unwrap();
    let (dark, print) = rest.split_once("@media print{").unwrap();
    for style in [light, dark, print] {
        let ground = fill(style, ".pb-bg");
        for class in [".pb-plain", ".pb-strong", ".pb-head", ".pb-muted", ".pb-alarm"] {
            let contrast = contrast(fill(style, class), ground);
            assert!(contrast >= 4.5, "{class}: {contrast} in {style}");
        }
        // What is no text has to be seen.
        for class in [".pb-good", ".pb-bad", ".pb-warn", ".pb-quiet"] {
            let contrast = contrast(fill(style, class), ground);
            assert!(contrast >= 3.0, "{class}: {contrast} in {style}");
        }
    }
    assert!(!STYLE.contains(['<', '>', '&']));
    assert!(!STYLE.contains("url(") && !STYLE.contains("@import"));
}
