//! What is so of any picture: it is well-formed, small, quiet and harmless, and nothing stands outside of it.

use proptest::prelude::*;

use super::{document::Document, *};

/// Everything that must hold for whatever was drawn.
pub(super) fn check(picture: &Picture) -> Result<(), TestCaseError> {
    let svg = &picture.svg;
    prop_assert!(svg.len() <= SVG_BYTES_MAX, "{} bytes", svg.len());
    let document = Document::read(svg);
    prop_assert!(document.is_ok(), "{:?} in {svg}", document);
    let document = document.unwrap();
    prop_assert_eq!(&document.style, STYLE);
    prop_assert_eq!(&document.title, &picture.title);
    prop_assert_eq!(&document.description, &picture.alternative);
    prop_assert_eq!(document.ids.join(" "), document.labelled_by);
    prop_assert!(!picture.alternative.is_empty());
    prop_assert!(picture.alternative.chars().count() <= 1001, "{}", picture.alternative);
    for class in &document.classes {
        prop_assert!(STYLE.contains(&format!(".{class}")), "{class} has no style");
    }
    for number in &document.numbers {
        prop_assert!(number.is_finite() && number.abs() <= 1e5, "{number} in {svg}");
    }
    prop_assert!(document.outside.is_empty(), "{:?}", document.outside);
    for text in [&picture.title, &picture.alternative].into_iter().chain(&document.texts) {
        prop_assert_eq!(&crate::clean::clean_str(text), text);
        prop_assert!(!text.contains('\n'));
    }
    Ok(())
}

/// Any JSON.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any_text().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 48, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::hash_map(any_text(), inner, 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn any_text() -> impl Strategy<Value = String> {
    let hostile = prop::sample::select(&HOSTILE as &[&str]);
    prop_oneof![hostile.prop_map(str::to_owned), ".{0,40}", "\\PC{0,300}"]
}

/// What a host could send.
const HOSTILE: [&str; 10] = [
    "]]>",
    "<script>alert(1)</script>",
    "\" onload=\"alert(1)",
    "' x='",
    "&lol;&#x1b;",
    "</text></svg><!--",
    "\u{1b}[2J\u{7}\0",
    "\u{202e}gnp.exe\u{200b}\u{2066}",
    "url(https://example.com/) } * { fill: red",
    "a\r\nb\tc\u{fffe}",
];

