//! The schema of the report of a question.

use serde_json::{Value, json};

use crate::parsers::schema::{count, flag, list, object, or_null, root, string};

pub(in crate::parsers) fn schema() -> Value {
    let question = object(
        "What was asked.",
        &[
            ("name", string("The name, with its last dot.")),
            ("type", string("The type, such as A or MX.")),
        ],
    );
    let record = object(
        "One record.",
        &[
            ("name", string("Whose it is, with its last dot.")),
            ("ttl", count("For how many seconds it may be kept.")),
            ("type", string("The type, such as A or CNAME.")),
            ("data", string("What it says, as zone files write it.")),
        ],
    );
    let text = || json!({"type": "string"});
    root(object(
        "What a question to a name server found out.",
        &[
            ("server", or_null("string", "The address that was asked.")),
            ("port", or_null("integer", "Its port.")),
            ("protocol", or_null("string", "How the message came: udp or tcp.")),
            ("answered", flag("Whether a message came that answers, as far as it can be read.")),
            ("status", or_null("string", "NOERROR, NXDOMAIN (no such name), SERVFAIL, REFUSED.")),
            ("flags", list("Such as aa (authoritative), ra, ad (validated), tc.", text())),
            ("question", list("What was asked, as the server repeats it.", question)),
            ("answer", list("The answer, an alias before what it stands for.", record.clone())),
            ("authority", list("Who is responsible: SOA of a no, or servers.", record.clone())),
            ("additional", list("What the server adds unasked.", record)),
            ("query_time_ms", or_null("number", "Time until the message came.")),
            ("message_size_bytes", or_null("integer", "Size of the message.")),
            ("retried_over_tcp", flag("Asked again by TCP: the answer did not fit a datagram.")),
            ("extended_errors", list("Why the server could not answer, by itself.", text())),
            ("errors", list("What went wrong on the way, such as timed out.", text())),
            ("complete", flag("Whether dig came to its end.")),
            ("truncated", flag("Whether something that dig wrote is left out.")),
        ],
    ))
}
