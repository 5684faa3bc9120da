//! How the conditions of a watch stand: each is told of when it begins to hold, and once when it no longer
//! does, not at every run between.

use super::{
    condition::Condition,
    told::{News, Ran},
};

/// Which conditions of a watch held when they were last known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Standing(Vec<bool>);

impl Standing {
    /// That of a watch that has not run: nothing holds.
    #[must_use]
    pub fn of(conditions: &[Condition]) -> Self {
        Self(vec![false; conditions.len()])
    }

    /// What is to be told of a run, in the order of the conditions. One that the result says nothing of
    /// stays as it was.
    pub fn take(&mut self, conditions: &[Condition], ran: &Ran) -> Vec<News> {
        let mut news = Vec::new();
        for (condition, held) in conditions.iter().zip(&mut self.0) {
            if *condition == Condition::Changed {
                let sentence = ran.changed.clone();
                news.extend(sentence.map(|sentence| News::Changed { sentence }));
                continue;
            }
            let Some((holds, value)) = condition.holds(ran) else { continue };
            let condition = condition.to_string();
            match (std::mem::replace(held, holds), holds) {
                (false, true) => news.push(News::Became { condition, value }),
                (true, false) => news.push(News::Recovered { condition, value }),
                (true, true) | (false, false) => {}
            }
        }
        news
    }

    /// The conditions that hold.
    pub fn holding<'a>(
        &'a self,
        conditions: &'a [Condition],
    ) -> impl Iterator<Item = &'a Condition> {
        conditions.iter().zip(&self.0).filter(|(_, holds)| **holds).map(|(condition, _)| condition)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::watches::told::RunIds;

    fn conditions() -> Vec<Condition> {
        let read = |text: &&str| Condition::read(text, "ping", Some("ping")).unwrap();
        ["changed", "failed", "loss > 5 %"].iter().map(read).collect()
    }

    fn ran(loss: Option<f64>, success: bool, changed: Option<&str>) -> Ran {
        Ran {
            result: json!({"parsed": {"loss_percent": loss}}),
            success,
            duration: Duration::ZERO,
            run: RunIds::by_correlation("1"),
            changed: changed.map(str::to_owned),
        }
    }

    fn kinds(news: &[News]) -> Vec<&'static str> {
        news.iter().map(News::kind).collect()
    }

    #[test]
    fn a_condition_is_told_when_it_begins_and_when_it_ends_and_not_in_between() {
        let conditions = conditions();
        let mut standing = Standing::of(&conditions);
        for (loss, expected) in [
            (Some(0.0), &[][..]),
            (Some(10.0), &["became"]),
            (Some(100.0), &[]),
            (None, &[]),
            (Some(6.0), &[]),
            (Some(5.0), &["recovered"]),
            (Some(0.0), &[]),
            (Some(6.0), &["became"]),
        ] {
            assert_eq!(
                kinds(&standing.take(&conditions, &ran(loss, true, None))),
                expected,
                "{loss:?}"
            );
        }
        let holding: Vec<String> = standing.holding(&conditions).map(ToString::to_string).collect();
        assert_eq!(holding, ["loss > 5 %"]);
    }

    #[test]
    fn one_that_holds_from_the_first_run_on_is_told() {
        let conditions = conditions();
        let mut standing = Standing::of(&conditions);
        let news = standing.take(&conditions, &ran(None, false, None));
        assert_eq!(news, [News::Became { condition: "failed".into(), value: None }]);
    }

    #[test]
    fn each_change_is_told_and_has_no_end() {
        let conditions = conditions();
        let mut standing = Standing::of(&conditions);
        for _ in 0..2 {
            let news = standing.take(&conditions, &ran(Some(0.0), true, Some("it moved")));
            assert_eq!(news, [News::Changed { sentence: "it moved".into() }]);
        }
        assert!(standing.take(&conditions, &ran(Some(0.0), true, None)).is_empty());
    }

    proptest! {
        /// Beginnings and ends alternate, whatever results say.
        #[test]
        fn no_condition_begins_twice(losses in prop::collection::vec(prop::option::of(0.0..100.0), 0..50)) {
            let conditions = conditions();
            let mut standing = Standing::of(&conditions);
            let mut holds = false;
            for loss in losses {
                for news in standing.take(&conditions, &ran(loss, true, None)) {
                    prop_assert_eq!(news.kind(), if holds { "recovered" } else { "became" });
                    holds = !holds;
                }
            }
        }
    }
}
