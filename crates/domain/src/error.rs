//! The one error of rules and services: a kind, a retry answer, a sentence for outside, a chain for the log.

use std::error::Error as StdError;
use std::fmt;

/// What went wrong, as far as an edge (HTTP, gRPC, a job's `fail_reason`) needs to know.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Kind {
    /// The request breaks a rule or meets the wrong status. HTTP 400.
    Invalid,
    /// Authenticated, but not allowed. HTTP 403.
    Forbidden,
    /// No such thing, or it is another project's. HTTP 404.
    NotFound,
    /// Somebody else holds or changed it. HTTP 409.
    Conflict,
    /// A quota or a body limit. HTTP 413.
    OverLimit,
    /// The operation exists, but not for this thing. HTTP 405.
    Unsupported,
    /// Stored or received bytes contradict themselves: a hash, a length, a manifest. Never retried.
    Damaged,
    /// The job's generation is dead or its cancellation was asked for: stop, touch nothing, report nothing.
    Cancelled,
    /// A peer is away, slow or refusing for now. HTTP 503.
    Unavailable,
    /// Our fault. HTTP 500; the outside sentence says nothing.
    Internal,
}

impl Kind {
    pub const ALL: [Self; 10] = [
        Self::Invalid,
        Self::Forbidden,
        Self::NotFound,
        Self::Conflict,
        Self::OverLimit,
        Self::Unsupported,
        Self::Damaged,
        Self::Cancelled,
        Self::Unavailable,
        Self::Internal,
    ];

    /// For the wire and for labels.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Invalid => "invalid",
            Self::Forbidden => "forbidden",
            Self::NotFound => "not_found",
            Self::Conflict => "conflict",
            Self::OverLimit => "over_limit",
            Self::Unsupported => "unsupported",
            Self::Damaged => "damaged",
            Self::Cancelled => "cancelled",
            Self::Unavailable => "unavailable",
            Self::Internal => "internal",
        }
    }

    /// Whether the same act may succeed later without anybody changing anything.
    #[must_use]
    pub const fn retryable(self) -> bool {
        match self {
            Self::Unavailable | Self::Internal => true,
            Self::Invalid
            | Self::Forbidden
            | Self::NotFound
            | Self::Conflict
            | Self::OverLimit
            | Self::Unsupported
            | Self::Damaged
            | Self::Cancelled => false,
        }
    }
}

/// `Display` is the outside sentence; the cause is reached through `source()` only and belongs in the log.
#[derive(Debug)]
pub struct Error {
    kind: Kind,
    message: String,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), source: None }
    }

    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(Kind::Invalid, message)
    }

    /// `Backup {id} could not be found.`: the wording clients match (contract §1.5.2).
    pub fn not_found(noun: &str, id: impl fmt::Display) -> Self {
        Self::new(Kind::NotFound, format!("{noun} {id} could not be found."))
    }

    pub fn damaged(message: impl Into<String>) -> Self {
        Self::new(Kind::Damaged, message)
    }

    pub fn cancelled() -> Self {
        Self::new(Kind::Cancelled, "cancelled")
    }

    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new(Kind::Unavailable, message)
    }

    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(Kind::Internal, message)
    }

    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    #[must_use]
    pub const fn retryable(&self) -> bool {
        self.kind.retryable()
    }

    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}
