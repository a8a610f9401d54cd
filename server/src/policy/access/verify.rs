//! Reading the record forward and saying everything that is not as it was written. Changes nothing.

use std::{fs::File, os::unix::fs::FileExt as _, path::Path};

use super::{
    AccessError, Chain, Hash, Head,
    line::{self, MAX_LINE_BYTES, chain_hash},
    lines::{Lines, RawLine, RecordFile, list},
    report::{Fault, Report, Torn},
};

/// Most faults that are kept; the rest are counted.
const MOST_FAULTS: usize = 100;

/// Reads the record in `dir`. `head` is what is kept elsewhere; of all files but the newest `whole_files` (0: none) only
/// the ends are looked at. `progress` gets the bytes read so far.
pub fn verify(
    dir: &Path,
    head: Option<&Head>,
    whole_files: usize,
    progress: &mut dyn FnMut(u64),
) -> Result<Report, AccessError> {
    let files = list(dir)?;
    let skipped = match whole_files {
        0 => 0,
        most => files.len().saturating_sub(most),
    };
    let mut walk = Walk {
        head: head.copied(),
        place: None,
        report: Report {
            skipped,
            ..Report::default()
        },
    };
    let count = files.len();
    for (n, file) in files.into_iter().enumerate() {
        if n < skipped {
            walk.ends(file)?;
        } else {
            walk.file(file, n + 1 == count, progress)?;
        }
    }
    Ok(walk.finish(dir))
}

/// Where the chain stands; the hash is unknown behind a line that cannot be taken apart.
#[derive(Debug, Clone, Copy)]
struct Place {
    sequence: u64,
    hash: Option<Hash>,
}

struct Walk {
    head: Option<Head>,
    place: Option<Place>,
    report: Report,
}

impl Walk {
    fn file(
        &mut self,
        mut file: RecordFile,
        is_last: bool,
        progress: &mut dyn FnMut(u64),
    ) -> Result<(), AccessError> {
        let failed = |source| AccessError::File {
            path: file.path.clone(),
            source,
        };
        let before = self.report.bytes;
        let mut lines = Lines::open(&file.path, file.bytes).map_err(failed)?;
        let mut began = false;
        let mut whole = 0;
        while let Some(raw) = lines.next().map_err(failed)? {
            let expected = match (began, self.place) {
                (true, Some(place)) => place.sequence.saturating_add(1),
                _ => file.first,
            };
            let outcome = match began {
                false => self.header(&file, raw),
                true => self.line(raw),
            };
            began = true;
            let Err(what) = outcome else {
                whole = raw.offset + raw.bytes.len() as u64 + 1;
                self.report.bytes = before + whole;
                if raw.number % 1024 == 0 {
                    progress(self.report.bytes);
                }
                continue;
            };
            let (number, offset) = (raw.number, raw.offset);
            let unsealed = !raw.whole || line::open(raw.bytes).is_err();
            let resumed = self.resume(&file, raw, expected);
            let covered = self.head.map_or(0, |head| head.last.sequence);
            if is_last && unsealed && expected > covered && self.nothing_follows(&file, &resumed)? {
                self.report.torn = Some(Torn {
                    path: file.path.clone(),
                    line: number,
                    offset,
                    bytes: file.bytes - offset,
                });
                self.place = resumed.before;
                break;
            }
            whole = resumed.next;
            self.fault(Fault {
                path: file.path.clone(),
                line: number,
                offset,
                sequence: expected,
                what,
            });
        }
        if !began {
            // A file of no bytes is what a crash leaves right after it was made.
            let path = file.path.clone();
            match is_last {
                true => {
                    self.report.torn = Some(Torn {
                        path,
                        line: 1,
                        offset: 0,
                        bytes: 0,
                    });
                }
                false => self.fault(whole_file(&file, "it is empty, and there are later files")),
            }
        }
        file.bytes = whole;
        self.report.bytes = before + whole;
        self.report.files.push(file);
        progress(self.report.bytes);
        Ok(())
    }

