//! When a watch comes, as the file has it.

use std::{ops::Range, sync::Arc, time::Duration};

use super::{
    Reader,
    fields::{Fields, Text},
};
use crate::watches::{
    cron::{self, CronLine},
    schedule::Schedule,
    tools::KnownTool,
};

/// The shortest and the longest time between two runs.
const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(7 * 24 * 60 * 60);

impl Reader<'_> {
    pub(super) fn duration(&mut self, text: &Text<'_>, key: &str) -> Option<Duration> {
        let message = match humantime::parse_duration(text.value) {
            Ok(time) if time < SHORTEST => format!("{key} is 1s or more"),
            Ok(time) if time > LONGEST => format!("{key} is 7 days or less"),
            Ok(time) => return Some(time),
            Err(_) => format!(
                "this is no time: write a number with its unit, such as {key} = \"1m\" or \"30s\""
            ),
        };
        self.found.defect(&text.span, &message);
        None
    }

    /// When it comes, and where that is written.
    pub(super) fn schedule(
        &mut self,
        fields: &mut Fields<'_>,
        span: &Range<usize>,
    ) -> Option<(Schedule, Range<usize>)> {
        let every = self.found.text(fields, "every");
        let cron = self.found.text(fields, "cron");
        let timezone = self.found.text(fields, "timezone");
        if fields.was_given("every") && fields.was_given("cron") {
            let place = cron.or(every).map_or(span.clone(), |text| text.span);
            self.found.defect(&place, "a watch has every or cron, and not both: leave one out");
            return None;
        }
        if let (Some(timezone), false) = (&timezone, fields.was_given("cron")) {
            self.found.defect(&timezone.span, "only a cron line has a time zone: leave this out");
        }
        if let Some(every) = every {
            let time = self.duration(&every, "every")?;
            return Some((Schedule::Every(time), every.span));
        }
        let Some(line) = cron else {
            if !fields.was_given("every") && !fields.was_given("cron") {
                let message = "nothing says when: add every = \"1m\", or cron = \"*/5 * * * *\"";
                self.found.defect(span, message);
            }
            return None;
        };
        let zone = cron::zone(timezone.as_ref().map(|zone| zone.value));
        if let (Err(error), Some(place)) = (&zone, &timezone) {
            self.found.defect(&place.span, &error.to_string());
        }
        let read = CronLine::new(line.value, zone.clone().unwrap_or(jiff::tz::TimeZone::UTC));
        if let Err(error) = &read {
            self.found.defect(&line.span, &error.to_string());
        }
        zone.ok().and(read.ok()).map(|read| (Schedule::Cron(Arc::new(read)), line.span))
    }

    /// No run may still be going when the next one's time comes.
    pub(super) fn fits(
        &mut self,
        schedule: &Schedule,
        place: &Range<usize>,
        own: Option<Duration>,
        tool: &KnownTool,
    ) {
        let (gap, limit) = (schedule.shortest_gap(), own.unwrap_or(tool.timeout));
        if gap < limit {
            let [gap, shown] = [gap, limit].map(humantime::format_duration);
            let whose = match own {
                Some(_) => "by its timeout".to_owned(),
                None => format!("by the timeout of {}", tool.name),
            };
            let message = format!(
                "it would come again after {gap}, and a run may take {shown} {whose}: let it come more \
                 seldom, or give it a timeout of {gap} or less"
            );
            self.found.defect(place, &message);
        }
    }
}
