//! Reading a file forward in large pieces while handing out small ones.

use std::fs::File;
use std::io;

use rustix::buffer::spare_capacity;
use rustix::io::{Errno, pread};

/// A buffer over part of a file. It never allocates more than the file has bytes.
#[derive(Debug)]
pub struct Window<'f> {
    file: &'f File,
    /// Bytes of the file that may be looked at.
    len: u64,
    chunk: usize,
    start: u64,
    buffer: Vec<u8>,
}

impl<'f> Window<'f> {
    pub fn new(file: &'f File, len: u64, chunk: usize) -> Self {
        Self {
            file,
            len,
            chunk,
            start: 0,
            buffer: Vec::new(),
        }
    }

    pub fn len(&self) -> u64 {
        self.len
    }

    /// The `len` bytes at `offset`; `None` if the file ends before.
    pub fn get(&mut self, offset: u64, len: usize) -> io::Result<Option<&[u8]>> {
        let available = self.len.saturating_sub(offset);
        if available < len as u64 {
            return Ok(None);
        }
        if self.held(offset, len).is_none() {
            let wanted = (self.chunk.max(len) as u64).min(available) as usize;
            self.fill(offset, wanted)?;
        }
        Ok(self.held(offset, len))
    }

    /// Fetches at least the `wanted` bytes at `offset`, or what the file has of them. Into memory that was not written before: zeroing
    /// it is half the time of a read.
    fn fill(&mut self, offset: u64, wanted: usize) -> io::Result<()> {
        self.start = offset;
        self.buffer.clear();
        self.buffer.reserve_exact(wanted);
        while self.buffer.len() < wanted {
            let at = offset + self.buffer.len() as u64;
            match pread(self.file, spare_capacity(&mut self.buffer), at) {
                // Somebody made the file shorter than it was: see `get`.
                Ok(0) => {
                    self.len = at;
                    break;
                }
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// As many bytes at `offset` as there are, up to `len`.
    pub fn up_to(&mut self, offset: u64, len: usize) -> io::Result<&[u8]> {
        let len = (len as u64).min(self.len.saturating_sub(offset)) as usize;
        Ok(self.get(offset, len)?.unwrap_or_default())
    }

    fn held(&self, offset: u64, len: usize) -> Option<&[u8]> {
        let at = usize::try_from(offset.checked_sub(self.start)?).ok()?;
        self.buffer.get(at..at.checked_add(len)?)
    }
}
