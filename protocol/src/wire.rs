//! Frames: bodies of bounded size that hold exactly one message.
//!
//! The u32 length prefix is read and capped by whoever owns the socket, before anything is
//! allocated for the body. This module sees whole bodies only.

use serde::{Serialize, de::DeserializeOwned};

use crate::{Hello, PROTOCOL_VERSION};

/// Largest frame a client may send. A call with [`crate::MAX_ARGS_BYTES`] of arguments and
/// [`crate::MAX_ADDRESSES`] addresses stays far below.
pub const MAX_REQUEST_FRAME: usize = 64 * 1024;

/// Largest frame a broker sends: a catalog of a thousand tools.
pub const MAX_REPLY_FRAME: usize = 8 * 1024 * 1024;

/// Most output in one frame: what a pipe holds.
pub const MAX_OUTPUT_CHUNK: usize = 64 * 1024;

/// Why a frame's body is no message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Not the message expected, or a text in it is not lexically valid.
    #[error("the frame does not hold a valid message")]
    Malformed,
    /// Bytes are left after the message.
    #[error("{0} bytes follow the message in its frame")]
    Trailing(usize),
    /// Not a Probity client at all.
    #[error("the connection does not start as Probity's protocol does")]
    Magic,
    /// Another version of the protocol.
    #[error("the peer speaks protocol version {0}, and this one speaks {PROTOCOL_VERSION}")]
    Version(u16),
}

/// The body of a frame that holds `message`.
///
/// # Panics
/// Never: every message type serializes.
#[must_use]
pub fn encode<T: Serialize>(message: &T) -> Vec<u8> {
    // Postcard fails only on types of unknown length, and there is none among the messages.
    postcard::to_stdvec(message).unwrap_or_default()
}

/// Reads a frame's body as exactly one message.
///
/// # Errors
/// [`FrameError::Malformed`] or [`FrameError::Trailing`].
pub fn decode<T: DeserializeOwned>(body: &[u8]) -> Result<T, FrameError> {
    match postcard::take_from_bytes(body) {
        Ok((message, [])) => Ok(message),
        Ok((_, rest)) => Err(FrameError::Trailing(rest.len())),
        Err(_) => Err(FrameError::Malformed),
    }
}

