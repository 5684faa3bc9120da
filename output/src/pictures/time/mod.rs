//! The runs of a watch over time: for each parser what matters of it, above the same axis, with a mark where
//! something changed and one where a run failed. A time without a run stays empty.

mod bars;
mod grid;
mod latency;

use serde_json::Value;

use super::{
    Moment, chart, dns, http,
    marks::Marks,
    nmap, read,
    sheet::{Anchor, Ink, LEFT, RIGHT, Sheet, Sign},
    tls, words,
};

/// Most places along the axis. With more runs, each stands for several.
const SLOTS_MAX: usize = 90;

/// The axis: where it is, and which runs stand in which place of it, by their numbers.
struct Axis<'m, 'a> {
    left: f64,
    moments: &'m [Moment<'a>],
    slots: Vec<Vec<usize>>,
}

impl<'m, 'a> Axis<'m, 'a> {
    /// Places of equal length in time; of equal number of runs, where their times are none that grow.
    fn new(moments: &'m [Moment<'a>], most: usize, left: f64) -> Self {
        let times: Option<Vec<f64>> =
            moments.iter().map(|moment| words::seconds(moment.at)).collect();
        let times = times.filter(|times| times.is_sorted());
        let (start, end) = match times.as_deref() {
            Some([start, .., end]) if end > start => (*start, *end),
            _ => (0.0, 0.0),
        };
        let count = moments.len().clamp(1, most);
        let steps = (count - 1) as f64;
        let mut slots = vec![Vec::new(); count];
        for at in 0..moments.len() {
            let share = match times.as_deref() {
                Some(times) if end > start => (times[at] - start) / (end - start),
                _ => at as f64 / (moments.len() - 1).max(1) as f64,
            };
            let place = (share * steps).round() as usize;
            slots[place.min(count - 1)].push(at);
        }
        Self { left, moments, slots }
    }

    fn step(&self) -> f64 {
        (RIGHT - self.left) / self.slots.len() as f64
    }

    /// How wide what stands in a place is.
    fn width(&self) -> f64 {
        (self.step() * 0.76).min(36.0)
    }

    fn middle(&self, slot: usize) -> f64 {
        self.left + (slot as f64 + 0.5) * self.step()
    }

    /// Marks of changes, in a lane of its own. Gives whether there are any.
    fn changes(&self, sheet: &mut Sheet) -> bool {
        let mut marks = Marks::default();
        for (at, slot) in self.slots.iter().enumerate() {
            if slot.iter().any(|run| self.moments[*run].changed) {
                marks.diamond(self.middle(at), sheet.y + 10.0, (self.step() * 0.6).clamp(4.5, 6.0));
            }
        }
        sheet.marks("pb-warn", &marks);
        if !marks.is_empty() {
            sheet.y += 20.0;
        }
        !marks.is_empty()
    }

    /// Marks of runs for which `is_one` holds, in a lane of its own.
    fn crosses(&self, sheet: &mut Sheet, is_one: impl Fn(usize) -> bool) -> bool {
        let mut marks = Marks::default();
        for (at, slot) in self.slots.iter().enumerate() {
            if slot.iter().any(|run| is_one(*run)) {
                marks.cross(self.middle(at), sheet.y + 9.0, (self.step() * 0.35).clamp(3.0, 5.0));
            }
        }
        sheet.outline("pb-bad-line", 2.5, &marks);
        if !marks.is_empty() {
            sheet.y += 18.0;
        }
        !marks.is_empty()
    }

    /// When it begins and ends.
    fn labels(&self, sheet: &mut Sheet) {
        sheet.y += 18.0;
        let when =
            |moment: Option<&Moment<'_>>| moment.map_or(String::new(), |it| words::moment(it.at));
        let (first, last) = (when(self.moments.first()), when(self.moments.last()));
        let bare = |text: &str| text.trim_end_matches(" UTC").to_owned();
        // The hours alone, where the day is the same.
        let (first, last) = match (first.split_once(' '), last.split_once(' ')) {
            (Some((day, start)), Some((other, end))) if day == other => (bare(start), bare(end)),
            (Some((_, _)), Some((_, _))) => (bare(&first), bare(&last)),
            _ => (first, last),
        };
        let room = (RIGHT - self.left) / 2.0 - 6.0;
        sheet.text((self.left, sheet.y), Anchor::Start, Ink::Muted, room, &first);
        if self.slots.len() > 1 {
            sheet.text((RIGHT, sheet.y), Anchor::End, Ink::Muted, room, &last);
        }
        sheet.y += 4.0;
    }
}

