//! Promises that hold for every parser: no panic on any bytes, results that fit their schema, and
//! texts that no remote host can forge lines in.
//!
//! `fixtures/README.md` says how the recorded outputs were made.

use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use probity_protocol::PARSERS;
use proptest::prelude::*;
use serde_json::Value;

use super::{readers::READERS, *};

mod hostile;
mod sizes;

/// Every recorded output with the name of its parser.
pub(crate) fn fixtures() -> &'static [(&'static str, String, Vec<u8>)] {
    static FIXTURES: LazyLock<Vec<(&str, String, Vec<u8>)>> = LazyLock::new(|| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/parsers/fixtures");
        let mut files: Vec<_> =
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        let parser = |name: &str| match name {
            name if name.starts_with("arping") => Some("arping"),
            name if name.starts_with("ip_") => Some("ip-json"),
            name if name.starts_with("mtr") => Some("mtr"),
            name if name.starts_with("tracepath") => Some("tracepath"),
            name if name.starts_with("curl") => Some("curl"),
            name if name.starts_with("dig") => Some("dig"),
            name if name.starts_with("ping") => Some("ping"),
            name if name.starts_with("tls") => Some("tls"),
            name if name.starts_with("traceroute") => Some("traceroute"),
            name if name.starts_with("nmap") => Some("nmap-xml"),
            name if name.starts_with("tcpdump") => Some("tcpdump"),
            _ => None,
        };
        let named = files.into_iter().filter_map(|path| {
            let name = path.file_name()?.to_str()?.to_owned();
            Some((parser(&name)?, name, fs::read(path).unwrap()))
        });
        named.collect()
    });
    &FIXTURES
}

/// What the named parser makes of a recorded output: of standard output, but of curl, whose figures are on
/// standard error.
pub(crate) fn read(parser: &str, output: &[u8]) -> Result<Option<Parsed>, ParseError> {
    match parser {
        "curl" => parse(parser, b"", output),
        _ => parse(parser, output, b""),
    }
}

fn schema(parser: &str) -> Value {
    Parser::named(parser).unwrap().schema()
}

fn schema_errors(parser: &str, parsed: &Parsed) -> Vec<String> {
    static VALIDATORS: LazyLock<Vec<(&str, jsonschema::Validator)>> = LazyLock::new(|| {
        let validator = |parser| jsonschema::draft202012::new(&schema(parser)).unwrap();
        PARSERS.map(|parser| (parser, validator(parser))).into()
    });
    let (_, validator) = VALIDATORS.iter().find(|(name, _)| *name == parser).unwrap();
    let value = serde_json::to_value(parsed).unwrap();
    validator.iter_errors(&value).map(|error| error.to_string()).collect()
}

fn size(parsed: &Parsed) -> usize {
    serde_json::to_vec(parsed).unwrap().len()
}

/// Everything that must hold for whatever came out of a parser.
fn check(parser: &str, result: Result<Option<Parsed>, ParseError>) -> Result<(), TestCaseError> {
    match result {
        Ok(Some(parsed)) => check_report(parser, &parsed)?,
        Ok(None) => prop_assert!(false, "{} is not a parser", parser),
        Err(error) => {
            let said = error.to_string();
            prop_assert_eq!(&clean_str(&said), &said);
        }
    }
    Ok(())
}

fn check_report(parser: &str, parsed: &Parsed) -> Result<(), TestCaseError> {
    let errors = schema_errors(parser, parsed);
    prop_assert!(errors.is_empty(), "{errors:?}");
    let text = parsed.text();
    prop_assert_eq!(&clean_str(&text), &text);
    prop_assert!(text.len() <= TEXT_BYTES_MAX && text.ends_with('\n'), "{text}");
    for line in text.lines() {
        prop_assert!(begins_as_our_own(line), "{line:?} in {text}");
    }
    // Cleaning the whole must have nothing left to do: each string was cleaned alone.
    let value = serde_json::to_value(parsed).unwrap();
    let mut cleaned = value.clone();
    crate::clean::clean_value(&mut cleaned);
    prop_assert_eq!(value, cleaned);
    Ok(())
}

