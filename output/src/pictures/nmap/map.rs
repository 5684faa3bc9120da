//! All hosts of a large scan, a cell for each: the more ports are open, the larger what stands in it.

use super::Host;
use crate::pictures::{
    chart,
    marks::Marks,
    sheet::{Anchor, Ink, LEFT, Sheet},
    words,
};

/// Most hosts of the map.
const HOSTS_MAX: usize = 1024;

/// Where the cells begin; before them stands the address of the first.
const CELLS: f64 = 140.0;

/// Up to so many open ports, and how large a cell's square is for them.
const SIZES: [(usize, f64, &str); 4] =
    [(0, 0.12, "up"), (2, 0.22, "1–2 open"), (9, 0.34, "3–9"), (usize::MAX, 0.46, "10 and more")];

/// Draws the hosts in the order of the scan, row by row; `total` is how many there were.
pub(super) fn draw(hosts: &[Host<'_>], total: u64, sheet: &mut Sheet) {
    let shown = &hosts[..hosts.len().min(HOSTS_MAX)];
    let (in_a_row, cell) = if shown.len() > 256 { (32, 10.1) } else { (16, 20.0) };
    sheet.part(&format!(
        "all {}, by how many ports are open",
        words::count(shown.len() as u64, "host")
    ));
    sheet.y += 6.0;
    let (mut open, mut up, mut down) = (Marks::default(), Marks::default(), Marks::default());
    for (row, hosts) in shown.chunks(in_a_row).enumerate() {
        let y = sheet.y + cell / 2.0;
        // A line of text is higher than a small row.
        if row.is_multiple_of((20.0 / cell).ceil() as usize) {
            let name = words::bounded(hosts[0].name());
            let place = (LEFT, sheet.y + cell.min(12.0) / 2.0 + 8.0);
            sheet.text(place, Anchor::Start, Ink::Muted, CELLS - LEFT - 6.0, &name);
        }
        for (at, host) in hosts.iter().enumerate() {
            let x = CELLS + (at as f64 + 0.5) * cell;
            match host.open() {
                0 if host.is_up() => up.square(x, y, size(0) * cell),
                0 => down.square(x, y, 0.5),
                count => open.square(x, y, size(count) * cell),
            }
        }
        sheet.y += cell;
    }
    sheet.marks("pb-good", &open);
    sheet.marks("pb-quiet", &up);
    sheet.marks("pb-quiet", &down);
    sheet.y += 4.0;
    legend(sheet);
    if total > shown.len() as u64 {
        let more = words::count(total - shown.len() as u64, "more host");
        sheet.line(Ink::Muted, &format!("and {more}"));
    }
}

fn size(open: usize) -> f64 {
    let found = SIZES.iter().find(|(most, ..)| open <= *most);
    found.map_or(0.46, |(_, size, _)| *size)
}

fn legend(sheet: &mut Sheet) {
    let mut x = LEFT;
    for (most, size, text) in SIZES {
        let class = if most == 0 { "pb-quiet" } else { "pb-good" };
        let square = |sheet: &mut Sheet, x: f64, y: f64| {
            let mut mark = Marks::default();
            mark.square(x, y, size * 16.0);
            sheet.marks(class, &mark);
        };
        x = chart::key(sheet, x, square, text);
    }
    sheet.y += 22.0;
}
