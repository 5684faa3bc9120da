//! The schema of the report of a handshake.

use serde_json::{Value, json};

use crate::parsers::schema::{flag, list, object, or_null, root, string};

pub(in crate::parsers) fn schema() -> Value {
    let text = || json!({"type": "string"});
    let certificate = object(
        "One certificate.",
        &[
            ("subject", string("Whose it is.")),
            ("issuer", string("Who signed it.")),
            ("names", list("The names and addresses that it is for.", text())),
            ("not_before", or_null("string", "From when, in RFC 3339.")),
            ("not_after", or_null("string", "Until when, in RFC 3339.")),
            ("days_left", or_null("integer", "Days until then; negative where it is over.")),
            ("key_type", or_null("string", "Such as RSA or EC.")),
            ("key_bits", or_null("integer", "The length of its key.")),
            ("signature", or_null("string", "How it is signed.")),
            ("serial", string("In hexadecimal.")),
            ("self_signed", flag("Whether subject and issuer are the same.")),
        ],
    );
    root(object(
        "What a TLS handshake found out.",
        &[
            ("address", or_null("string", "The address that was asked.")),
            ("port", or_null("integer", "Its port.")),
            ("server_name", or_null("string", "The name that the certificate has to be for.")),
            ("connected", flag("Whether somebody took the connection.")),
            ("protocol", or_null("string", "Such as TLSv1.3; null without a handshake.")),
            ("cipher", or_null("string", "The cipher that was agreed on.")),
            ("key_exchange", or_null("string", "How the key was agreed on.")),
            ("name_matches", or_null("boolean", "Whether the certificate is for server_name.")),
            ("chain_holds", or_null("boolean", "Whether it leads to an authority trusted here.")),
            ("chain_errors", list("What is wrong with the chain.", text())),
            ("days_left", or_null("integer", "Of the server's certificate.")),
            ("chain", list("The server's certificate first, as it sent them.", certificate)),
            ("error", or_null("string", "Why there was no connection or no handshake.")),
            ("complete", flag("Whether openssl came to its end.")),
            ("truncated", flag("Whether something is left out.")),
        ],
    ))
}
