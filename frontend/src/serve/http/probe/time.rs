//! How long a probe may take: less than its scraper waits, so that there is an answer to read, and no
//! longer than its module says.

use std::time::Duration;

use axum::http::HeaderMap;

/// What Prometheus says with each scrape.
const SCRAPE_TIMEOUT: &str = "x-prometheus-scrape-timeout-seconds";

/// How long before the scraper's time is up a tool is ended, as blackbox_exporter has it.
const OFFSET: Duration = Duration::from_millis(500);

/// The scraper's time is no number of seconds.
#[derive(Debug, thiserror::Error)]
#[error("X-Prometheus-Scrape-Timeout-Seconds is no number of seconds above 0")]
pub struct BadTimeout;

/// How long a probe may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeLeft {
    /// The run of its tool.
    pub run: Duration,
    /// All of it: what waits for its turn until then is told so.
    pub all: Duration,
}

impl TimeLeft {
    /// What a request's headers and its module leave; `None` where neither says anything.
    ///
    /// # Errors
    /// [`BadTimeout`], of a header that cannot be read.
    pub fn of(headers: &HeaderMap, module: Option<Duration>) -> Result<Option<Self>, BadTimeout> {
        let scrape = match headers.get(SCRAPE_TIMEOUT) {
            Some(header) => {
                let seconds = header.to_str().ok().and_then(|text| text.trim().parse().ok());
                let time = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
                Some(time.filter(|time| !time.is_zero()).ok_or(BadTimeout)?)
            }
            None => None,
        };
        // A scraper in a hurry leaves half of its time.
        let of_scrape = scrape.map(|time| time.saturating_sub(OFFSET).max(time / 2));
        let run = match (of_scrape, module) {
            (Some(scrape), Some(module)) => scrape.min(module),
            (Some(only), None) | (None, Some(only)) => only,
            (None, None) => return Ok(None),
        };
        // Midway, so that its answer gets there.
        let spare = scrape.map_or(OFFSET, |scrape| scrape.saturating_sub(run).min(OFFSET)) / 2;
        Ok(Some(Self { run, all: run.saturating_add(spare) }))
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn left(header: Option<&str>, module: Option<f64>) -> Option<(f64, f64)> {
        let mut headers = HeaderMap::new();
        if let Some(header) = header {
            headers.insert(SCRAPE_TIMEOUT, HeaderValue::from_str(header).unwrap());
        }
        let left = TimeLeft::of(&headers, module.map(Duration::from_secs_f64)).unwrap();
        left.map(|left| (left.run.as_secs_f64(), left.all.as_secs_f64()))
    }

    #[test]
    fn the_shorter_of_scraper_and_module_holds_and_leaves_time_to_answer() {
        assert_eq!(left(Some("10"), None), Some((9.5, 9.75)));
        assert_eq!(left(Some("10"), Some(3.0)), Some((3.0, 3.25)));
        assert_eq!(left(Some("2"), Some(3.0)), Some((1.5, 1.75)));
        assert_eq!(left(Some("0.4"), None), Some((0.2, 0.3)));
        assert_eq!(left(None, Some(3.0)), Some((3.0, 3.25)));
        assert_eq!(left(None, None), None);
    }

    #[test]
    fn a_time_that_is_none_is_an_error() {
        for header in ["", "soon", "-1", "0", "NaN", "inf", "1e300"] {
            let headers = [(SCRAPE_TIMEOUT, header)];
            let headers = headers.map(|(name, value)| {
                (name.parse().unwrap(), HeaderValue::from_str(value).unwrap())
            });
            assert!(TimeLeft::of(&HeaderMap::from_iter(headers), None).is_err(), "{header}");
        }
    }

    proptest! {
        #[test]
        fn an_answer_comes_before_the_scraper_gives_up(
            scrape_ms in 10..1_000_000_u32,
            module_ms in 10..1_000_000_u32,
        ) {
            let [scrape, module] =
                [scrape_ms, module_ms].map(|ms| Duration::from_millis(ms.into()));
            let header = HeaderValue::from_str(&(f64::from(scrape_ms) / 1e3).to_string()).unwrap();
            let headers = HeaderMap::from_iter([(SCRAPE_TIMEOUT.parse().unwrap(), header)]);
            let TimeLeft { run, all } = TimeLeft::of(&headers, Some(module)).unwrap().unwrap();
            prop_assert!(!run.is_zero() && run <= all && all < scrape, "{run:?} {all:?} {scrape:?}");
            prop_assert!(run <= module);
        }
    }
}
