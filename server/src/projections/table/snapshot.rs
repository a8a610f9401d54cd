//! The table on disk, as it was at one position: so that a start need not read the whole journal again.
//!
//! Layout, little-endian: magic, fingerprint, position, root of the log at that position; then numbers of rows, cases and items; the
//! dictionaries; first positions; what was said at each position; the columns and bitsets of each chunk; the items; postings and keys as they lie in memory; which cases
//! share what; a CRC-32C over all of it. Long lists of numbers come in pieces, each with its length. It is written under another name and
//! renamed, and not synced: what a power cut leaves of it fails the checksum, and the table is made anew from
//! the journal.

use std::{
    fs::{self, File},
    io::{self, BufReader, BufWriter, Read, Write},
    path::Path,
    sync::Arc,
};

use super::{
    bits::{ROWS, WORDS},
    cells::Cells,
    chunk::Chunk,
    rows::{Rows, place},
    sharing::{self, Sharing},
};

const MAGIC: &[u8; 16] = b"casebroker-tab05";
/// Longest text or list that is believed.
const MAX_LENGTH: u64 = 1 << 34;
/// Numbers in a piece of a list.
const PIECE: usize = 65_536;

/// What a snapshot is of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Of {
    /// What rows mean: see [`super::fingerprint`].
    pub fingerprint: String,
    /// Every entry before this position is in it.
    pub position: u64,
    /// Root of the log over those.
    pub root: [u8; 32],
}

/// Writes a snapshot in place of the one at `path`, of the rows as they are at a position. They may grow meanwhile.
pub fn write(path: &Path, rows: &Rows, sharing: &Sharing, of: &Of) -> io::Result<u64> {
    let draft = path.with_extension("new");
    let mut out = Out {
        file: BufWriter::with_capacity(1 << 20, File::create(&draft)?),
        crc: 0,
        bytes: 0,
    };
    content(&mut out, rows, of)?;
    sharing::Index::save(sharing, &mut out)?;
    let crc = out.crc;
    out.file.write_all(&crc.to_le_bytes())?;
    out.file.flush()?;
    fs::rename(&draft, path)?;
    Ok(out.bytes + 4)
}

/// Reads a snapshot whole; an error of kind `InvalidData` if it is damaged, and an error if it `is_over` before that.
pub fn read(path: &Path, is_over: &dyn Fn() -> bool) -> io::Result<(Rows, sharing::Index, Of)> {
    let file = File::open(path)?;
    let length = file.metadata()?.len();
    let mut from = In {
        file: BufReader::with_capacity(1 << 20, file),
        crc: 0,
        left: length,
        is_over,
    };
    let (rows, of) = restore(&mut from)?;
    let index = sharing::Index::load(&mut from)?;
    let crc = from.crc;
    let mut written = [0; 4];
    from.file.read_exact(&mut written)?;
    if u32::from_le_bytes(written) != crc || from.left != 4 {
        return Err(damaged("its checksum does not match"));
    }
    Ok((rows, index, of))
}

/// A snapshot that is being written.
pub(super) struct Out {
    file: BufWriter<File>,
    crc: u32,
    bytes: u64,
}

/// A snapshot that is being read.
pub(super) struct In<'a> {
    file: BufReader<File>,
    crc: u32,
    left: u64,
    is_over: &'a dyn Fn() -> bool,
}

fn damaged(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

impl Out {
    fn bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.crc = crc32c::crc32c_append(self.crc, bytes);
        self.bytes += bytes.len() as u64;
        self.file.write_all(bytes)
    }

    pub(super) fn number(&mut self, number: u64) -> io::Result<()> {
        self.bytes(&number.to_le_bytes())
    }

    pub(super) fn text(&mut self, text: &[u8]) -> io::Result<()> {
        self.number(text.len() as u64)?;
        self.bytes(text)
    }

    /// A list of any length.
    pub(super) fn numbers(&mut self, mut numbers: impl Iterator<Item = u64>) -> io::Result<()> {
        let mut piece = Vec::with_capacity(PIECE * 8);
        loop {
            piece.clear();
            let here = numbers.by_ref().take(PIECE);
            piece.extend(here.flat_map(u64::to_le_bytes));
            self.text(&piece)?;
            if piece.is_empty() {
                return Ok(());
            }
        }
    }
}

