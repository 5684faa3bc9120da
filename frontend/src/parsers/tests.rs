//! Promises that hold for every parser: no panic on any bytes, results that fit their schema, and
//! texts that no remote host can forge lines in.
//!
//! `fixtures/README.md` says how the recorded outputs were made.

use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::Value;

use super::*;

/// Every recorded output with the name of its parser.
fn fixtures() -> &'static [(&'static str, String, Vec<u8>)] {
    static FIXTURES: LazyLock<Vec<(&str, String, Vec<u8>)>> = LazyLock::new(|| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/parsers/fixtures");
        let mut files: Vec<_> =
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        let parser = |name: &str| match name {
            name if name.starts_with("ping") => Some("ping"),
            name if name.starts_with("traceroute") => Some("traceroute"),
            name if name.starts_with("nmap") => Some("nmap-xml"),
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

const PARSERS: [&str; 3] = ["ping", "traceroute", "nmap-xml"];

fn schema_errors(parser: &str, parsed: &Parsed) -> Vec<String> {
    static VALIDATORS: LazyLock<Vec<(&str, jsonschema::Validator)>> = LazyLock::new(|| {
        let validator = |parser| jsonschema::draft202012::new(&schema(parser).unwrap()).unwrap();
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
    // Cleaning the whole must have nothing left to do: each string was cleaned alone.
    let value = serde_json::to_value(parsed).unwrap();
    let mut cleaned = value.clone();
    crate::clean::clean_value(&mut cleaned);
    prop_assert_eq!(value, cleaned);
    Ok(())
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
fn every_fixture_parses_and_fits_its_schema() {
    for (parser, file, bytes) in fixtures() {
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
    let (parser, _, bytes) = &fixtures()[0];
    let mut value = serde_json::to_value(parse(parser, bytes, b"").unwrap()).unwrap();
    value["surprise"] = Value::Null;
    let schema = schema(parser).unwrap();
    assert!(!jsonschema::draft202012::new(&schema).unwrap().is_valid(&value));
}

#[test]
fn every_cut_of_every_fixture_is_parsed_as_far_as_it_goes() {
    for (parser, file, bytes) in fixtures() {
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
    let xml = format!("<nmaprun>{hosts}</nmaprun>");
    let Ok(Some(Parsed::Nmap(report))) = parse("nmap-xml", xml.as_bytes(), b"") else { panic!() };
    assert_eq!((report.hosts.len(), report.total_hosts), (ITEMS_MAX, ITEMS_MAX + 5));
    assert!(report.truncated);
}

/// All ports of a host, all hosts of a network, all scripts of both: what each list allows is more
/// than what a report may hold.
#[test]
fn all_lists_together_have_a_cap_and_the_counts_go_on() {
    let open = "<port portid='1' protocol='tcp'><state state='open'/></port>";
    let ports = open.repeat(nmap::PORTS_MAX);
    let talk = format!("<script id='s' output='{}'/>", "&#x1b;".repeat(4000));
    let host = format!("<host><status state='up'/>{}{open}</host>", talk.repeat(200));
    let output = format!("<nmaprun><host>{ports}</host>{}</nmaprun>", host.repeat(3));
    let parsed = parse("nmap-xml", output.as_bytes(), b"").unwrap().unwrap();
    assert!(size(&parsed) <= REPORT_BYTES_MAX + SMALLEST_BYTES, "{}", size(&parsed));
    let Parsed::Nmap(report) = &parsed else { panic!() };
    assert_eq!((report.total_hosts, report.open_ports), (4, nmap::PORTS_MAX + 3));
    assert!(report.truncated);
    check_report("nmap-xml", &parsed).unwrap();

    let name = "\u{1b}".repeat(1000);
    let hop = format!("1 {}\n", format!("{name} 0.1 ms ").repeat(30));
    for (parser, line) in [
        ("ping", format!("64 bytes from {name}: icmp_seq=1 ttl=64 time=0.1 ms\n")),
        ("traceroute", hop),
    ] {
        let parsed = parse(parser, line.repeat(1500).as_bytes(), b"").unwrap().unwrap();
        assert!(size(&parsed) <= REPORT_BYTES_MAX + SMALLEST_BYTES, "{}", size(&parsed));
        assert_eq!(serde_json::to_value(&parsed).unwrap()["truncated"], Value::Bool(true));
    }
}

#[test]
fn a_long_text_ends_with_a_whole_line_that_says_what_is_missing() {
    let host = "<host><status state='up'/><address addr='10.0.0.1' addrtype='ipv4'/>\
        <port portid='22' protocol='tcp'><state state='open'/></port></host>";
    let xml = format!("<nmaprun>{}</nmaprun>", host.repeat(500));
    let text = parse("nmap-xml", xml.as_bytes(), b"").unwrap().unwrap().text();
    assert!(text.len() <= TEXT_BYTES_MAX && text.len() > TEXT_BYTES_MAX - 512);
    assert!(text.starts_with("500 hosts up, 0 did not answer, 500 open ports"), "{text}");
    let last = text.lines().last().unwrap();
    assert!(last.starts_with("… ") && last.ends_with("; the structured result has more"), "{last}");
    assert!(last.contains(" lines of ") && last.contains(" hosts left out here"), "{last}");
    let listed = text.matches(" is up").count();
    let left_out = last.split(' ').nth(4).unwrap().parse::<usize>().unwrap();
    // The host in whose table the page ended is in both counts.
    assert!((500..=501).contains(&(listed + left_out)), "{listed} + {left_out}");
}

#[test]
fn what_interests_least_goes_first() {
    let host = |last: u8, state: &str, ports: &str| {
        format!("<host><status state='{state}'/><address addr='10.0.0.{last}'/>{ports}</host>")
    };
    let open = "<port portid='22' protocol='tcp'><state state='open'/>\
        <script id='banner' output='line one&#10;line two'/></port>";
    let closed = "<port portid='23' protocol='tcp'><state state='closed'/></port>";
    let long = open.replace("line two", &"x".repeat(2000));
    let hosts = [
        host(1, "down", ""),
        host(2, "up", &closed.repeat(20)),
        host(3, "up", &[&long, closed].concat()),
        host(4, "up", &open.repeat(30)),
    ];
    let xml = format!("<nmaprun>{}</nmaprun>", hosts.concat());
    let whole = parse("nmap-xml", xml.as_bytes(), b"").unwrap().unwrap();
    let at = |max: usize| {
        let mut parsed = whole.clone();
        parsed.shrink_to(max);
        let Parsed::Nmap(report) = parsed else { panic!() };
        assert_eq!((report.total_hosts, report.open_ports, report.truncated), (4, 31, true));
        report
    };
    let hosts = |report: &NmapReport| -> Vec<String> {
        report.hosts.iter().map(|host| host.address.clone().unwrap()[7..].to_owned()).collect()
    };
    let closed_ports = |report: &NmapReport| {
        report.hosts.iter().flat_map(|host| &host.ports).filter(|port| !port.is_open()).count()
    };
    // A byte too many: the host that is down goes, and nothing else.
    let report = at(size(&whole) - 1);
    assert_eq!((hosts(&report).join(""), closed_ports(&report)), ("234".to_owned(), 21));
    // A host's worth more: closed ports, the last first.
    let report = at(size(&whole) - 600);
    assert_eq!(hosts(&report).join(""), "234");
    assert!((1..21).contains(&closed_ports(&report)), "{}", closed_ports(&report));
    // All of those gone: the long output ends after its last whole line.
    let report = at(size(&whole) - 5000);
    assert_eq!((hosts(&report).join(""), closed_ports(&report)), ("234".to_owned(), 0));
    assert_eq!(report.hosts[1].ports[0].scripts[0].output, "line one");
    // Hosts with open ports stay longest, and of these the first.
    assert_eq!(hosts(&at(SMALLEST_BYTES)), ["3"]);
}

/// One change to an output.
#[derive(Debug, Clone)]
enum Edit {
    /// Turns a bit over.
    Flip(Index, u8),
    /// Removes a byte.
    Remove(Index),
    /// Doubles a byte.
    Double(Index),
    /// Puts bytes in.
    Insert(Index, Vec<u8>),
    /// Puts a part of the output to another place.
    Splice(Index, Index, usize),
    /// Ends it.
    Cut(Index),
}

fn edit() -> impl Strategy<Value = Edit> {
    prop_oneof![
        4 => (any::<Index>(), 0..8_u8).prop_map(|(at, bit)| Edit::Flip(at, bit)),
        2 => any::<Index>().prop_map(Edit::Remove),
        2 => any::<Index>().prop_map(Edit::Double),
        2 => (any::<Index>(), prop::collection::vec(any::<u8>(), 1..16))
            .prop_map(|(at, bytes)| Edit::Insert(at, bytes)),
        3 => (any::<Index>(), any::<Index>(), 1..400_usize)
            .prop_map(|(from, to, length)| Edit::Splice(from, to, length)),
        1 => any::<Index>().prop_map(Edit::Cut),
    ]
}

fn apply(edit: Edit, bytes: &mut Vec<u8>) {
    if bytes.is_empty() {
        return;
    }
    let length = bytes.len();
    match edit {
        Edit::Flip(at, bit) => bytes[at.index(length)] ^= 1 << bit,
        Edit::Remove(at) => drop(bytes.remove(at.index(length))),
        Edit::Double(at) => bytes.insert(at.index(length), bytes[at.index(length)]),
        Edit::Insert(at, more) => drop(bytes.splice(at.index(length)..at.index(length), more)),
        Edit::Splice(from, to, count) => {
            let from = from.index(length);
            let part = bytes[from..length.min(from + count)].to_vec();
            drop(bytes.splice(to.index(length)..to.index(length), part));
        }
        Edit::Cut(at) => bytes.truncate(at.index(length)),
    }
}

/// A recorded output with some changes.
fn mutated() -> impl Strategy<Value = (&'static str, Vec<u8>)> {
    let edits = prop::collection::vec(edit(), 1..12);
    (prop::sample::select(fixtures()), edits).prop_map(|((parser, _, mut bytes), edits)| {
        edits.into_iter().for_each(|edit| apply(edit, &mut bytes));
        (parser, bytes)
    })
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
    fn a_shrunk_report_fits_its_size_and_its_schema(
        (parser, mut bytes) in mutated(),
        max in 0..12_000_usize,
        long in any::<bool>(),
    ) {
        if long {
            // Names and outputs far longer than a tool would write them, and longer still as JSON.
            let text = String::from_utf8_lossy(&bytes);
            bytes = text.replace("lab", &r"\&quot;".repeat(300)).replace("ost", &r"\".repeat(90)).into_bytes();
        }
        if let Ok(Some(parsed)) = parse(parser, &bytes, b"") {
            check_shrunk(parser, &parsed, max)?;
        }
    }

    #[test]
    fn shuffled_formats_never_panic_and_fit_their_schema(text in word_salad()) {
        for parser in PARSERS {
            check(parser, parse(parser, text.as_bytes(), text.as_bytes()))?;
        }
    }
}
