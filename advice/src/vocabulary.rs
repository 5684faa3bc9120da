//! What people and models write for scanners and pingers by heart, whatever a tool's file has: names
//! of ports, flags that only change what is printed, and words for how thorough a scan is to be.

/// Ports by name, as the services file of nmap and of most systems has them: of TCP, and those that
/// somebody would write. In the order of the alphabet.
const PORTS: [(&str, u16); 62] = [
    ("afp", 548),
    ("ajp13", 8009),
    ("amqp", 5672),
    ("bgp", 179),
    ("cassandra", 9042),
    ("cups", 631),
    ("dns", 53),
    ("docker", 2375),
    ("domain", 53),
    ("elasticsearch", 9200),
    ("epmd", 4369),
    ("finger", 79),
    ("ftp", 21),
    ("ftp-data", 20),
    ("ftps", 990),
    ("git", 9418),
    ("http", 80),
    ("http-alt", 8080),
    ("http-proxy", 8080),
    ("https", 443),
    ("https-alt", 8443),
    ("ident", 113),
    ("imap", 143),
    ("imaps", 993),
    ("ipp", 631),
    ("iscsi", 3260),
    ("kerberos", 88),
    ("kerberos-sec", 88),
    ("ldap", 389),
    ("ldaps", 636),
    ("memcached", 11211),
    ("microsoft-ds", 445),
    ("mongodb", 27017),
    ("mqtt", 1883),
    ("ms-sql-s", 1433),
    ("ms-wbt-server", 3389),
    ("mssql", 1433),
    ("mysql", 3306),
    ("netbios-ssn", 139),
    ("nfs", 2049),
    ("nntp", 119),
    ("oracle", 1521),
    ("pop3", 110),
    ("pop3s", 995),
    ("postgres", 5432),
    ("postgresql", 5432),
    ("pptp", 1723),
    ("rdp", 3389),
    ("redis", 6379),
    ("rpcbind", 111),
    ("rsync", 873),
    ("rtsp", 554),
    ("sip", 5060),
    ("smb", 445),
    ("smtp", 25),
    ("smtps", 465),
    ("ssh", 22),
    ("submission", 587),
    ("telnet", 23),
    ("vnc", 5900),
    ("whois", 43),
    ("winrm", 5985),
];

/// Flags that change what is printed, written down or looked up, and nothing that is sent to a
/// target. In the order of their bytes.
const PRINTING: [&str; 15] = [
    "--no-color",
    "--no-colour",
    "--numeric",
    "--open",
    "--packet-trace",
    "--quiet",
    "--reason",
    "--verbose",
    "-d",
    "-dd",
    "-n",
    "-v",
    "-vv",
    "-vvv",
    "-vvvv",
];

/// The same, with a value.
const PRINTING_TO: [&str; 7] =
    ["--output", "--stats-every", "--stylesheet", "-oA", "-oG", "-oN", "-oX"];

/// Properties of that kind.
const PRINTING_NAMES: [&str; 14] = [
    "color",
    "comment",
    "description",
    "explanation",
    "format",
    "json",
    "note",
    "numeric",
    "output",
    "output_format",
    "purpose",
    "quiet",
    "reason",
    "verbose",
];

/// How thorough a scan is to be, from the least to the most, each in any of its words.
const DEPTHS: [&[&str]; 3] = [
    &["quick", "fast", "light", "basic", "simple", "short", "brief", "top", "minimal"],
    &["standard", "normal", "default", "regular", "medium", "common", "typical"],
    &["thorough", "deep", "full", "complete", "comprehensive", "detailed", "extensive", "intense"],
];

/// nmap's words for its timing, from `-T0` to `-T5`.
const TIMINGS: [&str; 6] = ["paranoid", "sneaky", "polite", "normal", "aggressive", "insane"];

/// Numbers as they are spoken, from none.
const NUMBERS: [&str; 13] = [
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten",
    "eleven", "twelve",
];

/// The number that a word says.
pub(crate) fn spoken(word: &str) -> Option<u64> {
    let at = NUMBERS.iter().position(|known| *known == word)?;
    u64::try_from(at).ok()
}

/// The port of a service.
pub(crate) fn port(name: &str) -> Option<u16> {
    let at = PORTS.binary_search_by_key(&name, |(known, _)| known).ok()?;
    PORTS.get(at).map(|(_, port)| *port)
}

/// Whether a flag does nothing to a target; `Some(true)` where a value belongs to it.
pub(crate) fn prints_only(flag: &str) -> Option<bool> {
    if PRINTING.binary_search(&flag).is_ok() {
        return Some(false);
    }
    PRINTING_TO.binary_search(&flag).is_ok().then_some(true)
}

/// The same of a property.
pub(crate) fn is_about_printing(name: &str) -> bool {
    PRINTING_NAMES.binary_search(&name).is_ok()
}

/// Words for the same depth as this one, itself among them.
pub(crate) fn of_that_depth(word: &str) -> &'static [&'static str] {
    DEPTHS.into_iter().find(|words| words.contains(&word)).unwrap_or_default()
}

/// How thorough a word says that a scan is to be, 0 the least, and how usual it is among the words for
/// the same, 0 the most.
pub(crate) fn depth_of(word: &str) -> Option<(usize, usize)> {
    DEPTHS.iter().enumerate().find_map(|(depth, words)| {
        words.iter().position(|known| *known == word).map(|place| (depth, place))
    })
}

/// Whether a flag asks for the least that there is.
pub(crate) fn is_quick(flag: &str) -> bool {
    ["-F", "--fast", "--quick"].contains(&flag)
}

/// The words for the least that there is.
pub(crate) const QUICK: &str = "quick";

/// A word for a timing.
pub(crate) fn timing(word: &str) -> Option<u64> {
    let at = TIMINGS.iter().position(|known| *known == word)?;
    u64::try_from(at).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lists_are_in_order_so_that_all_of_them_is_found() {
        assert!(PORTS.is_sorted_by_key(|(name, _)| *name));
        assert!(PRINTING.is_sorted() && PRINTING_TO.is_sorted() && PRINTING_NAMES.is_sorted());
        assert_eq!(
            (port("http"), port("winrm"), port("afp"), port("x")),
            (Some(80), Some(5985), Some(548), None)
        );
    }
}
