//! Tools that say nothing on the way: how much of their time is over, as the command gives it to them.
//! It moves while nothing is heard of them, so whoever shows it asks again.

use std::time::Duration;

use super::{Progress, ways};

/// Who ends sooner needs no telling.
const SHORT: Duration = Duration::from_secs(1);

/// The time of one run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clock {
    total: Duration,
    words: Words,
}

/// What the time is, and what goes on in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Words {
    /// It takes about that long, whoever answers.
    About,
    /// It does this until then.
    Until(&'static str),
    /// It does this, and takes so long only where nobody answers.
    AtMost(&'static str),
}

impl Clock {
    /// That of the command `argv` aimed at `target`, whose output `parser` understands, and which may
    /// run as long as `limit`. `None` where that does not tell how long it takes, or it is over in a moment.
    pub(super) fn new(
        parser: &str,
        argv: &[String],
        target: &str,
        limit: Duration,
    ) -> Option<Self> {
        let (total, words) = match parser {
            "arping" => (ways::arping_time(argv)?, Words::Until("asks who has it")),
            "curl" => (ways::curl_time(argv)?, Words::AtMost("waits for the whole answer")),
            "dig" => (ways::dig_time(argv)?, Words::AtMost("waits for an answer")),
            "mtr" => (ways::mtr_time(argv)?.0, Words::About),
            "nmap-xml" => (ways::ports_time(argv, target)?, Words::AtMost("waits for an answer")),
            "tcpdump" => (limit, Words::Until("watches")),
            "tls" => (limit, Words::AtMost("waits for an answer")),
            "tracepath" => (ways::tracepath_time(argv)?, Words::AtMost("asks hop after hop")),
            _ => return None,
        };
        let total = total.min(limit);
        (total > SHORT).then_some(Self { total, words })
    }

    /// How far a run is that began so long ago.
    pub(super) fn at(&self, elapsed: Duration) -> Progress {
        let Self { total, words } = *self;
        let left = total.saturating_sub(elapsed);
        let so_far = format!("{} s of {} s", elapsed.as_secs(), total.as_secs_f64());
        let (message, remaining) = match words {
            Words::About => (format!("about {so_far}"), Some(left)),
            Words::Until(what) => (format!("{what}, {so_far}"), Some(left)),
            Words::AtMost(what) => (format!("{what}, {so_far} at most"), None),
        };
        let fraction = (elapsed.as_secs_f64() / total.as_secs_f64()).min(1.0);
        Progress { fraction: Some(fraction), remaining, message }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(45);

    fn clock(parser: &str, command: &str) -> Option<Clock> {
        let argv: Vec<String> = command.split(' ').map(String::from).collect();
        Clock::new(parser, &argv, "10.66.2.2", LIMIT)
    }

    #[test]
    fn each_silent_tool_is_told_by_its_time() {
        for (parser, command, said) in [
            ("arping", "arping -b -c 5 x", "asks who has it, 3 s of 5 s"),
            ("curl", "curl --max-time 10 x", "waits for the whole answer, 3 s of 10 s at most"),
            ("dig", "dig +tries=2 +time=3 x", "waits for an answer, 3 s of 6 s at most"),
            ("mtr", "mtr --json -n -c 8 -G 2 x", "about 3 s of 10 s"),
            (
                "nmap-xml",
                "nmap -Pn --max-retries 1 --max-rtt-timeout 2.5 -p 22 x",
                "waits for an answer, 3 s of 5 s at most",
            ),
            ("tcpdump", "tcpdump -c 100", "watches, 3 s of 45 s"),
            ("tls", "openssl s_client", "waits for an answer, 3 s of 45 s at most"),
            ("tracepath", "tracepath -n -m 4 x", "asks hop after hop, 3 s of 15 s at most"),
        ] {
            let told = clock(parser, command).unwrap().at(Duration::from_millis(3900));
            assert_eq!(told.message, said, "{command}");
            // What may end at any moment does not say how long it still takes.
            assert_eq!(told.remaining.is_none(), said.ends_with("at most"), "{command}");
        }
    }

    #[test]
    fn who_is_quick_or_untold_has_none() {
        for (parser, command) in [
            ("dig", "dig +tries=1 +time=1 x"),
            ("arping", "arping -c 1 x"),
            ("curl", "curl x"),
            ("nmap-xml", "nmap -sV x"),
            ("ping", "ping -c 9 x"),
            ("ip-json", "ip route get x"),
        ] {
            assert_eq!(clock(parser, command), None, "{command}");
        }
    }

    #[test]
    fn it_goes_to_its_end_and_no_further() {
        let clock = clock("mtr", "mtr -c 8 -G 2 x").unwrap();
        let fractions = [0, 5, 10, 12].map(|s| clock.at(Duration::from_secs(s)).fraction.unwrap());
        assert_eq!(fractions, [0.0, 0.5, 1.0, 1.0]);
        let late = clock.at(Duration::from_secs(12));
        // It is late, and says so.
        assert_eq!(
            (late.message.as_str(), late.remaining),
            ("about 12 s of 10 s", Some(Duration::ZERO))
        );
        // No command outlasts its limit.
        let long = Clock::new("mtr", &[String::from("mtr")], "x", Duration::from_secs(4)).unwrap();
        assert_eq!(long.at(Duration::from_secs(2)).message, "about 2 s of 4 s");
    }
}
