//! A file that gives only so many bytes.
//!
//! A PDB is a file of streams, each a list of pages. A forged one can name the same page thousands of times, and so make a small
//! file into a huge stream; streams of a real one never add up to more than the file.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use pdb2::{Source, SourceSlice, SourceView};

/// Where the bytes come from.
#[derive(Debug)]
enum Bytes {
    File(File),
    #[cfg_attr(not(test), expect(dead_code, reason = "tests damage files in memory"))]
    Memory(Arc<[u8]>),
}

/// The file, and how many bytes of it may still be read.
#[derive(Debug)]
pub(super) struct Bounded {
    bytes: Bytes,
    length: u64,
    left: u64,
}

impl Bounded {
    /// Twice its length: page lists are read besides the pages, and some streams more than once.
    pub(super) fn file(file: File) -> io::Result<Self> {
        let length = file.metadata()?.len();
        Ok(Self { bytes: Bytes::File(file), length, left: length.saturating_mul(2).saturating_add(1 << 20) })
    }

    #[cfg(test)]
    pub(super) fn memory(bytes: &[u8]) -> Self {
        let length = bytes.len() as u64;
        Self { bytes: Bytes::Memory(bytes.into()), length, left: length * 2 + (1 << 20) }
    }

    fn read(&self, into: &mut [u8], offset: u64) -> io::Result<()> {
        match &self.bytes {
            Bytes::File(file) => file.read_exact_at(into, offset),
            Bytes::Memory(bytes) => {
                let from = usize::try_from(offset).ok().and_then(|from| bytes.get(from..));
                let from =
                    from.and_then(|rest| rest.get(..into.len())).ok_or(io::ErrorKind::UnexpectedEof)?;
                into.copy_from_slice(from);
                Ok(())
            }
        }
    }
}

#[derive(Debug)]
struct View(Vec<u8>);

impl SourceView<'_> for View {
    fn as_slice(&self) -> &[u8] {
        &self.0
    }
}

impl<'s> Source<'s> for Bounded {
    fn view(&mut self, slices: &[SourceSlice]) -> io::Result<Box<dyn SourceView<'s> + Send + Sync>> {
        let mut total = 0u64;
        for slice in slices {
            let end = slice.offset.checked_add(slice.size as u64);
            if end.is_none_or(|end| end > self.length) {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            total = total.saturating_add(slice.size as u64);
        }
        self.left = self
            .left
            .checked_sub(total)
            .ok_or_else(|| io::Error::other("its streams are longer than the file"))?;
        let mut bytes = vec![0; usize::try_from(total).map_err(io::Error::other)?];
        let mut rest = bytes.as_mut_slice();
        for slice in slices {
            let (now, later) = rest.split_at_mut_checked(slice.size).ok_or(io::ErrorKind::InvalidData)?;
            self.read(now, slice.offset)?;
            rest = later;
        }
        Ok(Box::new(View(bytes)))
    }
}
