//! Turns a data object's body back into the volume's bytes, piece by piece and never more than were declared.

use bzip2::{Decompress as BzDecompress, Status as BzStatus};
use domain::{Error, Result};
use flate2::{Decompress, FlushDecompress, Status};
use stdx::pages::{PAGE_BYTES, to_next_page};
use zstd::stream::raw::{DParameter, Decoder as ZstdDecoder, InBuffer, Operation, OutBuffer};

use crate::Compression;

/// What the caller gets at a time, at most: enough to be worth a write to a disk.
const OUTPUT_BYTES: usize = 1 << 20;
/// A zstd frame may ask for a window of this many bits: 8 MiB, what level 19 uses. Stock Cinder's level 3 needs 2 MiB.
const ZSTD_WINDOW_LOG_MAX: u32 = 23;

/// Streaming decompression of one object with bounded memory: at most 1 MiB of output and the codec's own window, whatever
/// the body claims.
///
/// Bytes that reached the sink are unproven until [`Decoder::finish`] answers `Ok`.
#[derive(Debug)]
pub struct Decoder {
    codec: Codec,
    output: Output,
}

impl Decoder {
    /// A decoder for a body that must hold `declared_length` bytes, as the manifest says.
    ///
    /// # Errors
    /// `Internal`, when the codec cannot get its memory.
    pub fn new(compression: Compression, declared_length: u64) -> Result<Self> {
        let codec = match compression {
            Compression::None => Codec::Raw,
            Compression::Zlib => Codec::Zlib { stream: Decompress::new(true), ended: false },
            Compression::Bz2 => Codec::Bz2 { stream: None },
            Compression::Zstd => Codec::Zstd { stream: zstd_decoder()?, ended: false },
        };
        Ok(Self { codec, output: Output::new(declared_length) })
    }

    /// Feeds the next piece of the body; `sink` gets the volume's bytes in order, in pieces of any length.
    ///
    /// # Errors
    /// `Damaged` for a broken stream, for bytes behind its end and for more output than declared; the sink's own errors.
    /// After an error the decoder is of no further use.
    pub fn push(&mut self, input: &[u8], sink: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
        let mut rest = input;
        while !rest.is_empty() {
            let filled_before = self.output.filled;
            let used = self.codec.step(rest, &mut self.output)?;
            if used == 0 && self.output.filled == filled_before {
                return Err(corrupt("the codec makes no progress"));
            }
            rest = &rest[used..];
            self.output.flush_if_full(sink)?;
        }
        Ok(())
    }

    /// Hands out the remaining bytes and checks that the body was whole.
    ///
    /// # Errors
    /// `Damaged` for a body that was cut, or that held fewer bytes than declared; the sink's own errors.
    pub fn finish(mut self, sink: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
        while self.codec.drain(&mut self.output)? {
            self.output.flush(sink)?;
        }
        if !self.codec.at_end() {
            return Err(Error::damaged("An object of the backup is cut: its compressed stream has no end."));
        }
        self.output.flush(sink)?;
        self.output.check_length()
    }
}

enum Codec {
    Raw,
    /// Exactly one stream: stock Cinder silently returns only the first of several.
    Zlib {
        stream: Decompress,
        ended: bool,
    },
    /// Several streams in a row are one body. `None` stands between two streams.
    Bz2 {
        stream: Option<BzDecompress>,
    },
    /// Exactly one frame.
    Zstd {
        stream: ZstdDecoder<'static>,
        ended: bool,
    },
}

impl std::fmt::Debug for Codec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Raw => "Raw",
            Self::Zlib { .. } => "Zlib",
            Self::Bz2 { .. } => "Bz2",
            Self::Zstd { .. } => "Zstd",
        })
    }
}

impl Codec {
    /// Decodes some of `input`, which is not empty, into the free room of `output`, and answers how much was used.
    fn step(&mut self, input: &[u8], output: &mut Output) -> Result<usize> {
        match self {
            Self::Raw => output.copy_from(input),
            Self::Zlib { ended: true, .. } | Self::Zstd { ended: true, .. } => Err(Error::damaged(
                "An object of the backup is damaged: bytes follow the end of its compressed stream.",
            )),
            Self::Zlib { stream, ended } => step_zlib(stream, ended, input, output),
            Self::Bz2 { stream } => step_bz2(stream, input, output),
            Self::Zstd { stream, ended } => step_zstd(stream, ended, input, output),
        }
    }

    /// After the last input: whether more output came from what the codec had taken in already.
    fn drain(&mut self, output: &mut Output) -> Result<bool> {
        let before = output.filled;
        match self {
            Self::Zlib { stream, ended } if !*ended => step_zlib(stream, ended, &[], output).map(drop)?,
            Self::Bz2 { stream: stream @ Some(_) } => step_bz2(stream, &[], output).map(drop)?,
            Self::Zstd { stream, ended } if !*ended => step_zstd(stream, ended, &[], output).map(drop)?,
            Self::Raw | Self::Zlib { .. } | Self::Bz2 { .. } | Self::Zstd { .. } => {}
        }
        Ok(output.filled > before)
    }