/// What the marks of the lanes mean.
fn legend(sheet: &mut Sheet, has_changes: bool, has_crosses: bool, cross: &str) {
    let mut x = LEFT;
    if has_changes {
        let diamond = |sheet: &mut Sheet, x: f64, y: f64| {
            let mut mark = Marks::default();
            mark.diamond(x, y, 6.0);
            sheet.marks("pb-warn", &mark);
        };
        x = chart::key(sheet, x, diamond, "something changed");
    }
    if has_crosses {
        let mark = |sheet: &mut Sheet, x: f64, y: f64| {
            let mut mark = Marks::default();
            mark.cross(x, y, 4.5);
            sheet.outline("pb-bad-line", 2.5, &mark);
        };
        chart::key(sheet, x, mark, cross);
    }
    if has_changes || has_crosses {
        sheet.y += 22.0;
    }
}

/// What of a run is drawn as a number.
struct Figure {
    parser: &'static str,
    /// What the bars show.
    name: &'static str,
    /// The number, and whether the run found what is looked for.
    read: fn(&Value) -> (Option<f64>, bool),
    text: fn(f64) -> String,
    /// What a cross means.
    cross: &'static str,
}

impl Figure {
    fn is_success(&self) -> bool {
        self.parser.is_empty()
    }
}

const FIGURES: [Figure; 5] = [
    Figure {
        parser: "nmap-xml",
        name: "open ports",
        read: |parsed| match read::<nmap::View<'_>>("nmap-xml", parsed) {
            Ok(view) => (Some(view.open() as f64), true),
            Err(_) => (None, false),
        },
        text: |ports| words::count(ports as u64, "open port"),
        cross: "failed",
    },
    Figure {
        parser: "nmap-xml",
        name: "hosts up",
        read: |parsed| match read::<nmap::View<'_>>("nmap-xml", parsed) {
            Ok(view) => (Some(view.hosts_up as f64), true),
            Err(_) => (None, false),
        },
        text: |hosts| words::count(hosts as u64, "host"),
        cross: "failed",
    },
    Figure {
        parser: "tls",
        name: "days left",
        read: |parsed| {
            let days = read::<tls::View>("tls", parsed).ok().and_then(|view| view.days_left);
            (days.map(|days| days.max(0) as f64), days.is_some_and(|days| days >= 0))
        },
        text: |days| words::count(days as u64, "day"),
        cross: "failed, or over",
    },
    Figure {
        parser: "curl",
        name: "time of the request",
        read: |parsed| match read::<http::View>("curl", parsed) {
            Ok(view) => (view.total_ms, view.is_good()),
            Err(_) => (None, false),
        },
        text: words::ms,
        cross: "failed, or an error",
    },
    Figure {
        parser: "dig",
        name: "time until the answer",
        read: |parsed| match read::<dns::View>("dig", parsed) {
            Ok(view) => (view.query_time_ms, view.is_good()),
            Err(_) => (None, false),
        },
        text: words::ms,
        cross: "failed, or no record",
    },
];

/// For the others, whether there was a result.
const SUCCESS: Figure = Figure {
    parser: "",
    name: "runs with a result",
    read: |_| (Some(1.0), true),
    text: |_| String::new(),
    cross: "failed",
};

/// Draws them, and answers what there is to see in words. There is one run at least.
pub(super) fn draw(parser: &str, moments: &[Moment<'_>], sheet: &mut Sheet) -> String {
    let verdict = verdict(moments, sheet);
    let told = match parser {
        "ping" => latency::draw(moments, sheet),
        "traceroute" | "tracepath" | "mtr" => grid::draw(parser, moments, sheet),
        _ => {
            let mut figures: Vec<&Figure> =
                FIGURES.iter().filter(|figure| figure.parser == parser).collect();
            if figures.is_empty() {
                figures.push(&SUCCESS);
            }
            bars::draw(&figures, moments, sheet)
        }
    };
    format!("{verdict}.{told}")
}

/// How many runs there were, what became of them, and how many found a change.
fn verdict(moments: &[Moment<'_>], sheet: &mut Sheet) -> String {
    let has_result = |moment: &&Moment<'_>| moment.parsed.is_some_and(|parsed| !parsed.is_null());
    let (all, good) = (moments.len() as u64, moments.iter().filter(has_result).count() as u64);
    let changes = moments.iter().filter(|moment| moment.changed).count() as u64;
    let failed = match all - good {
        0 => String::new(),
        failed => format!(", {} failed", words::whole(failed)),
    };
    let changed = match changes {
        0 => ", no change".to_owned(),
        changes => format!(", {}", words::count(changes, "change")),
    };
    let text = format!("{}{failed}{changed}", words::count(all, "run"));
    let sign = match (good, changes) {
        (0, _) => Sign::Bad,
        (good, 0) if good == all => Sign::Good,
        _ => Sign::Warn,
    };
    sheet.verdict(sign, &text);
    text
}
