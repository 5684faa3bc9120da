//! The schema of an nmap report.

use serde_json::Value;

use crate::parsers::schema::{count, flag, list, object, or_null, root, string};

const HOSTS_UP: &str =
    "Hosts known to be up, also those not listed; not those only taken to be up (no_ping).";
const OPEN_PORTS: &str =
    "Open ports over all reported hosts; null where no host's ports are known.";
const COMPLETE: &str =
    "Whether nmap did all it was asked to: came to its end, and gave up on no host.";

pub(in crate::parsers) fn schema() -> Value {
    root(object(
        "What an nmap scan found.",
        &[
            ("hosts", list("Finished hosts.", nmap_host())),
            ("total_hosts", count("Hosts that nmap reported one by one.")),
            ("hosts_up", count(HOSTS_UP)),
            ("hosts_down", count("Hosts that are down, also those not listed.")),
            ("hosts_unknown", count("Hosts reported of which nobody knows whether they are up.")),
            ("hosts_given_up", count("Hosts that nmap gave up on; their ports are unknown.")),
            ("open_ports", or_null("integer", OPEN_PORTS)),
            ("scripts", list("Output of scripts that belong to no host.", nmap_script())),
            ("skipped_targets", list("Targets that nmap refused to scan.", string("A target."))),
            ("elapsed_seconds", or_null("number", "Duration of the scan in seconds.")),
            ("summary", or_null("string", "Nmap's closing line; its hosts up may be assumed.")),
            ("exit", or_null("string", "success or error; null if nmap was stopped.")),
            ("error_message", or_null("string", "What went wrong, if exit is error.")),
            ("complete", flag(COMPLETE)),
            ("truncated", flag("Whether lists or script outputs leave something out.")),
        ],
    ))
}

fn nmap_host() -> Value {
    let reason = object(
        "What told the state of some of them.",
        &[("reason", string("The reason.")), ("count", count("Of how many."))],
    );
    let extra = object(
        "Ports only counted.",
        &[
            ("state", string("The state they share.")),
            ("count", count("How many they are.")),
            ("reasons", list("What told the state.", reason)),
        ],
    );
    let os = object(
        "A guess at the operating system.",
        &[("name", string("Its name.")), ("accuracy_percent", count("Confidence, 0 to 100."))],
    );
    let hop = object(
        "A router on the way, or the host.",
        &[
            ("number", count("Time to live, from 1.")),
            ("address", string("Its address.")),
            ("rtt_ms", or_null("number", "Round trip in milliseconds.")),
        ],
    );
    let name = string("A name of the host.");
    object(
        "One host.",
        &[
            ("address", or_null("string", "IP address, or MAC address if there is no other.")),
            ("address_type", or_null("string", "ipv4, ipv6 or mac.")),
            ("mac", or_null("string", "MAC address, known on the same link.")),
            ("hostnames", list("Names, each once.", name)),
            ("state", or_null("string", "up, down, unknown or skipped.")),
            (
                "reason",
                or_null("string", "What told the state; user-set: taken to be up, unasked."),
            ),
            ("timed_out", flag("Nmap gave up on it: its ports are unknown.")),
            ("broadcast_answers", or_null("integer", "Hosts that answer, of a broadcast address.")),
            ("ports", list("Ports listed one by one.", nmap_port())),
            ("extra_ports", list("Ports only counted, by state.", extra)),
            ("os_matches", list("Guesses at the operating system, best first.", os)),
            ("distance_hops", or_null("integer", "Hops to the host, where known.")),
            ("route", list("The way to the host, where traced.", hop)),
            ("scripts", list("Output of scripts run on the host.", nmap_script())),
        ],
    )
}

fn nmap_port() -> Value {
    object(
        "One port.",
        &[
            ("port", count("Port number, 0 to 65535.")),
            ("proto", string("tcp, udp, sctp or ip.")),
            ("state", or_null("string", "open, closed, filtered, open|filtered…")),
            ("reason", or_null("string", "What told the state.")),
            ("reason_address", or_null("string", "Who told it, where that was not the host.")),
            ("service", or_null("string", "Service name.")),
            ("service_method", or_null("string", "probed, or table: guessed by the port number.")),
            ("product", or_null("string", "Product, as the service presented itself.")),
            ("version", or_null("string", "Version of the product.")),
            ("extra_info", or_null("string", "More that the service said of itself.")),
            ("tunnel", or_null("string", "ssl when the service was reached through TLS.")),
            ("scripts", list("Output of scripts run on the port.", nmap_script())),
        ],
    )
}

fn nmap_script() -> Value {
    let id = string("Name of the script.");
    object("Output of a script.", &[("id", id), ("output", string("What it wrote."))])
}
