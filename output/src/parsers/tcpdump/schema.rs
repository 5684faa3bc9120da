//! The schema of a capture.

use serde_json::{Value, json};

use crate::parsers::schema::{count, flag, list, object, or_null, root, string};

pub(in crate::parsers) fn schema() -> Value {
    let number = |description: &str| json!({"type": ["integer", "null"], "minimum": 0, "description": description});
    let flow = object(
        "What two hosts said to each other.",
        &[
            (
                "protocol",
                json!({
                    "enum": ["tcp", "udp", "icmp", "arp", "other"], "description": "Protocol.",
                }),
            ),
            ("from", string("Who spoke first, as far as was seen.")),
            ("from_port", number("Its port.")),
            ("to", string("Whom it spoke to.")),
            ("to_port", number("Its port.")),
            ("packets_sent", count("Packets of the one who spoke first.")),
            ("packets_received", count("Packets of the other.")),
            ("bytes_sent", number("Bytes of the first one's frames, headers included.")),
            ("bytes_received", number("Bytes of the other's frames.")),
            ("seen", list("Flags of TCP, kinds of ICMP and ARP.", json!({"type": "string"}))),
            ("resets", count("TCP packets with RST.")),
            ("retransmissions", count("TCP packets that were sent again.")),
            (
                "outcome",
                json!({
                    "enum": ["connected", "refused", "no answer", null],
                    "description": "What became of the attempt to connect, where it was seen.",
                }),
            ),
        ],
    );
    root(object(
        "Packets that matched, summed up by flow.",
        &[
            ("packets", count("Packets, each once.")),
            ("seen_again", count("Packets seen at one more device, on their way through.")),
            ("other", count("Lines that could not be read as packets.")),
            ("dropped", number("Packets that were lost before they were seen.")),
            ("duration_seconds", or_null("number", "From the first packet to the last.")),
            ("flows", list("Flows in the order of their first packets.", flow)),
            ("flow_count", count("How many flows there were.")),
            ("complete", flag("Whether the capture came to an end that it knew of.")),
            ("truncated", flag("Whether lists leave something out.")),
        ],
    ))
}
