//! JSON Schemas (2020-12) of the typed results, for clients that check or plan by them.
//!
//! Every property is required and no other is allowed: what a tool didn't say is `null` or an
//! empty list. A test holds each schema against parsed output, so the two can't drift apart.

use serde_json::{Value, json};

use super::ping::Flaw;

const RECEIVED: &str =
    "Echo replies received, without duplicates and damaged ones; may be more than were sent.";
const LOSS: &str =
    "Share of requests without a reply; null if not complete, or if ping's numbers contradict it.";

pub(super) fn ping() -> Value {
    let flaw = json!({"type": "string", "enum": Flaw::ALL});
    let reply = object(
        "One echo reply.",
        &[
            ("sequence", count("Sequence number, from 1 (iputils) or 0 (inetutils, busybox).")),
            ("ttl", or_null("integer", "Time to live left in the reply.")),
            ("time_ms", or_null("number", "Round trip time in milliseconds.")),
            ("from", string("Address that answered.")),
            ("bytes", count("Size of the ICMP message in bytes.")),
            ("duplicate", flag("Whether this request had been answered before.")),
            ("flaws", list("What is wrong with it; bad_checksum counts as no reply.", flaw)),
        ],
    );
    let said = object(
        "What was said in place of a reply.",
        &[
            ("from", or_null("string", "Who said it; null for this machine.")),
            ("sequence", or_null("integer", "Sequence number of the request.")),
            ("message", string("What was said, such as Destination Host Unreachable.")),
        ],
    );
    root(object(
        "What a ping run found out.",
        &[
            ("target", or_null("string", "The host as it was asked for.")),
            ("address", or_null("string", "The address that was pinged.")),
            ("transmitted", count("Echo requests sent; a lower bound if not complete.")),
            ("received", count(RECEIVED)),
            ("loss_percent", percent(LOSS)),
            ("duplicates", count("Replies that came more than once.")),
            ("corrupted", count("Replies with a wrong checksum or other data than was sent.")),
            ("errors", count("ICMP errors received.")),
            ("rtt_min_ms", or_null("number", "Shortest round trip in milliseconds.")),
            ("rtt_avg_ms", or_null("number", "Mean round trip in milliseconds.")),
            ("rtt_max_ms", or_null("number", "Longest round trip in milliseconds.")),
            ("rtt_mdev_ms", or_null("number", "Deviation of round trips in milliseconds.")),
            ("replies", list("Replies in order of arrival; empty for a quiet run.", reply)),
            ("alive", flag("Whether any reply came.")),
            ("unreachable", list("ICMP errors and send errors in order.", said.clone())),
            ("notices", list("What is no error: redirects, source quench, other ICMP.", said)),
            ("complete", flag("Whether ping came to its end and printed statistics.")),
            ("truncated", flag("Whether lists leave out something that the tool reported.")),
        ],
    ))
}

pub(super) fn traceroute() -> Value {
    let probe = object(
        "An answered probe.",
        &[
            ("address", or_null("string", "Address that answered.")),
            ("name", or_null("string", "Its name, where the tool looked it up.")),
            ("rtt_ms", json!({"type": "number", "description": "Round trip in milliseconds."})),
            ("mark", or_null("string", "Error in the answer: !H host, !N network, !X prohibited…")),
        ],
    );
    let hop = object(
        "All probes with one time to live.",
        &[
            ("number", count("Time to live, from 1.")),
            ("data", string("The line as the tool wrote it.")),
            ("probes", list("Answered probes.", probe)),
            ("timeouts", count("Probes without an answer.")),
        ],
    );
    root(object(
        "The route that a traceroute run found.",
        &[
            ("target", or_null("string", "The host as it was asked for.")),
            ("address", or_null("string", "The address that was traced.")),
            ("max_hops", or_null("integer", "The most hops the tool would try.")),
            ("hops", list("Hops in order.", hop)),
            ("hop_count", count("Number of hops that the tool reported.")),
            ("completed", flag("Whether the target's address answered in the last hop.")),
            ("truncated", flag("Whether lists leave out something that the tool reported.")),
        ],
    ))
}

const HOSTS_UP: &str =
    "Hosts known to be up, also those not listed; not those only taken to be up (no_ping).";
const OPEN_PORTS: &str =
    "Open ports over all reported hosts; null where no host's ports are known.";
const COMPLETE: &str =
    "Whether nmap did all it was asked to: came to its end, and gave up on no host.";

pub(super) fn nmap() -> Value {
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

fn root(mut schema: Value) -> Value {
    if let Some(members) = schema.as_object_mut() {
        members.insert("$schema".into(), json!("https://json-schema.org/draft/2020-12/schema"));
    }
    schema
}

fn object(description: &str, properties: &[(&str, Value)]) -> Value {
    let required: Vec<&str> = properties.iter().map(|(name, _)| *name).collect();
    let properties: serde_json::Map<String, Value> =
        properties.iter().map(|(name, schema)| ((*name).to_owned(), schema.clone())).collect();
    json!({
        "type": "object",
        "description": description,
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    })
}

fn list(description: &str, items: Value) -> Value {
    json!({"type": "array", "description": description, "items": items})
}

fn string(description: &str) -> Value {
    json!({"type": "string", "description": description})
}

fn flag(description: &str) -> Value {
    json!({"type": "boolean", "description": description})
}

fn count(description: &str) -> Value {
    json!({"type": "integer", "minimum": 0, "description": description})
}

fn percent(description: &str) -> Value {
    json!({
        "type": ["number", "null"], "minimum": 0, "maximum": 100, "description": description,
    })
}

fn or_null(kind: &str, description: &str) -> Value {
    json!({"type": [kind, "null"], "description": description})
}
