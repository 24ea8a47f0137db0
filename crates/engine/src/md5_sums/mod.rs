//! MD5 sums of a job's buffers, as many at a time as there are.

mod few;
mod rounds;

#[cfg(target_arch = "x86_64")]
mod lanes;
#[cfg(not(target_arch = "x86_64"))]
mod lanes {
    //! No processor of this kind can.

    pub(super) const LANES: usize = 16;

    pub(super) const fn advance(_: &mut [super::State; LANES], _: &[&[u8]; LANES]) -> bool {
        false
    }
}

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use domain::{Error, Result};
use md5::block_api::compress;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};

use crate::hash::md5_of;
use crate::work::compute;
use lanes::LANES;

/// Bytes that MD5 takes at a time (RFC 1321).
const BLOCK_BYTES: usize = 64;
/// Taken of each buffer before new ones are let in.
const PIECE_BYTES: usize = 256 * 1024;
/// So many buffers are faster in ordinary registers.
const FEW: usize = 4;
/// Buffers that may wait for a lane; any more are summed elsewhere.
const WAITING_MAX: usize = 8 * LANES;
const START: State = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476];

type State = [u32; 4];

/// An MD5 sum as it is stored.
pub(crate) type Sum = [u8; 16];

/// Sums buffers on a thread of its own, side by side.
///
/// Many cost hardly more than one, so that none is summed before somebody waits for one of them.
#[derive(Debug)]
pub(crate) struct Summer(mpsc::Sender<Message>);

#[derive(Debug)]
enum Message {
    Sum(Request),
    /// Somebody waits for one of those that were sent.
    Awaited,
}

#[derive(Debug)]
struct Request {
    bytes: Bytes,
    reply: oneshot::Sender<Sum>,
    is_awaited: Arc<AtomicBool>,
}

impl Summer {
    /// The thread ends with this value and its sums.
    pub(crate) fn start() -> Self {
        let (messages, waiting) = mpsc::channel(WAITING_MAX);
        drop(tokio::task::spawn_blocking(move || serve(waiting)));
        Self(messages)
    }

    /// What is not waited for yet is summed beside what is. The buffer is free again when it is done.
    pub(crate) fn sum(&self, bytes: Bytes) -> impl Future<Output = Result<Sum>> + Send + use<> {
        let (reply, mut answer) = oneshot::channel();
        let is_awaited = Arc::new(AtomicBool::new(false));
        let request = Request { bytes, reply, is_awaited: Arc::clone(&is_awaited) };
        let messages = self.0.clone();
        let unsent = match messages.try_send(Message::Sum(request)).map_err(TrySendError::into_inner) {
            Err(Message::Sum(request)) => Some(request.bytes),
            _ => None,
        };
        async move {
            if let Some(bytes) = unsent {
                return compute(move || Ok(md5_of(&bytes))).await;
            }
            if let Ok(sum) = answer.try_recv() {
                return Ok(sum);
            }
            is_awaited.store(true, Ordering::Release);
            // Where no more can be sent, the thread has messages after which it looks for those that are awaited.
            let _full = messages.try_send(Message::Awaited).is_err();
            drop(messages);
            answer.await.map_err(|error| Error::internal("A sum was not finished.").with_source(error))
        }
    }
}

/// A buffer that is being summed.
struct Lane {
    request: Request,
    state: State,
    done_bytes: usize,
}

impl Lane {
    const fn new(request: Request) -> Self {
        Self { request, state: START, done_bytes: 0 }
    }

    fn is_awaited(&self) -> bool {
        self.request.is_awaited.load(Ordering::Acquire)
    }

    /// Whole blocks.
    fn rest(&self) -> &[u8] {
        let rest = &self.request.bytes[self.done_bytes..];
        &rest[..rest.len() / BLOCK_BYTES * BLOCK_BYTES]
    }

    /// The padding of RFC 1321, section 3.1.
    fn end(mut self) {
        let Request { bytes, reply, .. } = self.request;
        let tail = &bytes[self.done_bytes..];
        let mut last = [0; 2 * BLOCK_BYTES];
        last[..tail.len()].copy_from_slice(tail);
        last[tail.len()] = 0x80;
        let length = (tail.len() + 9).next_multiple_of(BLOCK_BYTES);
        let bits = (bytes.len() as u64).wrapping_mul(8);
        last[length - 8..length].copy_from_slice(&bits.to_le_bytes());
        compress(&mut self.state, last[..length].as_chunks().0);
        let mut sum = [0; 16];
        for (bytes, word) in sum.chunks_exact_mut(4).zip(self.state) {
            bytes.copy_from_slice(&word.to_le_bytes());
        }
        // Whoever gets the sum may want the buffer for themselves.
        drop(bytes);
        // Nobody waits where the job was cancelled.
        let _unwanted = reply.send(sum).is_err();
    }
}

