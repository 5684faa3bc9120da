//! Promises that hold for every parser: no panic on any bytes, results that fit their schema, and
//! texts that no remote host can forge lines in.
//!
//! The fixtures were recorded from iputils ping 20221126, traceroute 2.1.2 and nmap 7.93 on
//! loopback and in a lab of four network namespaces (10.66.0.0/16).

use proptest::prelude::*;
use serde_json::Value;

use super::nmap::PORTS_MAX;
use super::*;

/// Every fixture with the name of its parser.
macro_rules! fixtures {
    ($($parser:literal: $($file:literal)*;)*) => {
        &[$($(($parser, $file, include_bytes!(concat!("fixtures/", $file)) as &[u8]),)*)*]
    };
}

const FIXTURES: &[(&str, &str, &[u8])] = fixtures! {
    "ping": "ping_cut.txt" "ping_duplicates.txt" "ping_filtered.txt" "ping_host_unreachable.txt"
        "ping_loopback.txt" "ping_loopback6.txt" "ping_loss.txt" "ping_named.txt"
        "ping_no_answer_yet.txt" "ping_quiet.txt" "ping_timestamps.txt" "ping_ttl_exceeded.txt";
    "traceroute": "traceroute_blackhole.txt" "traceroute_cut.txt"
        "traceroute_host_unreachable.txt" "traceroute_loopback.txt" "traceroute_loopback6.txt"
        "traceroute_mtu.txt" "traceroute_multipath.txt" "traceroute_named.txt"
        "traceroute_numeric.txt" "traceroute_prohibited.txt" "traceroute_ratelimited.txt"
        "traceroute_tcp.txt";
    "nmap-xml": "nmap_cut.xml" "nmap_down_verbose.xml" "nmap_extra_ports.xml" "nmap_filtered.xml"
        "nmap_killed.xml" "nmap_loopback6.xml" "nmap_named.xml" "nmap_os.xml" "nmap_ping_scan.xml"
        "nmap_services.xml" "nmap_skipped_target.xml" "nmap_udp.xml";
};

const PARSERS: [&str; 3] = ["ping", "traceroute", "nmap-xml"];

fn schema_errors(parser: &str, parsed: &Parsed) -> Vec<String> {
    let schema = schema(parser).unwrap();
    let validator = jsonschema::draft202012::new(&schema).unwrap();
    let value = serde_json::to_value(parsed).unwrap();
    validator.iter_errors(&value).map(|error| error.to_string()).collect()
}

/// Everything that must hold for whatever came out of a parser.
fn check(parser: &str, result: Result<Option<Parsed>, ParseError>) -> Result<(), TestCaseError> {
    match result {
        Ok(Some(parsed)) => {
            let errors = schema_errors(parser, &parsed);
            prop_assert!(errors.is_empty(), "{errors:?}");
            let text = parsed.text();
            prop_assert_eq!(&clean_str(&text), &text);
            // Cleaning the whole must have nothing left to do: each string was cleaned alone.
            let value = serde_json::to_value(&parsed).unwrap();
            let mut cleaned = value.clone();
            crate::clean::clean_value(&mut cleaned);
            prop_assert_eq!(value, cleaned);
        }
        Ok(None) => prop_assert!(false, "{} is not a parser", parser),
        Err(error) => {
            let said = error.to_string();
            prop_assert_eq!(&clean_str(&said), &said);
        }
    }
    Ok(())
}

#[test]
fn every_fixture_parses_and_fits_its_schema() {
    for &(parser, file, bytes) in FIXTURES {
        let parsed = parse(parser, bytes, b"").unwrap().unwrap();
        assert_eq!(schema_errors(parser, &parsed), Vec::<String>::new(), "{file}");
    }
}

#[test]
fn schemas_are_valid_objects_of_2020_12() {
    for parser in PARSERS {
        let schema = schema(parser).unwrap();
        assert!(jsonschema::draft202012::meta::is_valid(&schema));
        assert_eq!(schema["type"], Value::from("object"));
    }
    assert_eq!(schema("dig"), None);
}

#[test]
fn schemas_refuse_what_they_do_not_describe() {
    let (parser, _, bytes) = FIXTURES[0];
    let mut value = serde_json::to_value(parse(parser, bytes, b"").unwrap()).unwrap();
    value["surprise"] = Value::Null;
    let schema = schema(parser).unwrap();
    assert!(!jsonschema::draft202012::new(&schema).unwrap().is_valid(&value));
}

#[test]
fn every_cut_of_every_fixture_is_parsed_as_far_as_it_goes() {
    for &(parser, file, bytes) in FIXTURES {
        for end in 0..bytes.len() {
            let parsed = parse(parser, &bytes[..end], b"");
            assert!(matches!(&parsed, Ok(Some(_)) | Err(_)), "{file} cut at {end}");
            if let Ok(Some(Parsed::Nmap(report))) = parsed {
                assert!(!report.complete || end >= bytes.len() - 1, "{file} cut at {end}");
            }
        }
    }
}

