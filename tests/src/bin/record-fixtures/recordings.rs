//! What is recorded: a file and a command each. The addresses are those of `Lab::widen`.

/// One output.
pub struct Recording {
    /// Name of the file.
    pub file: &'static str,
    /// What the lab's client runs, a line of shell.
    pub command: &'static str,
    /// What the lab must do meanwhile.
    pub needs: Needs,
}

/// What a recording needs of the lab.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// The lab as it is.
    Nothing,
    /// A host that loses and doubles packets.
    PatchyEcho,
    /// The words of [`CURL`] before its own.
    Curl,
}

pub const fn plain(file: &'static str, command: &'static str) -> Recording {
    Recording { file, command, needs: Needs::Nothing }
}

const fn patchy(file: &'static str, command: &'static str) -> Recording {
    Recording { file, command, needs: Needs::PatchyEcho }
}

/// curl's words before those of a recording. What it writes is on standard error.
pub const CURL: &str = "exec 2>&1 >/dev/null; curl -q -s -g --path-as-is --noproxy '*' --proto =http,https \
    --max-redirs 0 --connect-to ::10.66.2.2: -m 3 --limit-rate 1M --max-filesize 1M -o /dev/null \
    -w '%{stderr}%{json}\\n%{header_json}' ";

const fn curl(file: &'static str, command: &'static str) -> Recording {
    Recording { file, command, needs: Needs::Curl }
}

/// Files that nothing records, and what they are made after.
pub const HAND_MADE: [(&str, &str); 2] = [
    ("curl_8.txt", "curl 8.10's manual and source: more figures, and whole escapes"),
    ("tls_3_5.txt", "OpenSSL 3.5's source, with the certificate of `tls_good.txt` at its time"),
];

