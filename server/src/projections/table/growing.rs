//! What only grows: blocks of a fixed size that stay where they are, so that growth copies a list of pointers and nothing else, and
//! a reader goes on with the list it has.

use std::{
    hash::{BuildHasher as _, Hasher as _, RandomState},
    sync::{Arc, OnceLock, RwLock, atomic::AtomicU32, atomic::Ordering},
};

use arc_swap::ArcSwap;
use hashbrown::HashTable;

/// A list of blocks. One thread adds, any number read.
#[derive(Debug)]
pub struct Blocks<T>(ArcSwap<Vec<Arc<T>>>);

/// A list as it was when it was asked for.
pub type List<T> = Arc<Vec<Arc<T>>>;

impl<T> Default for Blocks<T> {
    fn default() -> Self {
        Self(ArcSwap::default())
    }
}

impl<T> Blocks<T> {
    /// The blocks.
    pub fn list(&self) -> List<T> {
        self.0.load_full()
    }

    /// Adds one.
    pub fn push(&self, block: Arc<T>) {
        let mut list = Vec::clone(&self.0.load());
        list.push(block);
        self.0.store(Arc::new(list));
    }
}

/// Finds numbers by what they stand for, which it does not know itself. One thread adds, any number read.
///
/// It is divided into shards that grow one by one, each with a lock of its own, so that growing one copies a small part of all.
#[derive(Debug)]
pub struct Index {
    hasher: RandomState,
    shards: Box<[RwLock<HashTable<u32>>]>,
}

impl Index {
    /// An empty one of so many shards.
    pub fn new(shards: usize) -> Self {
        Self {
            hasher: RandomState::new(),
            shards: (0..shards).map(|_| RwLock::default()).collect(),
        }
    }

    /// The hash of a text, given as numbers. Nobody outside can foretell it.
    pub fn hash(&self, text: impl IntoIterator<Item = u64>) -> u64 {
        let mut hasher = self.hasher.build_hasher();
        text.into_iter().for_each(|part| hasher.write_u64(part));
        hasher.finish()
    }

    /// The number with this hash that `is` it. A reader holds the lock of a shard for this look-up alone.
    pub fn find(&self, hash: u64, mut is: impl FnMut(u32) -> bool) -> Option<u32> {
        let shard = self.shard(hash)?;
        let shard = shard.read().unwrap_or_else(|e| e.into_inner());
        shard.find(hash, |number| is(*number)).copied()
    }

    /// Adds a number that is not in it; `hash_of` says the hash of one that is. For the one thread that writes.
    pub fn add(&self, hash: u64, number: u32, hash_of: impl Fn(u32) -> u64) {
        if let Some(shard) = self.shard(hash) {
            let mut shard = shard.write().unwrap_or_else(|e| e.into_inner());
            shard.insert_unique(hash, number, |number| hash_of(*number));
        }
    }

    /// Adds numbers that are not in it, while nobody else knows it; `text` says what one stands for, as [`Self::hash`] takes it.
    pub fn fill<T: IntoIterator<Item = u64>>(
        &mut self,
        numbers: impl Iterator<Item = u32> + Clone,
        text: impl Fn(u32) -> T,
    ) {
        let mut shards = std::mem::take(&mut self.shards);
        let count = shards.len().max(1);
        let each = numbers.clone().count() / count;
        // A shard at a time: it stays in the processor's cache while it is filled, and all of them together would not.
        let room = || Vec::with_capacity(each + each / 8);
        let mut of_shards: Vec<Vec<(u64, u32)>> =
            std::iter::repeat_with(room).take(count).collect();
        for number in numbers {
            let hash = self.hash(text(number));
            if let Some(of_shard) = of_shards.get_mut(shard(hash, count)) {
                of_shard.push((hash, number));
            }
        }
        for (shard, of_shard) in shards.iter_mut().zip(of_shards) {
            let shard = shard.get_mut().unwrap_or_else(|e| e.into_inner());
            let hash_of = |number: &u32| self.hash(text(*number));
            shard.reserve(of_shard.len(), hash_of);
            for (hash, number) in of_shard {
                shard.insert_unique(hash, number, hash_of);
            }
        }
        self.shards = shards;
    }

    fn shard(&self, hash: u64) -> Option<&RwLock<HashTable<u32>>> {
        self.shards.get(shard(hash, self.shards.len()))
    }
}

fn shard(hash: u64, shards: usize) -> usize {
    // The table itself uses the low and the top bits.
    (hash >> 32) as usize % shards.max(1)
}

/// Values in a block of a [`Names`].
const NAMES_A_BLOCK: usize = 4_096;
/// Shards of the look-up of a [`Names`].
const SHARDS: usize = 256;

