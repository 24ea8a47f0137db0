//! Server-sent events of jobs, as the service tells them; comes again by itself where it was.

use std::time::Duration;

use futures::StreamExt;
use serde_json::Value;
use stdx::backoff::Backoff;

use super::wait::is_final;
use crate::client::{Client, Events};

const RETRY_MIN: Duration = Duration::from_millis(200);
const RETRY_MAX: Duration = Duration::from_secs(10);
/// Failures in a row before it is given up.
const FAILURES_MAX: u32 = 30;
/// More is no event of ours.
const EVENT_BYTES_MAX: usize = 1 << 20;

/// Hears of jobs until `heard` has enough of it, or the service has nothing more to tell.
pub(crate) async fn listen(client: &Client, path: &str, mut heard: impl FnMut(&Value) -> Next) -> anyhow::Result<()> {
    let mut last_id: Option<String> = None;
    let mut backoff = Backoff::new(RETRY_MIN, RETRY_MAX);
    let mut failures = 0;
    loop {
        match client.events(path, last_id.as_deref()).await {
            Ok(Events::NoMore) => return Ok(()),
            Ok(Events::Stream(mut bytes)) => {
                let mut parser = Parser::default();
                while let Some(Ok(piece)) = bytes.next().await {
                    failures = 0;
                    backoff.reset();
                    for event in parser.take(&piece) {
                        last_id = event.id.or(last_id);
                        let job = serde_json::from_str(&event.data).unwrap_or_default();
                        if heard(&job) == Next::Enough {
                            return Ok(());
                        }
                    }
                }
            }
            Err(error) if is_final(&error) || failures >= FAILURES_MAX => return Err(error),
            Err(_) => failures += 1,
        }
        tokio::time::sleep(backoff.next_delay()).await;
    }
}

/// Whether to go on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Next {
    More,
    Enough,
}

#[derive(Clone, PartialEq, Eq, Default, Debug)]
struct Event {
    id: Option<String>,
    data: String,
}

/// The event stream format of the HTML standard, as far as the service uses it.
#[derive(Default, Debug)]
struct Parser {
    line: Vec<u8>,
    event: Event,
}

impl Parser {
    fn take(&mut self, bytes: &[u8]) -> Vec<Event> {
        let mut events = Vec::new();
        for byte in bytes {
            if *byte != b'\n' {
                if self.line.len() < EVENT_BYTES_MAX {
                    self.line.push(*byte);
                }
                continue;
            }
            let line = String::from_utf8_lossy(&std::mem::take(&mut self.line)).into_owned();
            let line = line.strip_suffix('\r').unwrap_or(&line);
            match line.split_once(':').map(|(name, value)| (name, value.strip_prefix(' ').unwrap_or(value))) {
                Some(("id", id)) => self.event.id = Some(id.to_owned()),
                Some(("data", data)) if self.event.data.len() < EVENT_BYTES_MAX => self.event.data.push_str(data),
                _ if line.is_empty() => {
                    let event = std::mem::take(&mut self.event);
                    if !event.data.is_empty() {
                        events.push(event);
                    }
                }
                // A comment, or what nobody here asked for.
                _ => {}
            }
        }
        events
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn comments_are_passed_over_and_pieces_put_together() {
        let mut parser = Parser::default();
        assert_eq!(parser.take(b":\n\nretry: 1000\nevent: job\nid: 7\nda"), []);
        let events = parser.take(b"ta: {\"a\":1}\n\n:\n\ndata: x\r\n\r\n");
        let event = |id: Option<&str>, data: &str| Event { id: id.map(str::to_owned), data: data.to_owned() };
        assert_eq!(events, [event(Some("7"), "{\"a\":1}"), event(None, "x")]);
    }

    proptest! {
        #[test]
        fn the_pieces_make_no_difference(bytes in proptest::collection::vec(prop_oneof![Just(b'\n'), Just(b':'), any::<u8>()], 0..200), cut in 0_usize..200) {
            let cut = cut.min(bytes.len());
            let (mut whole, mut parts) = (Parser::default(), Parser::default());
            let mut found = parts.take(&bytes[..cut]);
            found.extend(parts.take(&bytes[cut..]));
            prop_assert_eq!(whole.take(&bytes), found);
        }
    }
}