/// A result that some parser makes, with some of its values, at any depth, put in the place of others.
fn bent_result() -> impl Strategy<Value = (&'static str, Value)> {
    let results: Vec<(&'static str, Value)> = fixtures()
        .iter()
        .map(|(parser, _, bytes)| {
            (*parser, serde_json::to_value(read(parser, bytes).unwrap().unwrap()).unwrap())
        })
        .collect();
    let value = prop_oneof![
        any_text().prop_map(Value::from),
        any_text().prop_map(|text| Value::from(text.repeat(100))),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        prop::sample::select(&[0.0, -1.0, 1e300, f64::MAX, 1e-300, 50.0] as &[f64])
            .prop_map(Value::from),
        Just(Value::Null),
        Just(json!([])),
    ];
    let bends = prop::collection::vec((any::<u32>(), value), 0..8);
    (prop::sample::select(results), bends).prop_map(|((parser, mut result), bends)| {
        for (place, value) in bends {
            bend(&mut result, place, value);
        }
        (parser, result)
    })
}

/// Puts a value in a place that is of its type, or nearly, so that the result is still one mostly.
fn bend(result: &mut Value, place: u32, value: Value) {
    let place = place as usize;
    match result {
        Value::Array(items) if !items.is_empty() => {
            let at = place % items.len();
            bend(&mut items[at], (place / 7) as u32, value);
        }
        Value::Object(members) if !members.is_empty() => {
            let at = place % members.len();
            if let Some(member) = members.values_mut().nth(at) {
                bend(member, (place / 7) as u32, value);
            }
        }
        leaf => {
            let is_alike = leaf.is_null()
                || value.is_null()
                || std::mem::discriminant(leaf) == std::mem::discriminant(&value);
            if is_alike {
                *leaf = value;
            }
        }
    }
}

/// With its target and tool hostile, too.
fn draw_all(parser: &str, parsed: &Value, text: &str) -> Result<(), TestCaseError> {
    let mut run = shown(parser, parsed);
    run.target = text;
    if let Ok(picture) = of_run(parser, &run) {
        check(&picture)?;
        prop_assert_eq!(&of_run(parser, &run).unwrap(), &picture, "not the same twice");
    }
    (run.tool, run.at, run.complete) = (text, Some(text), false);
    if let Ok(picture) = of_run(parser, &run) {
        check(&picture)?;
    }
    if let Ok(picture) = of_two(parser, &shown(parser, parsed), &run) {
        check(&picture)?;
    }
    let moment = |at, parsed, changed| Moment { at, parsed, changed };
    let times = ["2026-11-30T22:12:31Z", "2026-11-30T23:12:31Z", "2026-12-30T22:12:31Z"];
    let moments = [
        moment(times[0], Some(parsed), false),
        moment(times[1], None, true),
        moment(times[2], Some(parsed), true),
    ];
    check(&over_time(parser, text, &moments).unwrap())?;
    check(&over_time(parser, text, &[moment(text, Some(parsed), true)]).unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_json_is_drawn_or_refused(parsed in any_json(), text in any_text()) {
        for (parser, _) in DRAWN {
            draw_all(parser, &parsed, &text)?;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn any_bent_result_is_drawn_or_refused((parser, parsed) in bent_result(), text in any_text()) {
        draw_all(parser, &parsed, &text)?;
    }
}

#[test]
fn every_recorded_output_of_a_parser_that_is_drawn_has_a_picture() {
    for (parser, file, bytes) in fixtures() {
        let parsed = serde_json::to_value(read(parser, bytes).unwrap().unwrap()).unwrap();
        match of_run(parser, &shown(parser, &parsed)) {
            Ok(picture) => {
                let checked = check(&picture);
                assert!(is_drawn(parser) && checked.is_ok(), "{file}: {checked:?}");
            }
            Err(PictureError::NotDrawn { .. }) => assert!(!is_drawn(parser), "{file}"),
            Err(error) => {
                assert!(matches!(error, PictureError::NothingToDraw { .. }), "{file}: {error}");
            }
        }
    }
}

#[test]
fn the_largest_results_stay_small() {
    for hostile in
        ["<&\">'".repeat(220), "漢".repeat(360), "i".repeat(1100), "\u{202e}".repeat(360)]
    {
        let hop = |number: u32| {
            json!({"number": number, "address": hostile, "name": format!("{number}{hostile}"), "loss_percent": 50.0,
                "avg_ms": 5.5, "best_ms": 1.2, "worst_ms": 99.7, "error": hostile,
                "probes": (0..5).map(|n| json!({"address": format!("{n}{hostile}"), "rtt_ms": 3.3, "mark": format!("{n}{hostile}")})).collect::<Vec<_>>()})
        };
        let way = json!({"target": hostile, "hops": (1..=44).map(hop).collect::<Vec<_>>(), "hop_count": 4096,
            "reached": false, "loss_from_hop": 1});
        let record = json!({"name": hostile, "ttl": u32::MAX, "type": hostile, "data": hostile});
        let records = vec![record; 80];
        let dns = json!({"answered": true, "status": hostile, "answer": records, "authority": records, "server": hostile,
            "errors": vec![hostile.clone(); 50]});
        let flow = json!({"protocol": hostile, "from": hostile, "to": hostile, "packets_sent": u64::MAX,
            "packets_received": u64::MAX, "outcome": hostile, "retransmissions": u64::MAX});
        let capture = json!({"packets": u64::MAX, "flows": vec![flow; 60]});
        let certificate = json!({"subject": hostile, "issuer": hostile, "not_before": hostile, "not_after": hostile, "days_left": i64::MIN});
        let tls = json!({"chain": vec![certificate; 64], "chain_errors": vec![hostile.clone(); 50], "cipher": hostile});
        let port = |n: u32| json!({"port": n, "proto": hostile, "state": "open", "service": hostile, "product": hostile});
        let ports: Vec<Value> = (0..20).map(port).collect();
        let host = |n: usize| {
            json!({"address": format!("{n}{hostile}"), "state": "up", "ports": ports,
            "extra_ports": [{"state": hostile, "count": u64::MAX}, {"state": "closed", "count": u64::MAX}]})
        };
        let scan = json!({"hosts": (0..40).map(host).collect::<Vec<_>>(), "hosts_up": u64::MAX, "hosts_down": u64::MAX});
        let message = |n: u32| json!({"from": hostile, "message": format!("{n}{hostile}")});
        let ping = json!({"transmitted": u64::MAX, "received": 5, "target": hostile, "address": hostile,
            "unreachable": (0..60).map(message).collect::<Vec<_>>()});
        let http = json!({"url": hostile, "status": 301, "redirects_to": hostile, "error": hostile, "total_ms": 1e300,
            "connect_ms": 1e300, "tls_ms": 1e300});
        for (parser, parsed) in [
            ("mtr", way.clone()),
            ("traceroute", way),
            ("dig", dns),
            ("tcpdump", capture),
            ("tls", tls),
            ("nmap-xml", scan),
            ("ping", ping),
            ("curl", http),
        ] {
            let checked = draw_all(parser, &parsed, &hostile);
            assert!(checked.is_ok(), "{parser}: {checked:?}");
            // Where each run has a place of its own, there is most to draw.
            let times = minutes(if parser == "mtr" { 95 } else { 12 }, 15);
            let moments: Vec<Moment<'_>> = times
                .iter()
                .map(|at| Moment { at, parsed: Some(&parsed), changed: true })
                .collect();
            let watch = over_time(parser, &hostile, &moments).unwrap();
            assert!(check(&watch).is_ok(), "{parser} over time: {:?}", check(&watch));
        }
    }
}

#[test]
fn ten_megabytes_of_a_name_are_shortened() {
    let name = "\u{202e}<".repeat(2_500_000);
    let parsed = json!({"transmitted": 1, "received": 1, "target": name});
    let picture = of("ping", &parsed);
    assert!(check(&picture).is_ok());
    assert!(picture.svg.len() < 12 * 1024, "{}", picture.svg.len());
}

#[test]
fn a_scan_of_a_thousand_hosts_with_many_ports_is_one_picture() {
    for (hosts, ports) in [(1024, 60), (4096, 12)] {
        let picture = of("nmap-xml", &large_scan(hosts, ports));
        let checked = check(&picture);
        assert!(checked.is_ok(), "{checked:?}");
        let texts = texts(&picture);
        assert!(texts.contains("all 1,024 hosts"), "{texts}");
        assert_eq!(texts.contains("and 3,072 more hosts"), hosts == 4096, "{texts}");
    }
}

#[test]
fn two_pictures_in_one_page_have_different_ids() {
    let ids = |file: &str| Document::read(&drawn(file).svg).unwrap().ids;
    let (one, other) = (ids("ping_named.txt"), ids("ping_silent.txt"));
    assert_eq!(one.len(), 2);
    assert!(one.iter().all(|id| id.starts_with("pb-") && !other.contains(id)), "{one:?} {other:?}");
}
