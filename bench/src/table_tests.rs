use super::*;

fn row(goal: Goal) -> Row {
    Row::new("a", Unit::Seconds, 3e-3, "p").against("b", 2e-3).goal(goal)
}

#[test]
fn a_goal_is_about_the_quantity_it_names() {
    assert_eq!(row(Goal::at_most(Quantity::Ratio, 1.5)).met(), Some(true));
    assert_eq!(row(Goal::at_most(Quantity::Ratio, 1.4)).met(), Some(false));
    assert_eq!(row(Goal::at_least(Quantity::Ratio, 1.4)).met(), Some(true));
    assert_eq!(row(Goal::at_most(Quantity::Added, 0.5e-3)).met(), Some(false));
    assert_eq!(row(Goal::at_most(Quantity::Measured, 4e-3)).met(), Some(true));
}

#[test]
fn cells_show_what_the_goal_is_about() {
    let added = row(Goal::at_most(Quantity::Added, 0.5e-3));
    assert_eq!(added.cells(), ["a", "3.00 ms", "b: 2.00 ms", "+1.00 ms", "≤ +500.0 µs", "no"]);
    let alone = Row::new("a", Unit::Bytes, 1048576.0, "p");
    assert_eq!(alone.cells(), ["a", "1.0 MiB", "", "", "", ""]);
}

#[test]
fn a_row_without_a_comparison_has_no_ratio_in_json() {
    let json = Row::new("a", Unit::PerSecond, 5.0, "p").json();
    assert!(json["ratio"].is_null() && json["met"].is_null());
    assert_eq!(json["unit"], "1/s");
}
