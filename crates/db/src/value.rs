//! What a statement's parameter can be, and what turns into one.

use domain::ids::{AttachmentId, GroupId, GroupSnapshotId, GroupTypeId, MessageId, TransferId, WorkerId};
use domain::{BackupId, JobId, SnapshotId, Timestamp, VolumeId};

/// A parameter; its null keeps its type, which PostgreSQL asks for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Value {
    Text(Option<String>),
    I64(Option<i64>),
    Bool(Option<bool>),
}

/// `From<T>` and `From<Option<T>>` at once.
macro_rules! values {
    ($($type:ty => $variant:ident, $convert:expr;)*) => {$(
        impl From<$type> for Value {
            fn from(value: $type) -> Self {
                Self::$variant(Some($convert(value)))
            }
        }

        impl From<Option<$type>> for Value {
            fn from(value: Option<$type>) -> Self {
                Self::$variant(value.map($convert))
            }
        }
    )*};
}

values! {
    &str => Text, str::to_owned;
    String => Text, |text| text;
    &String => Text, Clone::clone;
    i64 => I64, |number| number;
    bool => Bool, |truth| truth;
    Timestamp => I64, Timestamp::micros;
    VolumeId => Text, |id: VolumeId| id.to_string();
    SnapshotId => Text, |id: SnapshotId| id.to_string();
    BackupId => Text, |id: BackupId| id.to_string();
    AttachmentId => Text, |id: AttachmentId| id.to_string();
    GroupTypeId => Text, |id: GroupTypeId| id.to_string();
    GroupId => Text, |id: GroupId| id.to_string();
    GroupSnapshotId => Text, |id: GroupSnapshotId| id.to_string();
    MessageId => Text, |id: MessageId| id.to_string();
    TransferId => Text, |id: TransferId| id.to_string();
    JobId => Text, |id: JobId| id.to_string();
    WorkerId => Text, |id: WorkerId| id.to_string();
}

impl From<&Option<String>> for Value {
    fn from(value: &Option<String>) -> Self {
        Self::Text(value.clone())
    }
}
