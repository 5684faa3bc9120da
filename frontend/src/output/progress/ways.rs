//! mtr, tracepath and arping: how long they take, which they do not say. mtr and tracepath write
//! everything at their end, so that nothing can be read before.

use std::time::Duration;

use super::number_after;

/// Seconds between two questions of arping's.
const ARPING_INTERVAL: u64 = 1;

/// Seconds that tracepath waits at a silent hop, and hops that it asks where the command does not say.
const TRACEPATH_WAIT: u64 = 3;
const TRACEPATH_HOPS: u64 = 30;

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

/// How long arping takes.
pub(super) fn arping_time(argv: &[String]) -> Option<Duration> {
    let count: u64 = number_after(argv, "-c")?;
    count.checked_mul(ARPING_INTERVAL).map(Duration::from_secs)
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
        assert_eq!(arping_time(&argv("arping x")), None);
        let most = argv("mtr -c 4294967295 -i 1e300 x");
        assert_eq!(mtr_time(&most), None);
    }
}
