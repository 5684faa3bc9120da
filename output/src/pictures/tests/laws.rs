//! What is so of any picture: it is well-formed, small, quiet and harmless, and nothing stands outside of it.

use proptest::prelude::*;
use quick_xml::{Reader, XmlVersion, events::Event};

use super::*;
use crate::pictures::sheet::{Ink, width_of};

const ELEMENTS: [&str; 7] = ["svg", "title", "desc", "style", "rect", "path", "text"];

const ATTRIBUTES: [&str; 18] = [
    "xmlns",
    "class",
    "viewBox",
    "width",
    "height",
    "role",
    "aria-labelledby",
    "id",
    "rx",
    "d",
    "x",
    "y",
    "text-anchor",
    "transform",
    "stroke-width",
    "cx",
    "cy",
    "r",
];

/// What is in a picture.
#[derive(Debug, Default)]
pub(super) struct Document {
    pub(super) texts: Vec<String>,
    pub(super) ids: Vec<String>,
    labelled_by: String,
    title: String,
    description: String,
    style: String,
    /// Of what is read just now.
    text: String,
    hint: String,
    classes: Vec<String>,
    /// Numbers of each path and each place.
    numbers: Vec<f64>,
    /// Texts that end outside.
    outside: Vec<String>,
}

impl Document {
    pub(super) fn read(svg: &str) -> Result<Self, String> {
        let mut document = Self::default();
        let mut reader = Reader::from_str(svg);
        reader.config_mut().check_end_names = true;
        let mut path: Vec<String> = Vec::new();
        let mut place = Place::default();
        loop {
            let event = reader.read_event().map_err(|error| error.to_string())?;
            let is_start = matches!(event, Event::Start(_));
            match event {
                Event::Start(start) | Event::Empty(start) => {
                    let name = start.name().as_ref().to_owned();
                    if !ELEMENTS.contains(&name.as_str()) {
                        return Err(format!("element {name}"));
                    }
                    if name == "text" {
                        place = Place::default();
                    }
                    for attribute in start.attributes() {
                        let attribute = attribute.map_err(|error| error.to_string())?;
                        let key = attribute.key.as_ref().to_owned();
                        let value = attribute.normalized_value(XmlVersion::Implicit1_0);
                        let value = value.map_err(|error| error.to_string())?.into_owned();
                        document.attribute(&name, &key, &value, &mut place)?;
                    }
                    if is_start {
                        path.push(name);
                    }
                }
                Event::End(_) => {
                    document.end(&path, &place);
                    path.pop();
                }
                Event::Text(text) => document.text(&text.xml10_content(), &path),
                Event::GeneralRef(entity) => {
                    let name = entity.xml10_content().into_owned();
                    let c = match name.as_str() {
                        "lt" => "<",
                        "gt" => ">",
                        "amp" => "&",
                        "quot" => "\"",
                        "apos" => "'",
                        other => return Err(format!("entity {other}")),
                    };
                    document.text(c, &path);
                }
                Event::Eof if path.is_empty() => return Ok(document),
                other => return Err(format!("{other:?}")),
            }
        }
    }

    fn attribute(
        &mut self,
        element: &str,
        key: &str,
        value: &str,
        place: &mut Place,
    ) -> Result<(), String> {
        if !ATTRIBUTES.contains(&key) {
            return Err(format!("attribute {key} of {element}"));
        }
        match key {
            "id" => self.ids.push(value.to_owned()),
            "aria-labelledby" => value.clone_into(&mut self.labelled_by),
            "class" => {
                self.classes.push(value.to_owned());
                value.clone_into(&mut place.class);
            }
            "text-anchor" => value.clone_into(&mut place.anchor),
            "transform" => place.is_turned = true,
            "xmlns" | "role" | "viewBox" => {}
            "d" => {
                let numbers = value.split(|c: char| c.is_ascii_alphabetic() || c == ' ');
                for number in numbers.flat_map(split_signs) {
                    self.numbers
                        .push(number.parse().map_err(|_| format!("{number:?} in {value}"))?);
                }
            }
            _ => {
                let number = value.parse().map_err(|_| format!("{key}={value:?}"))?;
                if (element, key) == ("text", "x") {
                    place.x = number;
                }
                self.numbers.push(number);
            }
        }
        Ok(())
    }

    /// A piece of a text: what an entity stands for is one of its own.
    fn text(&mut self, text: &str, path: &[String]) {
        let to = match (path.last().map(String::as_str), path.len()) {
            (Some("style"), _) => &mut self.style,
            (Some("title"), 2) => &mut self.title,
            (Some("desc"), _) => &mut self.description,
            (Some("text"), _) => &mut self.text,
            _ => &mut self.hint,
        };
        to.push_str(text);
    }

    /// The end of an element whose text is shown.
    fn end(&mut self, path: &[String], place: &Place) {
        match (path.last().map(String::as_str), path.len()) {
            (Some("title"), 3) => self.texts.push(std::mem::take(&mut self.hint)),
            (Some("text"), _) => {
                let text = std::mem::take(&mut self.text);
                let ink = if place.class == "pb-head" { Ink::Head } else { Ink::Plain };
                let width = width_of(&text, ink);
                let (start, end) = match place.anchor.as_str() {
                    "end" => (place.x - width, place.x),
                    "middle" => (place.x - width / 2.0, place.x + width / 2.0),
                    _ => (place.x, place.x + width),
                };
                if !place.is_turned && (start < -0.5 || end > 480.5) {
                    self.outside.push(text.clone());
                }
                self.texts.push(text);
            }
            _ => {}
        }
    }
}

/// Where a text stands.
#[derive(Debug, Default)]
struct Place {
    class: String,
    anchor: String,
    x: f64,
    is_turned: bool,
}

/// `10-5` is two numbers.
fn split_signs(text: &str) -> Vec<String> {
    let spaced = text.replace('-', " -");
    spaced.split_whitespace().map(str::to_owned).collect()
}

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
                "probes": (0..12).map(|n| json!({"address": format!("{n}{hostile}"), "rtt_ms": 3.3, "mark": format!("{n}{hostile}")})).collect::<Vec<_>>()})
        };
        let way = json!({"target": hostile, "hops": (1..=255).map(hop).collect::<Vec<_>>(), "hop_count": 4096,
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