    const fn at_end(&self) -> bool {
        match self {
            Self::Raw => true,
            Self::Zlib { ended, .. } | Self::Zstd { ended, .. } => *ended,
            Self::Bz2 { stream } => stream.is_none(),
        }
    }
}

fn step_zlib(stream: &mut Decompress, ended: &mut bool, input: &[u8], output: &mut Output) -> Result<usize> {
    let (read_before, written_before) = (stream.total_in(), stream.total_out());
    let status = stream.decompress(input, output.room(), FlushDecompress::None).map_err(corrupt)?;
    *ended = status == Status::StreamEnd;
    let used = counted(stream.total_in() - read_before);
    output.advance(counted(stream.total_out() - written_before))?;
    Ok(used)
}

fn step_bz2(slot: &mut Option<BzDecompress>, input: &[u8], output: &mut Output) -> Result<usize> {
    let stream = slot.get_or_insert_with(|| BzDecompress::new(false));
    let (read_before, written_before) = (stream.total_in(), stream.total_out());
    let status = stream.decompress(input, output.room()).map_err(corrupt)?;
    let used = counted(stream.total_in() - read_before);
    let written = counted(stream.total_out() - written_before);
    if status == BzStatus::StreamEnd {
        *slot = None;
    }
    output.advance(written)?;
    Ok(used)
}

fn step_zstd(stream: &mut ZstdDecoder<'_>, ended: &mut bool, input: &[u8], output: &mut Output) -> Result<usize> {
    let mut source = InBuffer::around(input);
    let mut target = OutBuffer::around(output.room());
    let hint = stream.run(&mut source, &mut target).map_err(corrupt)?;
    let (used, written) = (source.pos(), target.pos());
    *ended = hint == 0;
    output.advance(written)?;
    Ok(used)
}

fn zstd_decoder() -> Result<ZstdDecoder<'static>> {
    let configured = ZstdDecoder::new().and_then(|mut stream| {
        stream.set_parameter(DParameter::WindowLogMax(ZSTD_WINDOW_LOG_MAX))?;
        Ok(stream)
    });
    configured.map_err(|error| Error::internal("No zstd decoder could be made.").with_source(error))
}

fn corrupt(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::damaged("An object of the backup is damaged: its compressed stream is broken.").with_source(source)
}

/// Counts of one step, which never exceed the buffers of that step.
fn counted(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

/// Collects output until it is worth a call of the sink, and holds it against the declared length.
#[derive(Debug)]
struct Output {
    /// What counts of it begins at a page.
    buffer: Vec<u8>,
    start: usize,
    filled: usize,
    produced: u64,
    declared: u64,
}

impl Output {
    fn new(declared: u64) -> Self {
        // One byte more than declared shows an overflow at once.
        let wanted = usize::try_from(declared.saturating_add(1)).unwrap_or(OUTPUT_BYTES);
        let length = wanted.min(OUTPUT_BYTES);
        let mut buffer = vec![0; length + PAGE_BYTES];
        let start = to_next_page(buffer.as_ptr());
        buffer.truncate(start + length);
        Self { buffer, start, filled: start, produced: 0, declared }
    }

    /// Free room; never empty, because full buffers are flushed before the next step.
    fn room(&mut self) -> &mut [u8] {
        &mut self.buffer[self.filled..]
    }

    fn copy_from(&mut self, input: &[u8]) -> Result<usize> {
        let length = input.len().min(self.room().len());
        self.room()[..length].copy_from_slice(&input[..length]);
        self.advance(length)?;
        Ok(length)
    }

    fn advance(&mut self, written: usize) -> Result<()> {
        self.filled += written;
        self.produced = self.produced.saturating_add(written as u64);
        if self.produced > self.declared {
            return Err(Error::damaged(format!(
                "An object of the backup is damaged: it holds more than the {} bytes its manifest states.",
                self.declared
            )));
        }
        Ok(())
    }

    fn flush_if_full(&mut self, sink: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
        if self.filled == self.buffer.len() { self.flush(sink) } else { Ok(()) }
    }

    fn flush(&mut self, sink: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
        let filled = std::mem::replace(&mut self.filled, self.start);
        if filled > self.start { sink(&self.buffer[self.start..filled]) } else { Ok(()) }
    }

    fn check_length(&self) -> Result<()> {
        if self.produced == self.declared {
            return Ok(());
        }
        Err(Error::damaged(format!(
            "An object of the backup is damaged: it holds {} bytes, its manifest states {}.",
            self.produced, self.declared
        )))
    }
}
