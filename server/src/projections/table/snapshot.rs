//! The table on disk, as it was at one position: so that a start need not read the whole journal again.
//!
//! Layout, little-endian: magic, fingerprint, position, root of the log at that position; then numbers of rows, cases and items; the
//! dictionaries; first positions; what was said at each position; the columns and bitsets of each chunk; the items; the keys; a CRC-32C over all of it. It is written
//! under another name and renamed, and not synced: what a power cut leaves of it fails the checksum, and the table is made anew from
//! the journal.

use std::{
    fs::{self, File},
    io::{self, BufReader, BufWriter, Read, Write},
    path::Path,
    sync::Arc,
};

use super::{
    bits::{ROWS, WORDS},
    chunk::Chunk,
    keys::Key,
    rows::{Rows, place},
};

const MAGIC: &[u8; 16] = b"casebroker-tab01";
/// Longest text or list that is believed.
const MAX_LENGTH: u64 = 1 << 34;

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
pub fn write(path: &Path, rows: &Rows, of: &Of) -> io::Result<u64> {
    let draft = path.with_extension("new");
    let mut out = Out {
        file: BufWriter::with_capacity(1 << 20, File::create(&draft)?),
        crc: 0,
        bytes: 0,
    };
    content(&mut out, rows, of)?;
    let crc = out.crc;
    out.file.write_all(&crc.to_le_bytes())?;
    out.file.flush()?;
    fs::rename(&draft, path)?;
    Ok(out.bytes + 4)
}

/// Reads a snapshot whole; an error of kind `InvalidData` if it is damaged.
pub fn read(path: &Path) -> io::Result<(Rows, Of)> {
    let file = File::open(path)?;
    let length = file.metadata()?.len();
    let mut from = In {
        file: BufReader::with_capacity(1 << 20, file),
        crc: 0,
        left: length,
    };
    let read = restore(&mut from)?;
    let crc = from.crc;
    let mut written = [0; 4];
    from.file.read_exact(&mut written)?;
    if u32::from_le_bytes(written) != crc || from.left != 4 {
        return Err(damaged("its checksum does not match"));
    }
    Ok(read)
}

struct Out {
    file: BufWriter<File>,
    crc: u32,
    bytes: u64,
}

struct In {
    file: BufReader<File>,
    crc: u32,
    left: u64,
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

    fn number(&mut self, number: u64) -> io::Result<()> {
        self.bytes(&number.to_le_bytes())
    }

    fn text(&mut self, text: &[u8]) -> io::Result<()> {
        self.number(text.len() as u64)?;
        self.bytes(text)
    }

    fn numbers(&mut self, numbers: impl Iterator<Item = u64>) -> io::Result<()> {
        let bytes: Vec<u8> = numbers.flat_map(u64::to_le_bytes).collect();
        self.bytes(&bytes)
    }
}

impl In {
    fn bytes(&mut self, length: u64) -> io::Result<Vec<u8>> {
        // The file says how long it is itself, so no length in it can ask for more memory.
        if length > self.left.min(MAX_LENGTH) {
            return Err(damaged("it is shorter than it says"));
        }
        let mut bytes = vec![0; usize::try_from(length).map_err(io::Error::other)?];
        self.file.read_exact(&mut bytes)?;
        self.crc = crc32c::crc32c_append(self.crc, &bytes);
        self.left -= length;
        Ok(bytes)
    }

    fn number(&mut self) -> io::Result<u64> {
        let numbers = self.numbers(1)?;
        numbers.first().copied().ok_or(damaged("it is cut"))
    }

    fn text(&mut self) -> io::Result<Vec<u8>> {
        let length = self.number()?;
        self.bytes(length)
    }

    fn numbers(&mut self, count: u64) -> io::Result<Vec<u64>> {
        let bytes = self.bytes(count.saturating_mul(8))?;
        let (numbers, _) = bytes.as_chunks::<8>();
        Ok(numbers.iter().map(|n| u64::from_le_bytes(*n)).collect())
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
    for (key, rows) in rows.keys.all(count) {
        out.text(key.as_ref())?;
        out.number(rows.len() as u64)?;
        let bytes: Vec<u8> = rows.into_iter().flat_map(u32::to_le_bytes).collect();
        out.bytes(&bytes)?;
    }
    // No key is this long.
    out.number(u64::MAX)
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
    let rows = Rows::default();
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
    for first in from.numbers(cases)? {
        rows.firsts.push(first);
        rows.heads.push(0);
    }
    for said in from.numbers(of.position)? {
        rows.said.cells.push(said);
    }
    let count = u32::try_from(count).map_err(|_| damaged("it has too many rows"))?;
    let mut left = count as usize;
    while left > 0 {
        let here = left.min(ROWS);
        left -= here;
        let chunk = Chunk::load(here, &mut |length| from.bytes(length))?;
        rows.add_chunk(Arc::new(chunk), here as u32);
    }
    rows.link();
    for what in from.numbers(items)? {
        rows.items.what.push(what);
    }
    for amount in from.numbers(items)? {
        rows.items.amount.push(amount);
    }
    loop {
        let length = from.number()?;
        if length == u64::MAX {
            break;
        }
        let key = Key::from_bytes(&from.bytes(length)?);
        let postings = from.number()?;
        let bytes = from.bytes(postings.saturating_mul(4))?;
        let (numbers, _) = bytes.as_chunks::<4>();
        for row in numbers.iter().map(|n| u32::from_le_bytes(*n)) {
            rows.keys.add(&key, row);
        }
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
