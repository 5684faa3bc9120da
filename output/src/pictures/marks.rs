//! Shapes as the data of one `<path>`: all of a kind stand in the same, so that a thousand cells stay small.

use std::fmt::Write as _;

/// Shapes of one class.
#[derive(Debug, Default, Clone)]
pub(super) struct Marks(String);

impl Marks {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn data(&self) -> &str {
        &self.0
    }

    /// A filled rectangle, or nothing where it has no size.
    pub(super) fn bar(&mut self, x: f64, y: f64, width: f64, height: f64) {
        let (width, height) = (number(width), number(height));
        if width.starts_with('-') || height.starts_with('-') || width == "0" || height == "0" {
            return;
        }
        self.add(format_args!("M{} {}h{width}v{height}h-{width}z", number(x), number(y)));
    }

    /// A filled square about a point.
    pub(super) fn square(&mut self, x: f64, y: f64, radius: f64) {
        self.bar(x - radius, y - radius, 2.0 * radius, 2.0 * radius);
    }

    /// A circle about a point.
    pub(super) fn dot(&mut self, x: f64, y: f64, radius: f64) {
        let (r, width) = (number(radius), number(2.0 * radius));
        let left = number(x - radius);
        self.add(format_args!(
            "M{left} {}a{r} {r} 0 1 0 {width} 0a{r} {r} 0 1 0-{width} 0z",
            number(y)
        ));
    }

    /// Two lines that cross, for an outline.
    pub(super) fn cross(&mut self, x: f64, y: f64, radius: f64) {
        let (left, top, width) = (number(x - radius), number(y - radius), number(2.0 * radius));
        self.add(format_args!(
            "M{left} {top}l{width} {width}M{} {top}l-{width} {width}",
            number(x + radius)
        ));
    }

    /// A plus, for an outline.
    pub(super) fn plus(&mut self, x: f64, y: f64, radius: f64) {
        self.dash(x, y, radius);
        self.line(x, y - radius, 0.0, 2.0 * radius);
    }

    /// A line from a point, for an outline.
    pub(super) fn line(&mut self, x: f64, y: f64, right: f64, down: f64) {
        self.add(format_args!("M{} {}l{} {}", number(x), number(y), number(right), number(down)));
    }

    /// A line upwards, for an outline that is as wide as the bar is to be.
    pub(super) fn post(&mut self, x: f64, y: f64, height: f64) {
        if height >= 0.1 {
            self.add(format_args!("M{} {}v-{}", number(x), number(y), number(height)));
        }
    }

    /// A dash, for an outline.
    pub(super) fn dash(&mut self, x: f64, y: f64, radius: f64) {
        self.add(format_args!("M{} {}h{}", number(x - radius), number(y), number(2.0 * radius)));
    }

    /// A triangle that stands on its side.
    pub(super) fn up(&mut self, x: f64, y: f64, radius: f64) {
        let r = number(radius);
        let (top, wide) = (number(y - radius), number(2.0 * radius));
        self.add(format_args!("M{} {top}l{r} {wide}h-{wide}z", number(x)));
    }

    /// A triangle that stands on its point.
    pub(super) fn down(&mut self, x: f64, y: f64, radius: f64) {
        let r = number(radius);
        let (left, top, wide) = (number(x - radius), number(y - radius), number(2.0 * radius));
        self.add(format_args!("M{left} {top}h{wide}l-{r} {wide}z"));
    }

    /// A square on its corner.
    pub(super) fn diamond(&mut self, x: f64, y: f64, radius: f64) {
        let r = number(radius);
        self.add(format_args!("M{} {}l{r} {r}l-{r} {r}l-{r}-{r}z", number(x), number(y - radius)));
    }

    /// An arrow to the right, for an outline.
    pub(super) fn arrow(&mut self, x: f64, y: f64, length: f64) {
        let left = number(x);
        let (length, y) = (number(length), number(y));
        self.add(format_args!("M{left} {y}h{length}m-5-4l5 4l-5 4"));
    }

    /// A filled area between two lines, from left to right: x, upper y, lower y.
    pub(super) fn band(&mut self, points: &[(f64, f64, f64)]) {
        for (place, (x, upper, _)) in points.iter().enumerate() {
            let verb = if place == 0 { 'M' } else { 'L' };
            self.add(format_args!("{verb}{} {}", number(*x), number(*upper)));
        }
        for (x, _, lower) in points.iter().rev() {
            self.add(format_args!("L{} {}", number(*x), number(*lower)));
        }
        if !points.is_empty() {
            self.0.push('z');
        }
    }

    /// A line through points, for an outline.
    pub(super) fn through(&mut self, points: impl IntoIterator<Item = (f64, f64)>) {
        for (place, (x, y)) in points.into_iter().enumerate() {
            let verb = if place == 0 { 'M' } else { 'L' };
            self.add(format_args!("{verb}{} {}", number(x), number(y)));
        }
    }

    fn add(&mut self, shape: std::fmt::Arguments<'_>) {
        // Writing to a String can't fail.
        let _ = self.0.write_fmt(shape);
    }
}

/// A coordinate, to a tenth of a unit; one that is no number, or far outside, is at the edge.
pub(super) fn number(value: f64) -> String {
    let value = if value.is_nan() { 0.0 } else { value.clamp(-1e5, 1e5) };
    let rounded = (value * 10.0).round() / 10.0;
    // Not `-0`.
    if rounded == 0.0 { "0".to_owned() } else { rounded.to_string() }
}
