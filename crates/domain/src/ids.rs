//! Typed identifiers: a backup's id cannot be passed where a volume's is meant.

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

macro_rules! typed_uuid {
    ($($(#[$doc:meta])* $name:ident)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub struct $name(Uuid);

        impl $name {
            /// A new random id.
            #[must_use]
            pub fn random() -> Self {
                Self(uuid::Builder::from_random_bytes(stdx::chance::bytes()).into_uuid())
            }

            #[must_use]
            pub const fn from_uuid(uuid: Uuid) -> Self {
                Self(uuid)
            }

            #[must_use]
            pub const fn uuid(self) -> Uuid {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.as_hyphenated().fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = NotAnId;

            /// Accepts what Cinder accepts: any case, braces, `urn:uuid:`, no dashes (contract §1.3 "uuid").
            fn from_str(text: &str) -> Result<Self, NotAnId> {
                Uuid::parse_str(text).map(Self).map_err(|_| NotAnId)
            }
        }
    )*};
}

/// The text is no UUID. A caller's id that is none names nothing: answer "not found".
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("not a UUID")]
pub struct NotAnId;

typed_uuid! {
    VolumeId
    SnapshotId
    BackupId
    AttachmentId
    GroupTypeId
    GroupId
    GroupSnapshotId
    MessageId
    TransferId
    JobId
    /// One life of one worker process: a restarted worker registers as a new one.
    WorkerId
}