    /// The first line of a file.
    fn header(&mut self, file: &RecordFile, raw: RawLine<'_>) -> Result<(), String> {
        if !raw.whole {
            return Err("its first line is cut short".into());
        }
        let sealed = line::open(raw.bytes)?;
        let header = line::parse_header(raw.bytes)
            .ok_or("it does not begin with the first line of an access record")?;
        if header.first != file.first {
            return Err(format!(
                "it begins with sequence number {}, its name says {}: files were renamed",
                header.first, file.first
            ));
        }
        let mut previous = [0; 32];
        line::unhex(header.previous.as_bytes(), &mut previous)
            .ok_or("its first line names no hash of the file before")?;
        match self.place {
            None if file.first == 1 && previous != Chain::BEGIN.hash => {
                return Err("it is the first file and names a hash of one before".into());
            }
            Some(place) if place.sequence + 1 != file.first => {
                return Err(match file.first.checked_sub(place.sequence + 1) {
                    Some(missing) => format!(
                        "it begins with sequence number {}, the file before ends with {}: {missing} lines are missing",
                        file.first, place.sequence
                    ),
                    None => format!(
                        "it begins with sequence number {}, the file before reaches {}",
                        file.first, place.sequence
                    ),
                });
            }
            Some(Place {
                hash: Some(hash), ..
            }) if hash != previous => {
                return Err("it does not continue the file before: another hash".into());
            }
            _ => {}
        }
        if chain_hash(&previous, sealed.body) != sealed.hash {
            return Err("the hash of its first line is wrong".into());
        }
        if self.report.first == 0 {
            self.report.first = file.first;
        }
        self.place = Some(Place {
            sequence: file.first - 1,
            hash: Some(sealed.hash),
        });
        self.report.last_line = Some(Chain {
            sequence: file.first - 1,
            hash: previous,
        });
        self.report.last_time = Some(header.opened.clone());
        self.report.opened = Some(header.opened);
        Ok(())
    }

    fn line(&mut self, raw: RawLine<'_>) -> Result<(), String> {
        if !raw.whole {
            return Err("the line is cut short or too long".into());
        }
        let sealed = line::open(raw.bytes)?;
        let sequence = line::sequence(raw.bytes).ok_or("it has no sequence number")?;
        let Some(place) = self.place else {
            return Err("it follows nothing".into());
        };
        let expected = place.sequence.saturating_add(1);
        match sequence.checked_sub(expected) {
            Some(0) => {}
            Some(missing) => {
                return Err(format!(
                    "the line has sequence number {sequence}: {missing} before it are missing or moved"
                ));
            }
            None => {
                return Err(format!(
                    "the line has sequence number {sequence}, which was there already: moved, repeated or put in"
                ));
            }
        }
        if place
            .hash
            .is_some_and(|hash| chain_hash(&hash, sealed.body) != sealed.hash)
        {
            return Err(
                "its hash does not follow from the line before: one of the two was changed or put in"
                    .into(),
            );
        }
        if let Some(head) = self.head
            && head.last.sequence == sequence
        {
            self.report.head_seen = true;
            if head.last.hash != sealed.hash {
                return Err(
                    "the kept head names another hash for this line: this is another history"
                        .into(),
                );
            }
        }
        self.place = Some(Place {
            sequence,
            hash: Some(sealed.hash),
        });
        self.report.last_line = Some(Chain {
            sequence,
            hash: sealed.hash,
        });
        self.report.lines += 1;
        if let Some(time) = line::time(raw.bytes) {
            let time = String::from_utf8_lossy(time);
            match &mut self.report.last_time {
                Some(last) => {
                    last.clear();
                    last.push_str(&time);
                }
                none => *none = Some(time.into_owned()),
            }
        }
        Ok(())
    }

    /// Goes on behind a bad line with what it says of itself, so that each fault is found once.
    fn resume(&mut self, file: &RecordFile, raw: RawLine<'_>, expected: u64) -> Resumed {
        let before = self.place;
        let is_header = raw.number == 1;
        let hash = line::split(raw.bytes).map(|(sealed, _)| sealed.hash);
        let sequence = match is_header {
            true => file.first - 1,
            false => match line::open(raw.bytes) {
                Ok(_) => line::sequence(raw.bytes).unwrap_or(expected),
                Err(_) => expected,
            },
        };
        self.place = Some(Place { sequence, hash });
        if self.report.first == 0 {
            self.report.first = file.first;
        }
        Resumed {
            before,
            next: raw.offset + raw.bytes.len() as u64 + u64::from(raw.whole),
        }
    }