#[test]
fn an_unknown_parser_is_no_error() {
    assert_eq!(parse("dig", b"anything", b""), Ok(None));
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

#[test]
fn a_flood_of_items_is_cut_and_says_so() {
    let replies: String = (0..ITEMS_MAX + 5)
        .map(|n| format!("64 bytes from 10.0.0.1: icmp_seq={n} ttl=64 time=0.1 ms\n"))
        .collect();
    let Ok(Some(Parsed::Ping(report))) = parse("ping", replies.as_bytes(), b"") else { panic!() };
    assert_eq!((report.replies.len(), report.received), (ITEMS_MAX, ITEMS_MAX as u64 + 5));
    assert!(report.truncated);

    let hops: String = (1..=ITEMS_MAX + 5).map(|n| format!("{n}  * * *\n")).collect();
    let Ok(Some(Parsed::Traceroute(report))) = parse("traceroute", hops.as_bytes(), b"") else {
        panic!()
    };
    assert_eq!((report.hops.len(), report.truncated), (ITEMS_MAX, true));

    let hosts = "<host></host>".repeat(ITEMS_MAX + 5);
    let ports = "<port portid='1' protocol='tcp'/>".repeat(PORTS_MAX + 5);
    let xml = format!("<nmaprun><host>{ports}</host>{hosts}</nmaprun>");
    let Ok(Some(Parsed::Nmap(report))) = parse("nmap-xml", xml.as_bytes(), b"") else { panic!() };
    assert_eq!((report.hosts.len(), report.hosts[0].ports.len()), (ITEMS_MAX, PORTS_MAX));
    assert!(report.truncated);
}

/// A fixture with some bytes replaced, removed or doubled, and maybe its end cut off.
fn mutated() -> impl Strategy<Value = (&'static str, Vec<u8>)> {
    let edit = (any::<prop::sample::Index>(), any::<u8>(), 0..3_u8);
    let edits = prop::collection::vec(edit, 1..12);
    (prop::sample::select(FIXTURES), edits, any::<prop::sample::Index>(), any::<bool>()).prop_map(
        |((parser, _, bytes), edits, cut, cutting)| {
            let mut bytes = bytes.to_vec();
            for (at, byte, how) in edits {
                let at = at.index(bytes.len());
                match how {
                    0 => bytes[at] = byte,
                    1 if bytes.len() > 1 => drop(bytes.remove(at)),
                    _ => bytes.insert(at, bytes[at]),
                }
            }
            if cutting {
                bytes.truncate(cut.index(bytes.len()));
            }
            (parser, bytes)
        },
    )
}

/// Words of the formats, shuffled: far deeper into the parsers than random bytes get.
fn word_salad() -> impl Strategy<Value = String> {
    let word = prop::sample::select(&[
        "PING ",
        "(",
        ")",
        " bytes from ",
        ": ",
        "icmp_seq=",
        "ttl=",
        "time=",
        " ms",
        "64",
        "1e999",
        "-1",
        "inf",
        "% packet loss",
        "packets transmitted, ",
        " received, ",
        "min/avg/max",
        " = ",
        "/",
        "From ",
        "\n",
        " ",
        "[",
        "] ",
        "traceroute to ",
        ", ",
        " hops max",
        "1",
        " *",
        " !H",
        "10.0.0.1",
        "99999999999999999999",
        "<nmaprun>",
        "<host>",
        "</host>",
        "<port ",
        "portid='1' ",
        "protocol='tcp'",
        ">",
        "/>",
        "</port>",
        "<script id='x' ",
        "output='",
        "'",
        "&#x1b;",
        "&#10;",
        "&lol;",
        "<!DOCTYPE x [",
        "]>",
        "<hosts up='1' down='",
        "\u{202e}",
    ] as &[&str]);
    prop::collection::vec(word, 0..80).prop_map(|words| words.concat())
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(
        stdout in prop::collection::vec(any::<u8>(), 0..512),
        stderr in prop::collection::vec(any::<u8>(), 0..64),
    ) {
        for parser in PARSERS {
            check(parser, parse(parser, &stdout, &stderr))?;
        }
    }

    #[test]
    fn mutated_fixtures_never_panic_and_fit_their_schema((parser, bytes) in mutated()) {
        check(parser, parse(parser, &bytes, b""))?;
    }

    #[test]
    fn shuffled_formats_never_panic_and_fit_their_schema(text in word_salad()) {
        for parser in PARSERS {
            check(parser, parse(parser, text.as_bytes(), text.as_bytes()))?;
        }
    }
}