fn serve(mut waiting: mpsc::Receiver<Message>) {
    let mut busy: Vec<Lane> = Vec::with_capacity(LANES);
    loop {
        while busy.len() < LANES && !busy.iter().any(Lane::is_awaited) {
            let Some(message) = waiting.blocking_recv() else { return };
            take(&mut busy, message);
        }
        while busy.len() < LANES
            && let Ok(message) = waiting.try_recv()
        {
            take(&mut busy, message);
        }
        busy.extract_if(.., |lane| lane.rest().is_empty()).for_each(Lane::end);
        advance(&mut busy);
    }
}

fn take(busy: &mut Vec<Lane>, message: Message) {
    busy.retain(|lane| !lane.request.reply.is_closed());
    if let Message::Sum(request) = message {
        busy.push(Lane::new(request));
    }
}

/// A piece of every buffer.
fn advance(busy: &mut [Lane]) {
    let Some(shortest) = busy.iter().map(|lane| lane.rest().len()).min() else { return };
    let piece = shortest.min(PIECE_BYTES);
    let mut states = [START; LANES];
    let mut data = [&busy[0].rest()[..piece]; LANES];
    for ((lane, state), data) in busy.iter().zip(&mut states).zip(&mut data) {
        (*state, *data) = (lane.state, &lane.rest()[..piece]);
    }
    // The lanes cost the same however few are used.
    if busy.len() <= FEW || !lanes::advance(&mut states, &data) {
        advance_few(&mut states[..busy.len()], &data[..busy.len()]);
    }
    for (lane, state) in busy.iter_mut().zip(states) {
        lane.state = state;
        lane.done_bytes += piece;
    }
}

/// As many at a time as there are, up to four.
fn advance_few(states: &mut [State], data: &[&[u8]]) {
    for (states, data) in states.chunks_mut(FEW).zip(data.chunks(FEW)) {
        match states.len() {
            1 => advance_some::<1>(states, data),
            2 => advance_some::<2>(states, data),
            3 => advance_some::<3>(states, data),
            _ => advance_some::<FEW>(states, data),
        }
    }
}

fn advance_some<const N: usize>(states: &mut [State], data: &[&[u8]]) {
    if let (Some(states), Some(data)) = (states.first_chunk_mut::<N>(), data.first_chunk::<N>()) {
        few::advance(states, data);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn buffers() -> impl Strategy<Value = Vec<Bytes>> {
        let lengths = prop_oneof![0..200usize, 0..3 * PIECE_BYTES, Just(PIECE_BYTES), Just(BLOCK_BYTES)];
        let buffer = (lengths, any::<u64>()).prop_map(|(length, seed)| {
            let word = |at: usize| seed.wrapping_add(at as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56;
            (0..length).map(|at| word(at) as u8).collect::<Bytes>()
        });
        prop::collection::vec(buffer, 1..40)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn sums_are_md5(buffers in buffers()) {
            let runtime = tokio::runtime::Builder::new_multi_thread().build().unwrap();
            let sums = runtime.block_on(async {
                let summer = Summer::start();
                let sums: Vec<_> = buffers.iter().map(|bytes| summer.sum(bytes.clone())).collect();
                futures::future::try_join_all(sums).await.unwrap()
            });
            let expected: Vec<_> = buffers.iter().map(|bytes| md5_of(bytes)).collect();
            prop_assert_eq!(sums, expected);
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn a_summed_buffer_is_its_owner_s_alone() {
        let summer = Summer::start();
        let bytes = Bytes::from(vec![7; 3 * PIECE_BYTES]);
        drop(summer.sum(bytes.clone()));
        summer.sum(bytes.clone()).await.unwrap();
        let other = Bytes::from(vec![8; 3 * PIECE_BYTES]);
        summer.sum(other.clone()).await.unwrap();
        assert!(bytes.is_unique() && other.is_unique());
    }
}
