//! What only grows: blocks of a fixed size that stay where they are, so that growth copies a list of pointers and nothing else, and
//! a reader goes on with the list it has.

use std::{
    hash::{BuildHasher as _, RandomState},
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

/// Values in a block of a [`Names`].
const NAMES_A_BLOCK: usize = 4_096;
/// Parts of the look-up, each with a lock of its own: growing one copies a small part of all.
const SHARDS: usize = 256;

/// Texts with numbers from 1 on, in the order in which they came; 0 stands for none. Nothing is ever removed.
#[derive(Debug)]
pub struct Names<T: AsRef<[u8]>> {
    hasher: RandomState,
    shards: Box<[RwLock<HashTable<u32>>]>,
    blocks: Blocks<Box<[OnceLock<T>]>>,
    count: AtomicU32,
}

impl<T: AsRef<[u8]>> Default for Names<T> {
    fn default() -> Self {
        Self {
            hasher: RandomState::new(),
            shards: (0..SHARDS).map(|_| RwLock::default()).collect(),
            blocks: Blocks::default(),
            count: AtomicU32::new(0),
        }
    }
}

impl<T: AsRef<[u8]>> Names<T> {
    /// The number of a text; 0 if it has none. A reader holds the lock of a shard for this look-up alone.
    pub fn find(&self, text: &[u8]) -> u32 {
        let hash = self.hasher.hash_one(text);
        let Some(shard) = self.shard(hash) else {
            return 0;
        };
        let list = self.blocks.list();
        let shard = shard.read().unwrap_or_else(|e| e.into_inner());
        let found = shard.find(hash, |number| is(&list, *number, text));
        found.copied().unwrap_or(0)
    }

    /// The number of a text, a new one if need be. For the one thread that writes.
    pub fn number(&self, text: &[u8], make: impl FnOnce() -> T) -> u32 {
        let hash = self.hasher.hash_one(text);
        let known = self.find(text);
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
        if let Some(shard) = self.shard(hash) {
            let rehash = |number: &u32| match name(&list, *number) {
                Some(name) => self.hasher.hash_one(name.as_ref()),
                None => 0,
            };
            let mut shard = shard.write().unwrap_or_else(|e| e.into_inner());
            shard.insert_unique(hash, number, rehash);
        }
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

    fn shard(&self, hash: u64) -> Option<&RwLock<HashTable<u32>>> {
        // The table itself uses the low and the top bits.
        self.shards.get((hash >> 32) as usize % SHARDS)
    }
}

type NameList<T> = List<Box<[OnceLock<T>]>>;

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

fn is<T: AsRef<[u8]>>(list: &NameList<T>, number: u32, text: &[u8]) -> bool {
    name(list, number).is_some_and(|name| name.as_ref() == text)
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
