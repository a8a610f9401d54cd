//! Which positions a subscription has worked through under its present filter: ranges, as a subscription can be moved.

/// Most ranges that are remembered; each move makes one at most.
const MAX_RANGES: usize = 64;

/// Ranges of positions, each `from` up to and without `to`. The last one is where it works now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passed(Vec<(u64, u64)>);

impl Passed {
    /// Nothing yet, from a position on.
    pub fn from(next: u64) -> Self {
        Self(vec![(next, next)])
    }

    /// As it was kept.
    pub fn restore(ranges: Vec<(u64, u64)>, next: u64) -> Self {
        let mut passed = Self(ranges);
        if passed.0.last().is_none_or(|(_, to)| *to != next) {
            passed.jump(next);
        }
        passed
    }

    /// For keeping, with the last of them only up to a position.
    pub fn ranges(&self, to: u64) -> Vec<(u64, u64)> {
        let mut ranges = self.0.clone();
        if let Some((from, end)) = ranges.last_mut() {
            *end = to.clamp(*from, *end);
        }
        ranges
    }

    /// It worked on from one position to another.
    pub fn advance(&mut self, from: u64, to: u64) {
        match self.0.last_mut() {
            Some((_, end)) if *end == from => *end = to,
            _ => self.0.push((from, to)),
        }
    }

    /// It goes on elsewhere.
    pub fn jump(&mut self, next: u64) {
        self.0.retain(|(from, to)| from < to);
        self.0.push((next, next));
        if self.0.len() > MAX_RANGES {
            self.0.remove(0);
        }
    }

    /// Whether it worked through a position.
    pub fn has(&self, position: u64) -> bool {
        let mut ranges = self.0.iter();
        ranges.any(|(from, to)| (*from..*to).contains(&position))
    }
}