/// Reads a client's first frame. What another version may have added after the version number is
/// not looked at, so that the answer can name the version.
///
/// # Errors
/// [`FrameError::Magic`], [`FrameError::Version`], or those of [`decode`].
pub fn decode_hello(body: &[u8]) -> Result<Hello, FrameError> {
    let (hello, rest): (Hello, _) =
        postcard::take_from_bytes(body).map_err(|_| FrameError::Magic)?;
    match hello {
        Hello { magic, .. } if magic != Hello::MAGIC => Err(FrameError::Magic),
        Hello { version, .. } if version != PROTOCOL_VERSION => Err(FrameError::Version(version)),
        _ if !rest.is_empty() => Err(FrameError::Trailing(rest.len())),
        hello => Ok(hello),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::*;

    fn call() -> impl Strategy<Value = Call> {
        let word = "[A-Za-z0-9.:/=+,@%_-]{1,20}";
        let options = prop::collection::vec(
            ("[a-z][a-z0-9_]{0,9}", prop::option::of("[ !%'-:=?-_a-z]{1,20}")),
            0..5,
        );
        (word, ".{0,40}", options, prop::collection::vec(word, 0..6), any::<Option<u32>>())
            .prop_map(|(tool, target, options, tokens, timeout)| Call {
                tool: ToolName::new(tool).unwrap(),
                target: Target::parse(&target),
                arguments: Arguments::Given {
                    preset: None,
                    options: options
                        .into_iter()
                        .map(|(name, value)| GivenOption {
                            name: Identifier::new(name).unwrap(),
                            value: value.map(|v| OptionText::new(v).unwrap()),
                        })
                        .collect(),
                    tokens: tokens.into_iter().map(|t| Token::new(t).unwrap()).collect(),
                },
                limits: RequestedLimits {
                    timeout: timeout.map(|ms| std::time::Duration::from_millis(ms.into())),
                    ..Default::default()
                },
                correlation_id: CorrelationId::new("c-1").unwrap(),
                client: None,
            })
    }

    proptest! {
        #[test]
        fn a_call_survives_the_round_trip(call in call()) {
            let request = Request::Run(call);
            prop_assert_eq!(decode::<Request>(&encode(&request)), Ok(request));
        }

        #[test]
        fn random_bytes_never_panic_and_what_decodes_encodes_to_itself(body in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(request) = decode::<Request>(&body) {
                prop_assert_eq!(decode::<Request>(&encode(&request)), Ok(request));
            }
            let _ = decode::<Reply>(&body);
            let _ = decode_hello(&body);
        }

        #[test]
        fn a_truncated_call_is_never_taken_for_a_whole_one(call in call(), cut in 1..8_usize) {
            let body = encode(&Request::Run(call));
            let kept = body.len().saturating_sub(cut);
            prop_assert!(decode::<Request>(&body[..kept]).is_err());
        }
    }

    #[test]
    fn the_largest_call_fits_a_request_and_its_denial_a_reply() {
        // As large as what decodes can be: MAX_OPTIONS options and words that use up
        // MAX_ARGS_BYTES each, the longest names, and a target of full length.
        let per_item = MAX_ARGS_BYTES / MAX_OPTIONS;
        let option = GivenOption {
            name: Identifier::new("o".repeat(Identifier::MAX_BYTES)).unwrap(),
            value: Some(OptionText::new("v".repeat(per_item)).unwrap()),
        };
        let label = "a".repeat(63);
        let call = Call {
            tool: ToolName::new("t".repeat(ToolName::MAX_BYTES)).unwrap(),
            target: Target::Name {
                name: HostName::new([label.as_str(); 4].join(".").split_off(2)).unwrap(),
                addresses: vec![std::net::Ipv6Addr::UNSPECIFIED.into(); MAX_ADDRESSES],
            },
            arguments: Arguments::Given {
                preset: Some(Identifier::new("p".repeat(Identifier::MAX_BYTES)).unwrap()),
                options: vec![option; MAX_OPTIONS],
                tokens: vec![Token::new("w".repeat(per_item)).unwrap(); MAX_OPTIONS],
            },
            limits: RequestedLimits {
                timeout: Some(std::time::Duration::MAX),
                ..Default::default()
            },
            correlation_id: CorrelationId::new("c").unwrap(),
            client: None,
        };
        assert!(encode(&Request::Run(call)).len() <= MAX_REQUEST_FRAME);
        // Each of its options and words is beyond the grant.
        let id = OptionId {
            name: Identifier::new("o".repeat(Identifier::MAX_BYTES)).unwrap(),
            flag: Some(format!("--{}", "o".repeat(Identifier::MAX_BYTES))),
        };
        let beyond =
            Beyond::Option { option: id.clone(), takes_value: true, tier: Tier::Intrusive };
        let denied = Reply::Denied(Denial {
            reason: Reason::OptionValue {
                option: id,
                given: Some(Excerpt::of(&"v".repeat(MAX_ARGS_BYTES))),
            },
            beyond: vec![beyond; 2 * MAX_OPTIONS],
        });
        let body = encode(&denied);
        assert!(body.len() <= MAX_REPLY_FRAME / 100, "{} bytes", body.len());
        assert_eq!(decode::<Reply>(&body), Ok(denied));
    }

    #[test]
    fn bytes_after_the_message_are_an_error() {
        let mut body = encode(&Request::Status);
        body.push(0);
        assert_eq!(decode::<Request>(&body), Err(FrameError::Trailing(1)));
    }

    #[test]
    fn another_version_is_named_even_if_its_hello_is_longer() {
        let next = PROTOCOL_VERSION + 1;
        let mut body = encode(&Hello { version: next, ..Hello::default() });
        body.extend_from_slice(b"more");
        assert_eq!(decode_hello(&body), Err(FrameError::Version(next)));
        assert_eq!(decode_hello(b"GET / HTTP/1.1"), Err(FrameError::Magic));
    }

    #[test]
    fn a_frame_of_more_words_options_or_addresses_than_a_call_may_have_is_no_message() {
        let token = |length: usize| Token::new("x".repeat(length)).unwrap();
        let option = |length| GivenOption {
            name: Identifier::new("o").unwrap(),
            value: Some(OptionText::new("v".repeat(length)).unwrap()),
        };
        let asked = |options: Vec<GivenOption>, tokens: Vec<Token>, addresses: usize| {
            let call = Call {
                tool: ToolName::new("ping").unwrap(),
                target: Target::Name {
                    name: HostName::new("a.lab.internal").unwrap(),
                    addresses: vec![std::net::Ipv4Addr::LOCALHOST.into(); addresses],
                },
                arguments: Arguments::Given { preset: None, options, tokens },
                limits: RequestedLimits::default(),
                correlation_id: CorrelationId::new("c").unwrap(),
                client: None,
            };
            decode::<Request>(&encode(&Request::Run(call))).map(|_| ())
        };
        let most = MAX_ARGS_BYTES / MAX_OPTIONS;
        assert_eq!(
            asked(vec![option(most); MAX_OPTIONS], vec![token(most); MAX_OPTIONS], 32),
            Ok(())
        );
        let malformed = Err(FrameError::Malformed);
        assert_eq!(asked(vec![], vec![token(1); MAX_OPTIONS + 1], 1), malformed);
        assert_eq!(asked(vec![], vec![token(1); MAX_REQUEST_FRAME / 3], 1), malformed);
        assert_eq!(asked(vec![option(1); MAX_OPTIONS + 1], vec![], 1), malformed);
        assert_eq!(asked(vec![], vec![token(most + 1); MAX_OPTIONS], 1), malformed);
        assert_eq!(asked(vec![option(most + 1); MAX_OPTIONS], vec![], 1), malformed);
        assert_eq!(asked(vec![], vec![], MAX_ADDRESSES + 1), malformed);
    }

    #[test]
    fn a_list_that_claims_to_be_huge_is_refused_without_its_memory() {
        // Variant `Run`, a tool of one letter, an address, arguments `Given`, no preset, then a
        // list of 2^32 options that is not there.
        let body = [2, 1, b'a', 0, 0, 10, 0, 0, 1, 0, 0, 0xff, 0xff, 0xff, 0xff, 0x0f];
        assert_eq!(decode::<Request>(&body), Err(FrameError::Malformed));
    }
}