/// Texts with numbers from 1 on, in the order in which they came; 0 stands for none. Nothing is ever removed.
#[derive(Debug)]
pub struct Names<T: AsRef<[u8]>> {
    index: Index,
    blocks: Blocks<Box<[OnceLock<T>]>>,
    count: AtomicU32,
}

impl<T: AsRef<[u8]>> Default for Names<T> {
    fn default() -> Self {
        Self {
            index: Index::new(SHARDS),
            blocks: Blocks::default(),
            count: AtomicU32::new(0),
        }
    }
}

impl<T: AsRef<[u8]>> Names<T> {
    /// The number of a text; 0 if it has none.
    pub fn find(&self, text: &[u8]) -> u32 {
        self.known(self.hash(text), text)
    }

    /// The number of a text, a new one if need be. For the one thread that writes.
    pub fn number(&self, text: &[u8], make: impl FnOnce() -> T) -> u32 {
        let hash = self.hash(text);
        let known = self.known(hash, text);
        if known != 0 {
            return known;
        }
        let Some(number) = self.count.load(Ordering::Relaxed).checked_add(1) else {
            return 0;
        };
        let (block, slot) = place(number);
        if slot == 0 {
            let slots = (0..NAMES_A_BLOCK).map(|_| OnceLock::new());
            self.blocks.push(Arc::new(slots.collect()));
        }
        let list = self.blocks.list();
        if let Some(slot) = list.get(block).and_then(|block| block.get(slot)) {
            // The slot after the last is always empty.
            drop(slot.set(make()));
        }
        self.count.store(number, Ordering::Release);
        self.index.add(hash, number, |number| {
            name(&list, number).map_or(0, |name| self.hash(name.as_ref()))
        });
        number
    }

    /// The text of a number.
    pub fn with<R>(&self, number: u32, read: impl FnOnce(&T) -> R) -> Option<R> {
        name(&self.blocks.list(), number).map(read)
    }

    /// How many there are.
    pub fn count(&self) -> u32 {
        self.count.load(Ordering::Acquire)
    }

    fn known(&self, hash: u64, text: &[u8]) -> u32 {
        let list = self.blocks.list();
        let is = |number| name(&list, number).is_some_and(|name| name.as_ref() == text);
        self.index.find(hash, is).unwrap_or(0)
    }

    fn hash(&self, text: &[u8]) -> u64 {
        self.index.hash(words(text))
    }
}

type NameList<T> = List<Box<[OnceLock<T>]>>;

/// A text as numbers: its length, and its bytes, eight a number, with zeros at the end.
pub fn words(text: &[u8]) -> impl Iterator<Item = u64> + '_ {
    let (whole, rest) = text.as_chunks::<8>();
    let mut last = [0; 8];
    last.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
    let last = (!rest.is_empty()).then_some(last);
    let words = whole.iter().copied().chain(last).map(u64::from_le_bytes);
    std::iter::once(text.len() as u64).chain(words)
}

fn place(number: u32) -> (usize, usize) {
    let index = number.saturating_sub(1) as usize;
    (index / NAMES_A_BLOCK, index % NAMES_A_BLOCK)
}

fn name<T>(list: &NameList<T>, number: u32) -> Option<&T> {
    if number == 0 {
        return None;
    }
    let (block, slot) = place(number);
    list.get(block)?.get(slot)?.get()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_keeps_its_number_and_a_number_its_text() {
        let names: Names<String> = Names::default();
        let text = |n: usize| format!("name {n}");
        for round in 0..2 {
            for n in 0..10_000 {
                let text = text(n);
                let number = names.number(text.as_bytes(), || text.as_str().into());
                assert_eq!(number as usize, n + 1, "round {round}");
            }
        }
        assert_eq!(names.count(), 10_000);
        assert_eq!(names.find(b"name 77"), 78);
        assert_eq!(names.find(b"other"), 0);
        assert_eq!(names.with(78, |t| t.to_string()), Some(text(77)));
        assert_eq!(names.with(0, |t| t.to_string()), None);
        assert_eq!(names.with(10_001, |t| t.to_string()), None);
    }

    #[test]
    fn readers_find_what_was_written_while_it_grows() {
        let names: Names<String> = Names::default();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for n in 0..20_000 {
                    let text = format!("n{n}");
                    names.number(text.as_bytes(), || text.as_str().into());
                }
            });
            for _ in 0..2 {
                scope.spawn(|| {
                    while names.count() < 20_000 {
                        let n = names.count();
                        if n > 0 {
                            let text = names.with(n, |t| t.to_string()).unwrap();
                            assert_eq!(text, format!("n{}", n - 1));
                        }
                    }
                });
            }
        });
    }
}