    /// Whether no line with a right checksum follows.
    fn nothing_follows(&self, file: &RecordFile, from: &Resumed) -> Result<bool, AccessError> {
        let failed = AccessError::file(&file.path);
        let look = || {
            let mut lines = Lines::open(&file.path, file.bytes)?;
            while let Some(raw) = lines.next()? {
                if raw.offset >= from.next && raw.whole && line::open(raw.bytes).is_ok() {
                    return Ok(false);
                }
            }
            Ok(true)
        };
        look().map_err(failed)
    }

    /// First and last line of a file; nothing between.
    fn ends(&mut self, file: RecordFile) -> Result<(), AccessError> {
        let failed = |source| AccessError::File {
            path: file.path.clone(),
            source,
        };
        let first = Lines::open(&file.path, file.bytes)
            .and_then(|mut lines| {
                let raw = lines.next()?;
                Ok(raw.map(|raw| self.header(&file, raw)))
            })
            .map_err(failed)?;
        let end = last_line(&file).map_err(failed)?;
        let last = end.as_deref().and_then(|bytes| {
            let sealed = line::open(bytes).ok()?;
            Some((line::sequence(bytes), sealed.hash))
        });
        if let Some(Err(what)) = first {
            self.fault(Fault {
                path: file.path.clone(),
                line: 1,
                offset: 0,
                sequence: file.first,
                what,
            });
        }
        match last {
            // The header, which has no number, is the last line of a file that was begun and not used.
            Some((None, _)) => {}
            Some((Some(sequence), hash)) => {
                self.place = Some(Place {
                    sequence,
                    hash: Some(hash),
                });
                self.report.last_line = Some(Chain { sequence, hash });
            }
            None => self.fault(whole_file(&file, "its last line is damaged")),
        }
        self.report.files.push(file);
        Ok(())
    }

    fn finish(mut self, dir: &Path) -> Report {
        let reached = self.place.map_or(0, |place| place.sequence);
        if let Some(head) = self.head {
            let what = if reached < head.last.sequence {
                Some(format!(
                    "the record ends with sequence number {reached}, the kept head is at {}: lines at the end are missing",
                    head.last.sequence
                ))
            } else if head.closed && reached > head.last.sequence {
                Some(format!(
                    "the record ends with sequence number {reached}, but the broker stopped at {}: lines were appended",
                    head.last.sequence
                ))
            } else {
                None
            };
            if let Some(what) = what {
                self.fault(Fault {
                    path: dir.into(),
                    line: 0,
                    offset: 0,
                    sequence: reached.saturating_add(1),
                    what,
                });
            }
        }
        self.report.last = match self.place {
            Some(Place {
                sequence,
                hash: Some(hash),
            }) => Some(Chain { sequence, hash }),
            _ => None,
        };
        self.report
    }

    fn fault(&mut self, fault: Fault) {
        match self.report.faults.len() < MOST_FAULTS {
            true => self.report.faults.push(fault),
            false => self.report.more_faults += 1,
        }
    }
}

/// What was before a bad line, and where the next one begins.
struct Resumed {
    before: Option<Place>,
    next: u64,
}

fn whole_file(file: &RecordFile, what: &str) -> Fault {
    Fault {
        path: file.path.clone(),
        line: 0,
        offset: 0,
        sequence: file.first,
        what: what.into(),
    }
}

/// The last line of a file without its end; `None` if it has none.
fn last_line(file: &RecordFile) -> std::io::Result<Option<Vec<u8>>> {
    let len = file.bytes.min(MAX_LINE_BYTES as u64);
    let mut bytes = vec![0; len as usize];
    File::open(&file.path)?.read_exact_at(&mut bytes, file.bytes - len)?;
    if bytes.pop() != Some(b'\n') {
        return Ok(None);
    }
    let begin = bytes
        .iter()
        .rposition(|b| *b == b'\n')
        .map_or(0, |at| at + 1);
    Ok(Some(bytes.split_off(begin)))
}