pub const RECORDINGS: &[Recording] = &[
    // iputils ping
    plain("ping_named.txt", "ping -c 3 -i 0.2 web.lab.internal"),
    plain("ping_numeric.txt", "ping -n -c 3 -i 0.2 10.66.2.2"),
    patchy("ping_partial_loss.txt", "ping -n -c 7 -i 0.2 -W 1 10.66.2.2"),
    plain("ping_silent.txt", "ping -n -c 2 -i 0.2 -W 1 10.66.2.40"),
    plain("ping_no_answer_yet.txt", "ping -n -O -c 2 -W 1 10.66.2.40"),
    plain("ping_host_unreachable.txt", "ping -n -c 3 -i 0.2 10.66.2.36"),
    plain("ping_filtered.txt", "ping -n -c 1 10.66.2.37"),
    plain("ping_net_unreachable.txt", "ping -n -c 1 10.66.2.38"),
    plain("ping_ttl_exceeded.txt", "ping -n -c 2 -i 0.2 -t 1 10.66.2.2"),
    plain("ping_ttl_exceeded_named.txt", "ping -c 1 -t 1 web.lab.internal"),
    plain("ping_quiet.txt", "ping -n -q -c 5 -i 0.2 10.66.2.2"),
    plain("ping_timestamps.txt", "ping -n -D -c 2 -i 0.2 10.66.2.2"),
    plain("ping_short_payload.txt", "ping -n -s 4 -c 2 -i 0.2 10.66.2.2"),
    plain("ping_killed.txt", "timeout -s TERM 0.9 ping -n -i 0.2 10.66.2.2"),
    plain("ping_interrupted.txt", "timeout -s INT 0.9 ping -n -i 0.2 10.66.2.2"),
    plain("ping_deadline.txt", "ping -n -w 1 -i 0.4 10.66.2.2"),
    plain("ping6_named.txt", "ping -6 -c 2 -i 0.2 web6.lab.internal"),
    plain("ping6_numeric.txt", "ping -n -c 2 -i 0.2 fd66:2::2"),
    plain("ping6_unreachable.txt", "ping -n -c 2 -i 0.2 fd66:2::36"),
    plain("ping6_ttl_exceeded.txt", "ping -n -c 1 -t 1 fd66:2::2"),
    plain("ping_loopback.txt", "ping -n -c 2 -i 0.2 127.0.0.1"),
    // GNU inetutils ping
    plain("ping_inetutils.txt", "inetutils-ping -c 3 -i 0.2 web.lab.internal"),
    patchy("ping_inetutils_partial_loss.txt", "inetutils-ping -n -c 7 -i 0.2 -W 1 10.66.2.2"),
    plain("ping_inetutils_silent.txt", "inetutils-ping -n -c 2 -i 0.2 -W 1 10.66.2.40"),
    plain("ping_inetutils_unreachable.txt", "inetutils-ping -n -c 2 -i 0.2 -W 1 10.66.2.36"),
    plain("ping_inetutils_filtered.txt", "inetutils-ping -n -c 1 -W 1 10.66.2.37"),
    plain("ping_inetutils_ttl_exceeded.txt", "inetutils-ping -n -c 2 -i 0.2 --ttl 1 10.66.2.2"),
    plain("ping_inetutils_killed.txt", "timeout -s TERM 0.9 inetutils-ping -n -i 0.2 10.66.2.2"),
    plain(
        "ping_inetutils_interrupted.txt",
        "timeout -s INT 0.9 inetutils-ping -n -i 0.2 10.66.2.2",
    ),
    plain("ping6_inetutils.txt", "inetutils-ping6 -c 2 web6.lab.internal"),
    plain("ping6_inetutils_unreachable.txt", "inetutils-ping6 -n -c 2 fd66:2::36"),
    // busybox ping
    plain("ping_busybox.txt", "busybox ping -c 3 -i 0.2 web.lab.internal"),
    patchy("ping_busybox_partial_loss.txt", "busybox ping -c 7 -i 0.2 -W 1 10.66.2.2"),
    plain("ping_busybox_silent.txt", "busybox ping -c 2 -i 0.2 -W 1 10.66.2.40"),
    plain("ping_busybox_unreachable.txt", "busybox ping -c 2 -i 0.2 -W 1 10.66.2.36"),
    plain("ping_busybox_ttl_exceeded.txt", "busybox ping -c 2 -i 0.2 -W 1 -t 1 10.66.2.2"),
    plain("ping_busybox_killed.txt", "timeout -s TERM 0.9 busybox ping -i 0.2 10.66.2.2"),
    plain("ping_busybox_interrupted.txt", "timeout -s INT 0.9 busybox ping -i 0.2 10.66.2.2"),
    plain("ping6_busybox.txt", "busybox ping -6 -c 2 -i 0.2 fd66:2::2"),
    // traceroute
    plain("traceroute_named.txt", "traceroute web.lab.internal"),
    plain("traceroute_numeric.txt", "traceroute -n -q 1 10.66.2.2"),
    plain("traceroute_icmp.txt", "traceroute -n -I 10.66.2.2"),
    plain("traceroute_tcp.txt", "traceroute -n -T -p 23 10.66.2.2"),
    plain("traceroute_mtu.txt", "traceroute -n --mtu 10.66.2.2"),
    plain("traceroute_silent.txt", "traceroute -n -m 4 -w 1 10.66.2.40"),
    plain("traceroute_host_unreachable.txt", "traceroute -n -m 4 -w 1 10.66.2.36"),
    plain("traceroute_prohibited.txt", "traceroute -n -m 4 -w 1 10.66.2.37"),
    plain("traceroute_net_unreachable.txt", "traceroute -n -m 4 -w 1 10.66.2.38"),
    plain("traceroute_multipath.txt", "traceroute -n -q 8 10.66.2.50"),
    plain("traceroute_multipath_named.txt", "traceroute -q 8 far.lab.internal"),
    plain("traceroute_never_there.txt", "traceroute -n -m 1 10.66.2.2"),
    plain("traceroute_killed.txt", "timeout -s TERM 2 traceroute -n -w 1 -N 1 -q 2 10.66.2.40"),
    plain("traceroute6.txt", "traceroute -n fd66:2::2"),
    plain("traceroute6_named.txt", "traceroute web6.lab.internal"),
    plain("traceroute6_unreachable.txt", "traceroute -n -m 4 -w 1 fd66:2::36"),
    plain("traceroute_loopback.txt", "traceroute -n 127.0.0.1"),
    // GNU inetutils traceroute
    plain("traceroute_inetutils.txt", "inetutils-traceroute 10.66.2.2"),
    plain(
        "traceroute_inetutils_named.txt",
        "inetutils-traceroute --resolve-hostnames web.lab.internal",
    ),
    plain("traceroute_inetutils_silent.txt", "inetutils-traceroute -m 3 -w 1 10.66.2.40"),
    plain("traceroute_inetutils_unreachable.txt", "inetutils-traceroute -m 3 -w 1 10.66.2.36"),
    plain("traceroute_inetutils_multipath.txt", "inetutils-traceroute -q 8 10.66.2.50"),
    // busybox traceroute
    plain("traceroute_busybox.txt", "busybox traceroute -n 10.66.2.2"),
    plain("traceroute_busybox_named.txt", "busybox traceroute web.lab.internal"),
    plain("traceroute_busybox_silent.txt", "busybox traceroute -n -m 3 -w 1 10.66.2.40"),
    plain("traceroute_busybox_unreachable.txt", "busybox traceroute -n -m 3 -w 1 10.66.2.36"),
    plain("traceroute_busybox_multipath.txt", "busybox traceroute -n -q 8 10.66.2.50"),
    plain("traceroute6_busybox.txt", "busybox traceroute6 -n fd66:2::2"),
    // nmap
    plain(
        "nmap_services.xml",
        "nmap -n -sV --version-light --script banner -p 21,22,80,8000,8080 -oX - 10.66.2.2",
    ),
    plain(
        "nmap_scripts.xml",
        "nmap -n -sV --version-light -p 22,80,8000,8080 -oX - 10.66.2.2 --script 'safe and not (broadcast or external \
         or intrusive or vuln or auth or exploit or brute or dos or malware or fuzzer)'",
    ),
    plain("nmap_os.xml", "nmap -n -O -p 20-30 -oX - 10.66.2.2"),
    plain("nmap_aggressive.xml", "nmap -n -A -p 22,23,80 --script banner -oX - 10.66.2.2"),
    plain("nmap_ping_scan.xml", "nmap -n -sn --max-retries 1 -oX - 10.66.2.32/28"),
    plain("nmap_ping_scan_verbose.xml", "nmap -n -sn -v --max-retries 1 -oX - 10.66.2.32/28"),
    plain("nmap_network.xml", "nmap -n -p 22,80,443,8080 --max-retries 1 -oX - 10.66.2.32/28"),
    plain("nmap_extra_ports.xml", "nmap -n -p 1-1000 -oX - 10.66.2.2 10.66.1.1"),
    plain("nmap_silent.xml", "nmap -n --max-retries 1 -p 22 -oX - 10.66.2.40"),
    plain("nmap_unreachable.xml", "nmap -n --max-retries 1 -p 22 -oX - 10.66.2.36 10.66.2.38"),
    plain("nmap_filtered.xml", "nmap -n -Pn -p 1-100 --max-retries 0 -oX - 10.66.2.40"),
    plain(
        "nmap_prohibited.xml",
        "nmap -n -Pn -p 22,80 --max-retries 0 -oX - 10.66.2.37 10.66.2.36",
    ),
    plain("nmap_udp.xml", "nmap -n -Pn -sU -p 53,161 --max-retries 0 -oX - 10.66.2.2"),
    plain("nmap_protocols.xml", "nmap -n -Pn -sO -p 1,6,17,99 --max-retries 1 -oX - 10.66.2.2"),
    plain("nmap_named.xml", "nmap -p 22 -oX - web.lab.internal"),
    plain("nmap_arp.xml", "nmap -n -p 22 --reason -oX - 10.66.1.1"),
    plain("nmap6.xml", "nmap -6 -n -sV --version-light -p 21,22,80 -oX - fd66:2::2"),
    plain("nmap_skipped_target.xml", "nmap -n -p 22 -oX - 10.66.2.2 fd66:2::2"),
    plain(
        "nmap_progress.xml",
        "nmap -n -p 20-29 --scan-delay 300ms --stats-every 1s -oX - 10.66.2.2",
    ),
    // The tool `port`
    plain("nmap_port_open.xml", "nmap -n -Pn -sT -p 22 -oX - 10.66.2.2"),
    plain(
        "nmap_port_banner.xml",
        "nmap -n -Pn -sT -p 22,80,443 --script banner --script-args banner.timeout=2s -oX - 10.66.2.2",
    ),
    plain("nmap_port_closed.xml", "nmap -n -Pn -sT -p 443 -oX - 10.66.2.2"),
    plain(
        "nmap_port_filtered.xml",
        "nmap -n -Pn -sT -p 22,80,443 --max-retries 1 --min-rate 100 --initial-rtt-timeout 0.5 \
         --max-rtt-timeout 0.5 -oX - 10.66.2.40",
    ),
    plain("nmap_port_unreachable.xml", "nmap -n -Pn -sT -p 22 --max-retries 1 -oX - 10.66.2.36"),
    plain(
        "nmap_killed.xml",
        "timeout -s TERM 5 nmap -n -p 21,22,80 --max-hostgroup 1 --scan-delay 1s \
         --stats-every 1s -oX - 10.66.2.32 10.66.2.33",
    ),
    plain("nmap_cut.xml", "nmap -n -p 21,22,80 -oX - 10.66.2.32 10.66.2.33 | head -c 1700"),
    plain("nmap_fatal.xml", "nmap -n -p 22 --script nosuchscript -oX - 10.66.2.2"),
    plain("nmap_fatal_early.xml", "nmap -n -p 99999 -oX - 10.66.2.2"),
    plain("nmap_no_targets.xml", "nmap -n -p 22 -oX - nosuch.lab.internal"),
    // tcpdump
    plain(
        "tcpdump_talk.txt",
        "timeout -s TERM 4 tcpdump -i any -p -l -nn -tt -S -e -T lmp --immediate-mode -s 96 host 10.66.2.2 & sleep 1; ping -n -c 2 -i 0.2 10.66.2.2 >&2; nmap -n -Pn -sT -p 22,80,443 --script banner 10.66.2.2 >&2; wait",
    ),
    plain(
        "tcpdump_silent_port.txt",
        "timeout -s TERM 4 tcpdump -i any -p -l -nn -tt -S -e -T lmp --immediate-mode -s 96 host 10.66.2.40 & sleep 1; nmap -n -Pn -sT -p 22 --max-retries 0 --max-rtt-timeout 3 --initial-rtt-timeout 3 10.66.2.40 >&2; wait",
    ),
    plain(
        "tcpdump_udp.txt",
        "timeout -s TERM 4 tcpdump -i any -p -l -nn -tt -S -e -T lmp --immediate-mode -s 96 host 10.66.2.2 & sleep 1; traceroute -n -q 1 10.66.2.2 >&2; wait",
    ),
    plain(
        "tcpdump6.txt",
        "timeout -s TERM 4 tcpdump -i any -p -l -nn -tt -S -e -T lmp --immediate-mode -s 96 host fd66:2::2 & sleep 1; ping -n -c 1 fd66:2::2 >&2; nmap -6 -n -Pn -sT -p 22,23 fd66:2::2 >&2; wait",
    ),
    plain(
        "tcpdump_plain.txt",
        "timeout -s TERM 4 tcpdump -i any -l -nn host 10.66.2.2 & sleep 1; ping -n -c 2 -i 0.2 10.66.2.2 >&2; nmap -n -Pn -sT -p 22,80,443 --script banner 10.66.2.2 >&2; wait",
    ),
    plain(
        "tcpdump_quiet.txt",
        "timeout -s TERM 4 tcpdump -i any -l -nn -tt -q host 10.66.2.2 & sleep 1; ping -n -c 2 -i 0.2 10.66.2.2 >&2; nmap -n -Pn -sT -p 22,80,443 --script banner 10.66.2.2 >&2; wait",
    ),
    plain(
        "tcpdump_arp.txt",
        "timeout -s TERM 4 tcpdump -i any -p -l -nn -tt -S -e -T lmp --immediate-mode -s 96 host 10.66.1.1 & sleep 1; ip neigh flush all; ping -n -c 1 10.66.1.1 >&2; wait",
    ),
    // dig, and kdig and drill, which write nearly the same
    plain("dig_a.txt", "dig -r -u @10.66.2.2 +tries=2 +time=1 -q web.lab.internal -t A"),
    plain("dig_aaaa.txt", "dig -r -u @10.66.2.2 +tries=2 +time=1 -q web.lab.internal -t AAAA"),
    plain("dig_ptr.txt", "dig -r -u @10.66.2.2 +tries=2 +time=1 -q 2.2.66.10.in-addr.arpa -t PTR"),
    plain("dig_mx.txt", "dig -r -u @10.66.2.2 +tries=2 +time=1 -q zone.lab.internal -t MX"),
    plain("dig_ns.txt", "dig -r -u @10.66.2.2 +tries=2 +time=1 -q zone.lab.internal -t NS"),
    plain("dig_soa.txt", "dig -r -u @10.66.2.2 +tries=2 +time=1 -q zone.lab.internal -t SOA"),
    plain("dig_srv.txt", "dig -r -u @10.66.2.2 +tries=2 +time=1 -q _sip._tcp.lab.internal -t SRV"),
    plain("dig_txt.txt", "dig -r -u @10.66.2.2 +tries=2 +time=1 -q zone.lab.internal -t TXT"),
    plain("dig_caa.txt", "dig -r -u @10.66.2.2 +tries=2 +time=1 -q zone.lab.internal -t CAA"),
    plain("dig_ds.txt", "dig -r -u @10.66.2.2 +tries=2 +time=1 -q zone.lab.internal -t DS"),
    plain("dig_dnskey.txt", "dig -r -u @10.66.2.2 +tries=2 +time=1 -q zone.lab.internal -t DNSKEY"),
    plain("dig_cname.txt", "dig -r -u @10.66.2.2 +tries=2 +time=1 -q alias.lab.internal -t A"),
    plain("dig_nxdomain.txt", "dig -r -u @10.66.2.2 +tries=2 +time=1 -q missing.lab.internal -t A"),
    plain("dig_nodata.txt", "dig -r -u @10.66.2.2 +tries=2 +time=1 -q web.lab.internal -t MX"),
    plain("dig_servfail.txt", "dig -r -u @10.66.2.2 +tries=2 +time=1 -q broken.lab.internal -t A"),
    plain("dig_refused.txt", "dig -r -u @10.66.2.2 +tries=2 +time=1 -q refused.lab.internal -t A"),
    plain(
        "dig_truncated.txt",
        "dig -r -u @10.66.2.2 +tries=2 +time=1 -q large.lab.internal -t TXT",
    ),
    plain("dig_silent.txt", "dig -r -u @10.66.2.2 +tries=2 +time=1 -q silent.lab.internal -t A"),
    plain(
        "dig_hostile.txt",
        "dig -r -u @10.66.2.2 +tries=2 +time=1 -q hostile.lab.internal -t TXT",
    ),
    plain(
        "dig_tcp_dnssec.txt",
        "dig -r -u @10.66.2.2 +tries=2 +time=1 +tcp +dnssec +norecurse -q web.lab.internal -t A",
    ),
    plain("dig_default.txt", "dig @10.66.2.2 web.lab.internal"),
    plain("dig_no_server.txt", "dig -r @10.66.2.2 -p 54 +tries=1 +time=1 -q web.lab.internal -t A"),
    plain("dig_unreachable.txt", "dig -r @10.66.2.36 +tries=1 +time=1 -q web.lab.internal -t A"),
    plain(
        "dig_ignore.txt",
        "dig -r -u @10.66.2.2 +tries=2 +time=1 +ignore -q large.lab.internal -t TXT",
    ),
    plain("dig_kdig.txt", "kdig @10.66.2.2 +retry=1 +time=1 +edns -q alias.lab.internal -t A"),
    plain("dig_kdig_nxdomain.txt", "kdig @10.66.2.2 +retry=1 +time=1 -q missing.lab.internal -t A"),
    plain(
        "dig_kdig_truncated.txt",
        "kdig @10.66.2.2 +retry=1 +time=1 -q large.lab.internal -t TXT",
    ),
    plain("dig_drill.txt", "drill alias.lab.internal @10.66.2.2 A"),
    plain("dig_drill_nxdomain.txt", "drill missing.lab.internal @10.66.2.2 A"),
    // curl, as the shipped file has it; its figures and headers are on standard error
    curl("curl_page.txt", "http://web.lab.internal:8081/"),
    curl("curl_head.txt", "-I http://web.lab.internal:8081/"),
    curl("curl_missing.txt", "http://web.lab.internal:8081/missing"),
    curl("curl_fails.txt", "http://web.lab.internal:8081/fails"),
    curl("curl_redirect.txt", "http://web.lab.internal:8081/redirect"),
    curl("curl_protected.txt", "http://web.lab.internal:8081/protected"),
    curl("curl_hostile.txt", "http://web.lab.internal:8081/hostile"),
    curl("curl_large.txt", "http://web.lab.internal:8081/large"),
    curl("curl_endless.txt", "http://web.lab.internal:8081/endless"),
    curl("curl_slow.txt", "http://web.lab.internal:8081/slow"),
    curl("curl_cut.txt", "http://web.lab.internal:8081/cut"),
    curl("curl_not_http.txt", "http://web.lab.internal:8081/not-http"),
    curl("curl_nothing.txt", "http://web.lab.internal:8081/nothing"),
    curl("curl_mute.txt", "http://web.lab.internal:8089/"),
    curl("curl_refused.txt", "http://web.lab.internal:9/"),
    curl("curl_https.txt", "https://web.lab.internal:443/"),
    curl("curl_expired.txt", "https://web.lab.internal:8441/"),
    curl("curl_wrong_name.txt", "https://web.lab.internal:8442/"),
    curl("curl_self_signed.txt", "https://web.lab.internal:8443/"),
    curl("curl_insecure.txt", "-k https://web.lab.internal:8441/"),
    curl("curl_no_tls.txt", "https://web.lab.internal:22/"),
    // openssl s_client
    plain(
        "tls_good.txt",
        "openssl s_client -showcerts -connect 10.66.2.2:443 -servername web.lab.internal </dev/null",
    ),
    plain(
        "tls_expired.txt",
        "openssl s_client -showcerts -connect 10.66.2.2:8441 -servername web.lab.internal </dev/null",
    ),
    plain(
        "tls_wrong_name.txt",
        "openssl s_client -showcerts -connect 10.66.2.2:8442 -servername web.lab.internal </dev/null",
    ),
    plain(
        "tls_self_signed.txt",
        "openssl s_client -showcerts -connect 10.66.2.2:8443 -servername web.lab.internal </dev/null",
    ),
    plain(
        "tls_chained.txt",
        "openssl s_client -showcerts -connect 10.66.2.2:8444 -servername web.lab.internal </dev/null",
    ),
    plain(
        "tls_1_2.txt",
        "openssl s_client -showcerts -connect 10.66.2.2:443 -servername web.lab.internal -tls1_2 </dev/null",
    ),
    plain(
        "tls_smtp.txt",
        "openssl s_client -showcerts -connect 10.66.2.2:25 -servername web.lab.internal -starttls smtp </dev/null",
    ),
    plain(
        "tls_imap.txt",
        "openssl s_client -showcerts -connect 10.66.2.2:143 -servername web.lab.internal -starttls imap </dev/null",
    ),
    plain(
        "tls_no_tls.txt",
        "openssl s_client -showcerts -connect 10.66.2.2:8081 -servername web.lab.internal </dev/null",
    ),
];
