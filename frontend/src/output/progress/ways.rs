//! How long tools take that do not say so: mtr, tracepath, dig, curl and openssl write everything at
//! their end, so that nothing can be read before, arping is silent where nobody answers, and of a few
//! silent ports nmap says less than its command does.

use std::time::Duration;

use super::number_after;

/// Seconds between two questions of arping's.
const ARPING_INTERVAL: u64 = 1;

/// Seconds that tracepath waits at a silent hop, and hops that it asks where the command does not say.
const TRACEPATH_WAIT: u64 = 3;
const TRACEPATH_HOPS: u64 = 30;

/// How often dig asks, and seconds that it waits for each answer, where the command does not say.
const DIG_TRIES: u64 = 3;
const DIG_WAIT: u64 = 5;

/// Ports that nmap tries at once.
const FEW_PORTS: usize = 16;

/// How long a run of mtr takes, whoever answers, and with what.
pub(super) fn mtr_time(argv: &[String]) -> Option<(Duration, String)> {
    let cycles: u32 = number_after(argv, "-c").unwrap_or(10);
    let interval: f64 = number_after(argv, "-i").unwrap_or(1.0);
    let wait: f64 = number_after(argv, "-G").unwrap_or(5.0);
    let seconds = f64::from(cycles) * interval + wait;
    let time = Duration::try_from_secs_f64(seconds).ok()?;
    Some((time, format!("{cycles} rounds, {interval} s apart, and {wait} s for their answers")))
}

/// How long tracepath takes where nobody answers.
pub(super) fn tracepath_time(argv: &[String]) -> Option<Duration> {
    let hops: u64 = number_after(argv, "-m").unwrap_or(TRACEPATH_HOPS);
    // The first hop is asked twice.
    hops.checked_add(1)?.checked_mul(TRACEPATH_WAIT).map(Duration::from_secs)
}

/// How long arping takes: it ends with its questions, or at its deadline.
pub(super) fn arping_time(argv: &[String]) -> Option<Duration> {
    let count = number_after(argv, "-c").and_then(|count: u64| count.checked_mul(ARPING_INTERVAL));
    let deadline: Option<u64> = number_after(argv, "-w");
    count.into_iter().chain(deadline).min().map(Duration::from_secs)
}

/// How long dig takes where nobody answers.
pub(super) fn dig_time(argv: &[String]) -> Option<Duration> {
    let tries: u64 = number_after(argv, "+tries=").unwrap_or(DIG_TRIES);
    let wait: u64 = number_after(argv, "+time=").unwrap_or(DIG_WAIT);
    tries.checked_mul(wait).map(Duration::from_secs)
}

/// How long curl takes where no answer comes to its end.
pub(super) fn curl_time(argv: &[String]) -> Option<Duration> {
    Duration::try_from_secs_f64(number_after(argv, "--max-time")?).ok()
}

/// How long nmap takes where nobody answers, if it only tries a few ports of one host: it does so with
/// all of them at once.
pub(super) fn ports_time(argv: &[String], target: &str) -> Option<Duration> {
    let has = |flag: &str| argv.iter().any(|word| word == flag);
    let ports: String = number_after(argv, "-p")?;
    let is_few = ports.split(',').count() <= FEW_PORTS
        && ports.split(',').all(|port| port.parse::<u16>().is_ok());
    if !is_few || !has("-Pn") || has("--script") || target.contains('/') {
        return None;
    }
    let retries: u32 = number_after(argv, "--max-retries")?;
    let wait: f64 = number_after(argv, "--max-rtt-timeout")?;
    Duration::try_from_secs_f64((f64::from(retries) + 1.0) * wait).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn argv(line: &str) -> Vec<String> {
        line.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn the_command_tells_how_long_it_takes() {
        let (time, why) = mtr_time(&argv("mtr --json -n -c 100 -i 1.5 -G 2 10.0.0.1")).unwrap();
        assert_eq!(time, Duration::from_secs(152));
        assert_eq!(why, "100 rounds, 1.5 s apart, and 2 s for their answers");
        assert_eq!(mtr_time(&argv("mtr 10.0.0.1")).unwrap().0, Duration::from_secs(15));
        assert_eq!(tracepath_time(&argv("tracepath -n -m 4 x")), Some(Duration::from_secs(15)));
        assert_eq!(tracepath_time(&argv("tracepath x")), Some(Duration::from_secs(93)));
        assert_eq!(arping_time(&argv("arping -b -c 3 x")), Some(Duration::from_secs(3)));
        assert_eq!(arping_time(&argv("arping -c 9 -w 2 x")), Some(Duration::from_secs(2)));
        assert_eq!(arping_time(&argv("arping x")), None);
        let asked = argv("dig -r @x +tries=2 +time=3 -q y");
        assert_eq!(dig_time(&asked), Some(Duration::from_secs(6)));
        assert_eq!(dig_time(&argv("dig @x")), Some(Duration::from_secs(15)));
        let fetched = argv("curl -q --max-time 2.5 x");
        assert_eq!(curl_time(&fetched), Some(Duration::from_millis(2500)));
        assert_eq!(curl_time(&argv("curl x")), None);
        let most = argv("mtr -c 4294967295 -i 1e300 x");
        assert_eq!(mtr_time(&most), None);
    }

    #[test]
    fn a_few_ports_of_one_host_are_told_from_a_scan() {
        let port = "nmap -n -Pn -sT --max-retries 1 --max-rtt-timeout 2.5";
        let time =
            |more: &str, target: &str| ports_time(&argv(&format!("{port} {more} x")), target);
        assert_eq!(time("-p 22,80", "10.0.0.1"), Some(Duration::from_secs(5)));
        for more in ["-p 1-9", "-p 22 --script banner", "-p http", "--top-ports 9"] {
            assert_eq!(time(more, "10.0.0.1"), None, "{more}");
        }
        assert_eq!(time("-p 22", "10.0.0.0/30"), None);
        let many: Vec<String> = (1..=17).map(|port: u16| port.to_string()).collect();
        assert_eq!(time(&format!("-p {}", many.join(",")), "10.0.0.1"), None);
        assert_eq!(ports_time(&argv("nmap -Pn -p 22 x"), "10.0.0.1"), None);
        let asks_first = argv("nmap --max-retries 1 --max-rtt-timeout 2 -p 22 x");
        assert_eq!(ports_time(&asks_first, "10.0.0.1"), None);
    }
}
