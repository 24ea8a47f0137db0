//! The one mapping error ⇄ gRPC status. The kind travels as a word in the metadata, so the caller gets it back whole.

use domain::{Error, Kind};
use tonic::metadata::MetadataValue;
use tonic::{Code, Status};

const KIND_HEADER: &str = "emberkeep-error-kind";

const fn code(kind: Kind) -> Code {
    match kind {
        Kind::Invalid => Code::InvalidArgument,
        Kind::Forbidden => Code::PermissionDenied,
        Kind::NotFound => Code::NotFound,
        Kind::Conflict => Code::Aborted,
        Kind::OverLimit => Code::ResourceExhausted,
        Kind::Unsupported => Code::Unimplemented,
        Kind::Damaged => Code::DataLoss,
        Kind::Cancelled => Code::Cancelled,
        Kind::Unavailable => Code::Unavailable,
        Kind::Internal => Code::Internal,
    }
}

/// The kind as the wire writes it (`Failure.kind`, the status header).
#[must_use]
pub const fn kind_word(kind: Kind) -> &'static str {
    kind.as_str()
}

/// An unknown word, from a newer peer perhaps, is internal.
#[must_use]
pub fn kind_from_word(word: &str) -> Kind {
    Kind::ALL.into_iter().find(|kind| kind.as_str() == word).unwrap_or(Kind::Internal)
}

/// What a gRPC caller sees: kind and outside sentence, never the chain.
#[must_use]
pub fn status_from_error(error: &Error) -> Status {
    let mut status = Status::new(code(error.kind()), error.message());
    status.metadata_mut().insert(KIND_HEADER, MetadataValue::from_static(kind_word(error.kind())));
    status
}

/// The error behind a status. A status without our header comes from the transport.
#[must_use]
pub fn error_from_status(status: Status) -> Error {
    let word = status.metadata().get(KIND_HEADER).and_then(|value| value.to_str().ok());
    let (kind, message) = match word {
        Some(word) => (kind_from_word(word), status.message().to_owned()),
        None => transport(status.code()),
    };
    Error::new(kind, message).with_source(status)
}

/// Either the peer is away, or the call itself is one that no repetition will get through: too large, or not known there.
fn transport(code: Code) -> (Kind, String) {
    let (kind, message) = match code {
        Code::OutOfRange | Code::ResourceExhausted | Code::InvalidArgument => {
            (Kind::Invalid, "the message is too large or malformed for the scheduler's protocol")
        }
        Code::Unimplemented => {
            (Kind::Unsupported, "the scheduler does not know this call; upgrade it before its workers")
        }
        _ => (Kind::Unavailable, "scheduler cannot be reached"),
    };
    (kind, message.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_survives_the_wire() {
        for kind in Kind::ALL {
            let error = Error::new(kind, "why");
            let back = error_from_status(status_from_error(&error));
            assert_eq!((back.kind(), back.message()), (kind, "why"));
        }
    }

    #[test]
    fn what_the_transport_refuses_for_good_is_not_tried_again() {
        assert_eq!(error_from_status(Status::unavailable("refused")).kind(), Kind::Unavailable);
        assert!(error_from_status(Status::unknown("transport error")).retryable());
        for code in [Code::OutOfRange, Code::ResourceExhausted, Code::Unimplemented, Code::InvalidArgument] {
            let error = error_from_status(Status::new(code, "message length too large"));
            assert!(!error.retryable(), "{code:?}");
        }
    }
}
