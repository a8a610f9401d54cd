//! Where a position is: one point for each stretch of a segment, so that memory stays small however long the log.

/// Distance in bytes between two points of a segment. Reading a single entry fetches as much, so it is small.
pub const POINT_EVERY: u64 = 16 << 10;

/// Where one entry is and how to walk on from there. 24 bytes for each 16 KiB of journal: 1.6 MB for 1 GiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Point {
    pub position: u64,
    /// Of the entry's length prefix, in the segment file; a segment is shorter than 4 GiB.
    pub offset: u32,
    /// Entries of the same group from this one on, itself included.
    pub group_left: u32,
    /// Length of that group's trailer.
    pub trailer_bytes: u32,
}

/// Points of one segment.
#[derive(Debug)]
struct SegmentPoints {
    first_position: u64,
    seed: u32,
    points: Vec<Point>,
}

/// What [`Index::find`] answers.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    /// First position of the segment, which names it.
    pub segment: u64,
    pub seed: u32,
    /// First position of the next segment, or `u64::MAX`.
    pub segment_end: u64,
    /// The last point at or before the position asked for.
    pub point: Point,
}

/// Points of all segments, ascending.
#[derive(Debug, Default)]
pub struct Index {
    segments: Vec<SegmentPoints>,
}

impl Index {
    pub fn begin_segment(&mut self, first_position: u64, seed: u32) {
        self.segments.push(SegmentPoints {
            first_position,
            seed,
            points: Vec::new(),
        });
    }

    /// Adds the points of a group at the end of the newest segment. `entries_at` is the file offset of the first entry,
    /// `lengths` the bytes that each entry takes in the file.
    pub fn add_group(
        &mut self,
        first_position: u64,
        entries_at: u64,
        lengths: impl ExactSizeIterator<Item = usize>,
        trailer_bytes: u32,
    ) {
        let Some(segment) = self.segments.last_mut() else {
            return;
        };
        let mut next_point = segment
            .points
            .last()
            .map_or(0, |p| u64::from(p.offset) + POINT_EVERY);
        let count = lengths.len();
        let mut at = entries_at;
        for (i, length) in lengths.enumerate() {
            if at >= next_point {
                segment.points.push(Point {
                    position: first_position + i as u64,
                    offset: at as u32,
                    group_left: (count - i) as u32,
                    trailer_bytes,
                });
                next_point = at + POINT_EVERY;
            }
            at += length as u64;
        }
    }

    /// The point to walk from to reach `position`, which must have been added.
    pub fn find(&self, position: u64) -> Option<Place> {
        let after = self
            .segments
            .partition_point(|s| s.first_position <= position);
        let segment = self.segments.get(after.checked_sub(1)?)?;
        let next = segment.points.partition_point(|p| p.position <= position);
        Some(Place {
            segment: segment.first_position,
            seed: segment.seed,
            segment_end: self
                .segments
                .get(after)
                .map_or(u64::MAX, |s| s.first_position),
            point: *segment.points.get(next.checked_sub(1)?)?,
        })
    }
}