impl In<'_> {
    fn bytes(&mut self, length: u64) -> io::Result<Vec<u8>> {
        // The file says how long it is itself, so no length in it can ask for more memory.
        if length > self.left.min(MAX_LENGTH) {
            return Err(damaged("it is shorter than it says"));
        }
        if (self.is_over)() {
            return Err(io::Error::other("nobody waits for it any more"));
        }
        let mut bytes = vec![0; usize::try_from(length).map_err(io::Error::other)?];
        self.file.read_exact(&mut bytes)?;
        self.crc = crc32c::crc32c_append(self.crc, &bytes);
        self.left -= length;
        Ok(bytes)
    }

    pub(super) fn number(&mut self) -> io::Result<u64> {
        let bytes = self.bytes(8)?.try_into();
        let bytes = bytes.map_err(|_| damaged("it is cut"))?;
        Ok(u64::from_le_bytes(bytes))
    }

    pub(super) fn text(&mut self) -> io::Result<Vec<u8>> {
        let length = self.number()?;
        self.bytes(length)
    }

    /// A list, piece by piece.
    pub(super) fn numbers(&mut self, mut take: impl FnMut(&[u64])) -> io::Result<()> {
        loop {
            let bytes = self.text()?;
            if bytes.is_empty() {
                return Ok(());
            }
            let (numbers, _) = bytes.as_chunks::<8>();
            let numbers: Vec<u64> = numbers.iter().map(|n| u64::from_le_bytes(*n)).collect();
            take(&numbers);
        }
    }

    /// Goes into a list of which the snapshot says how long it is.
    pub(super) fn cells(&mut self, cells: &Cells, count: u64) -> io::Result<()> {
        self.numbers(|numbers| {
            cells.extend(numbers.iter().copied());
        })?;
        match cells.count() == count {
            true => Ok(()),
            false => Err(damaged("a list is not as long as it says")),
        }
    }
}

fn content(out: &mut Out, rows: &Rows, of: &Of) -> io::Result<()> {
    out.bytes(MAGIC)?;
    out.text(of.fingerprint.as_bytes())?;
    out.number(of.position)?;
    out.bytes(&of.root)?;
    let chunks = rows.chunks();
    let count = rows_before(&chunks, rows.count(), of.position);
    let items = items_before(&chunks, count);
    let firsts = rows.firsts.view();
    let cases = (0..rows.firsts.count()).take_while(|case| firsts.get(*case) < of.position);
    let cases = cases.count() as u64;
    for number in [u64::from(count), cases, items] {
        out.number(number)?;
    }
    let names = &rows.names;
    for dictionary in [&names.agencies, &names.units] {
        let count = dictionary.count();
        out.number(u64::from(count))?;
        for number in 1..=count {
            let text = dictionary.with(number, String::clone);
            out.text(text.unwrap_or_default().as_bytes())?;
        }
    }
    let substances = names.substances.count();
    out.number(u64::from(substances))?;
    for number in 1..=substances {
        out.text(names.save_substance(number).as_bytes())?;
    }
    let sets = names.transits.count();
    out.number(u64::from(sets))?;
    for number in 1..=sets {
        let set = names.transits.with(number, |set| set.to_vec());
        out.text(&set.unwrap_or_default())?;
    }
    let readers = rows.said.sets.count();
    out.number(u64::from(readers))?;
    for number in 1..=readers {
        let set = rows.said.sets.with(number, |set| set.to_vec());
        out.text(&set.unwrap_or_default())?;
    }
    out.numbers((0..cases).map(|case| firsts.get(case)))?;
    let said = rows.said.cells.view();
    out.numbers((0..of.position).map(|position| said.get(position)))?;
    for (n, chunk) in chunks.iter().enumerate() {
        let rows = (count as usize).saturating_sub(n * ROWS).min(ROWS);
        if rows > 0 {
            chunk.save(rows, of.position, &mut |bytes| out.bytes(bytes))?;
        }
    }
    let (what, amount) = (rows.items.what.view(), rows.items.amount.view());
    out.numbers((0..items).map(|item| what.get(item)))?;
    out.numbers((0..items).map(|item| amount.get(item)))?;
    out.numbers(rows.keys.saved_postings(count))?;
    out.numbers(rows.keys.saved(count))
}

