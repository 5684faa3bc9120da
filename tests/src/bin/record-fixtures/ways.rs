//! What is recorded of mtr, tracepath, ip and arping. The addresses are those of `Lab::widen` and
//! `Lab::flaw`.

use super::recordings::{Recording, plain};

pub const RECORDINGS: &[Recording] = &[
    plain("mtr.json", "mtr --json -n -c 3 -i 0.2 -G 1 10.66.2.2"),
    plain("mtr_named.json", "mtr --json -b -c 2 -i 0.2 -G 1 web.lab.internal"),
    plain("mtr_udp.json", "mtr --json -n -u -c 2 -i 0.2 -G 1 10.66.2.2"),
    plain("mtr_lossy.json", "mtr --json -n -c 20 -i 0.2 -G 1 10.66.2.61"),
    plain("mtr_reluctant.json", "mtr --json -n -c 9 -i 0.2 -G 1 10.66.2.62"),
    plain("mtr_silent.json", "mtr --json -n -c 2 -i 0.2 -G 1 -m 4 10.66.2.40"),
    plain("mtr_unreachable.json", "mtr --json -n -c 2 -i 0.2 -G 4 10.66.2.36"),
    plain("mtr_prohibited.json", "mtr --json -n -c 2 -i 0.2 -G 1 10.66.2.37"),
    plain("mtr6.json", "mtr --json -n -c 2 -i 0.2 -G 1 fd66:2::2"),
    plain("mtr_loopback.json", "mtr --json -n -c 2 -i 0.2 -G 1 127.0.0.1"),
    plain("mtr_report.txt", "mtr --report -n -c 3 -i 0.2 -G 1 10.66.2.2"),
    plain("mtr_report_wide.txt", "mtr --report-wide -b -c 2 -i 0.2 -G 1 web.lab.internal"),
    plain(
        "mtr_report_columns.txt",
        "mtr --report -n -o 'LDRSNBAWVGJMXI' -c 3 -i 0.2 -G 1 10.66.2.61",
    ),
    plain("mtr_report_multipath.txt", "mtr --report -n -u -c 8 -i 0.2 -G 1 10.66.2.50"),
    plain("mtr_report_silent.txt", "mtr --report -n -c 2 -i 0.2 -G 1 -m 4 10.66.2.40"),
    plain("tracepath.txt", "tracepath -n 10.66.2.2"),
    plain("tracepath_named.txt", "tracepath web.lab.internal"),
    plain("tracepath_both.txt", "tracepath -b web.lab.internal"),
    plain("tracepath_narrow.txt", "tracepath -n 10.66.2.60"),
    plain("tracepath_silent.txt", "tracepath -n -m 2 10.66.2.40"),
    plain("tracepath_unreachable.txt", "tracepath -n 10.66.2.36"),
    plain("tracepath_prohibited.txt", "tracepath -n 10.66.2.37"),
    plain("tracepath_net_unreachable.txt", "tracepath -n 10.66.2.38"),
    plain("tracepath_never_there.txt", "tracepath -n -m 1 10.66.2.2"),
    plain("tracepath_loopback.txt", "tracepath -n 127.0.0.1"),
    plain("tracepath6.txt", "tracepath -n fd66:2::2"),
    plain("ip_route_gateway.json", "ip -json -details route get 10.66.2.2"),
    plain("ip_route_on_link.json", "ip -json -details route get 10.66.1.1"),
    plain("ip_route_local.json", "ip -json -details route get 10.66.1.2"),
    plain("ip_route6.json", "ip -json -details route get fd66:2::2"),
    plain("ip_route_plain.json", "ip -json route get 10.66.2.2"),
    plain(
        "ip_route_narrow.json",
        "tracepath -n 10.66.2.60 >/dev/null; ip -json -details route get 10.66.2.60",
    ),
    plain(
        "ip_neigh_reachable.json",
        "ping -n -c 1 10.66.1.1 >/dev/null; ip -json -details neigh show 10.66.1.1",
    ),
    plain(
        "ip_neigh_statistics.json",
        "ping -n -c 1 10.66.1.1 >/dev/null; ip -json -statistics neigh show 10.66.1.1",
    ),
    plain(
        "ip_neigh_failed.json",
        "ping -n -c 1 -W 4 10.66.1.77 >/dev/null; ip -json -details neigh show 10.66.1.77",
    ),
    plain(
        "ip_neigh6.json",
        "ping -n -c 1 fd66:1::1 >/dev/null; ip -json -details neigh show fd66:1::1",
    ),
    plain("ip_neigh_none.json", "ip -json -details neigh show 10.66.2.2"),
    plain("arping.txt", "arping -b -c 3 10.66.1.1"),
    plain("arping_unicast.txt", "arping -c 3 10.66.1.1"),
    plain("arping_conflict.txt", "arping -b -c 3 10.66.1.9"),
    plain("arping_silent.txt", "arping -b -c 2 10.66.1.77"),
    plain("arping_off_link.txt", "arping -b -c 2 10.66.2.2"),
    plain("arping_killed.txt", "timeout -s TERM 1.5 arping -b 10.66.1.1"),
    plain(
        "arping_busybox.txt",
        "busybox arping -b -c 3 -I $(ls /sys/class/net | grep ^c) 10.66.1.1",
    ),
    plain("arping_habets.txt", "habets-arping -c 3 -i $(ls /sys/class/net | grep ^c) 10.66.1.1"),
    plain(
        "arping_habets_silent.txt",
        "habets-arping -c 2 -w 1 -i $(ls /sys/class/net | grep ^c) 10.66.1.77",
    ),
    plain(
        "arping_habets_conflict.txt",
        "habets-arping -d -c 3 -i $(ls /sys/class/net | grep ^c) 10.66.1.9",
    ),
];

/// Outputs of versions that no machine of Debian 12 has, written after their documentation or source.
pub const BY_HAND: &[(&str, &str)] = &[
    ("mtr_092_by_hand.json", "mtr 0.92, which wrote its JSON itself: some numbers are texts there"),
    ("mtr_085_by_hand.txt", "mtr 0.85, `--report -z`: networks' numbers, hops that wait"),
    (
        "tracepath_2012_by_hand.txt",
        "tracepath of iputils s20121221: other blanks, `asymm`, a hop twice",
    ),
    (
        "ip_route_by_hand.json",
        "iproute2 4.20, which writes `expires` as a text, with a gateway of IPv6",
    ),
];