/// Whether a line begins with words of this program's, a number, an address or a quote: with nothing
/// that a host chose.
pub(super) fn begins_as_our_own(line: &str) -> bool {
    const OWN: [&str; 56] = [
        "  | ",
        "  at ",
        "  device ",
        "PORT  ",
        "OS guess: ",
        "body: ",
        "chain: ",
        "did not answer: ",
        "falls to ",
        "hop ",
        "hops ",
        "extended error: ",
        "in an unknown state: ",
        "key: ",
        "names: ",
        "nmap failed",
        "no TLS handshake, ",
        "no answer from ",
        "no answer in ",
        "no answer when curl was stopped, ",
        "no connection, ",
        "no host is up, ",
        "no neighbour entry: ",
        "no route: ",
        "nobody has the address, ",
        "note: ",
        "nothing came back",
        "nothing was found",
        "nothing was scanned",
        "notice from ",
        "taken to be up, and not asked: ",
        "the scan is incomplete",
        "path MTU ",
        "redirects to ",
        "round trip ",
        "route to ",
        "route: ",
        "scripts of the ",
        "skipped: ",
        "the report was cut",
        "the scan did not finish",
        "the server ",
        "the certificate was not accepted, ",
        "this machine said: ",
        "timing: ",
        "unknown host",
        "way of ",
        "valid: ",
        "… ",
        "\"",
        "arp ",
        "icmp ",
        "no packets were seen",
        "other ",
        "tcp ",
        "udp ",
    ];
    let first = line.trim_start().split([' ', ',', '-', '/']).next().unwrap_or_default();
    let is_number = !first.is_empty() && first.bytes().all(|byte| byte.is_ascii_digit());
    line.is_empty() || is_number || is_address(first) || OWN.iter().any(|own| line.starts_with(own))
}

/// Everything that must hold for a report that was made smaller.
fn check_shrunk(parser: &str, whole: &Parsed, max: usize) -> Result<(), TestCaseError> {
    let mut shrunk = whole.clone();
    shrunk.shrink_to(max);
    check_report(parser, &shrunk)?;
    let limit = max.max(SMALLEST_BYTES);
    prop_assert!(size(&shrunk) <= limit, "{} > {limit}: {shrunk:?}", size(&shrunk));
    if size(whole) <= limit {
        prop_assert_eq!(&shrunk, whole);
    } else {
        prop_assert_eq!(serde_json::to_value(&shrunk).unwrap()["truncated"].as_bool(), Some(true));
    }
    Ok(())
}

#[test]
fn every_fixture_parses_fits_its_schema_and_can_be_made_small() {
    assert!(fixtures().len() > 80, "{}", fixtures().len());
    for (parser, file, bytes) in fixtures() {
        let parsed = read(parser, bytes).unwrap().unwrap();
        let checked = check_report(parser, &parsed);
        assert!(checked.is_ok(), "{file}: {checked:?}");
        for max in (0..size(&parsed) + 500).step_by(500) {
            let checked = check_shrunk(parser, &parsed, max);
            assert!(checked.is_ok(), "{file} in {max}: {checked:?}");
        }
    }
}

#[test]
fn schemas_are_valid_objects_of_2020_12() {
    for parser in PARSERS {
        let schema = schema(parser);
        assert!(jsonschema::draft202012::meta::is_valid(&schema));
        assert_eq!(schema["type"], Value::from("object"));
    }
    assert!(Parser::named("whois").is_none());
}

#[test]
fn schemas_refuse_what_they_do_not_describe() {
    let (parser, _, bytes) = &fixtures()[0];
    let mut value = serde_json::to_value(read(parser, bytes).unwrap()).unwrap();
    value["surprise"] = Value::Null;
    let schema = schema(parser);
    assert!(!jsonschema::draft202012::new(&schema).unwrap().is_valid(&value));
}

#[test]
fn every_cut_of_every_fixture_is_parsed_as_far_as_it_goes() {
    for (parser, file, bytes) in fixtures() {
        // Each byte of the first pages; the rest of a long one is more of the same.
        let (pages, rest) = (bytes.len().min(4096), (4096..bytes.len()).step_by(31));
        for end in (0..pages).chain(rest) {
            let parsed = read(parser, &bytes[..end]);
            assert!(matches!(&parsed, Ok(Some(_)) | Err(_)), "{file} cut at {end}");
            if let Ok(Some(Parsed::Nmap(report))) = &parsed {
                assert!(!report.complete || end >= bytes.len() - 1, "{file} cut at {end}");
            }
            // The schema at each cut would take minutes.
            if end % 16 == 0 {
                let checked = check(parser, parsed);
                assert!(checked.is_ok(), "{file} cut at {end}: {checked:?}");
            }
        }
    }
}

/// `probity-policy check` warns of every other.
#[test]
fn the_parsers_are_those_that_the_protocol_names() {
    assert_eq!(READERS.each_ref().map(|reader| reader.name), PARSERS);
}

#[test]
fn an_unknown_parser_is_no_error() {
    assert_eq!(parse("whois", b"anything", b""), Ok(None));
}

#[test]
fn a_tool_that_only_complains_is_quoted_cleaned() {
    let error = parse("ping", b"", b"\nping: no\x1bsuch: Name or service not known\n").unwrap_err();
    assert_eq!(
        error.to_string(),
        r"ping wrote no report: ping: no\x1bsuch: Name or service not known"
    );
    assert_eq!(parse("traceroute", b" \n", b""), Err(ParseError::Empty { tool: "traceroute" }));
    let error = parse("nmap-xml", b"Starting Nmap\n", b"").unwrap_err();
    assert_eq!(error.to_string(), "nmap-xml wrote no report: Starting Nmap");
}