fn restore(from: &mut In) -> io::Result<(Rows, Of)> {
    if from.bytes(MAGIC.len() as u64)? != MAGIC {
        return Err(damaged("it is of another version"));
    }
    let text = |bytes| String::from_utf8(bytes).map_err(|_| damaged("a text is not UTF-8"));
    let of = Of {
        fingerprint: text(from.text()?)?,
        position: from.number()?,
        root: from
            .bytes(32)?
            .try_into()
            .map_err(|_| damaged("it is cut"))?,
    };
    let mut rows = Rows::default();
    let [count, cases, items] = [from.number()?, from.number()?, from.number()?];
    for _ in 0..from.number()? {
        let id = text(from.text()?)?;
        let make = || id.as_str().into();
        rows.names.agencies.number(id.as_bytes(), make);
    }
    for _ in 0..from.number()? {
        rows.names.unit(&text(from.text()?)?);
    }
    for _ in 0..from.number()? {
        rows.names.load_substance(&text(from.text()?)?);
    }
    for _ in 0..from.number()? {
        let set = from.text()?;
        let make = || set.as_slice().into();
        rows.names.transits.number(&set, make);
    }
    for _ in 0..from.number()? {
        let set = from.text()?;
        let make = || set.as_slice().into();
        rows.said.sets.number(&set, make);
    }
    from.cells(&rows.firsts, cases)?;
    rows.heads.extend((0..cases).map(|_| 0));
    from.cells(&rows.said.cells, of.position)?;
    let count = u32::try_from(count).map_err(|_| damaged("it has too many rows"))?;
    let mut left = count as usize;
    while left > 0 {
        let here = left.min(ROWS);
        left -= here;
        let chunk = Chunk::load(here, &mut |length| from.bytes(length))?;
        rows.add_chunk(Arc::new(chunk), here as u32);
    }
    from.cells(&rows.items.what, items)?;
    from.cells(&rows.items.amount, items)?;
    let mut are_postings = true;
    from.numbers(|postings| are_postings &= rows.keys.load_postings(postings))?;
    from.numbers(|words| rows.keys.load(words))?;
    if !are_postings || !rows.keys.link() {
        return Err(damaged("its keys are none"));
    }
    rows.publish(of.position);
    Ok((rows, of))
}

/// How many rows begin before a position: rows begin in order.
fn rows_before(chunks: &[Arc<Chunk>], count: u32, position: u64) -> u32 {
    let begins = |row: u32| {
        let (chunk, at) = place(row);
        let chunk = chunks.get(chunk);
        chunk.map_or(u64::MAX, |chunk| chunk.wide(super::chunk::Wide::From, at))
    };
    let (mut low, mut high) = (0, count);
    while low < high {
        let middle = low + (high - low) / 2;
        if begins(middle) < position {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    low
}

/// How many items so many rows have.
fn items_before(chunks: &[Arc<Chunk>], rows: u32) -> u64 {
    use super::chunk::{Half, Word};
    let mut rows = (0..rows).rev();
    // A row without items says nothing of where they end.
    let last = rows.find_map(|row| {
        let (chunk, at) = place(row);
        let chunk = chunks.get(chunk)?;
        let count = u64::from(chunk.half(Half::ItemCount, at));
        (count > 0).then(|| u64::from(chunk.word(Word::Items, at)) + count)
    });
    last.unwrap_or(0)
}

const _: () = assert!(WORDS * 64 == ROWS);
