//! Changes to inputs, by a seeded generator: a small fuzzer without feedback, the same on every machine.

use rand::{Rng as _, RngCore as _, SeedableRng as _, rngs::StdRng};

/// Longest input that comes out, in bytes.
const MAX_BYTES: usize = 16 << 10;
/// Bytes that mean something somewhere: signs of formats, ends of ranges.
const TELLING: &[u8] = b"\x00\x01\x7f\x80\xff\n\r \"+,-./0:=AZ[]az{}";

/// Makes changed inputs out of a corpus.
#[derive(Debug)]
pub struct Mutator<'a> {
    corpus: &'a [Vec<u8>],
    random: StdRng,
}

impl<'a> Mutator<'a> {
    /// Over a corpus, which must not be empty.
    pub fn new(corpus: &'a [Vec<u8>], seed: u64) -> Self {
        assert!(!corpus.is_empty(), "there is nothing to change");
        let random = StdRng::seed_from_u64(seed);
        Self { corpus, random }
    }

    /// A file of the corpus with one to four changes.
    pub fn next_input(&mut self) -> Vec<u8> {
        let mut data = self.any_file();
        for _ in 0..self.random.random_range(1..=4) {
            self.change(&mut data);
        }
        data.truncate(MAX_BYTES);
        data
    }

    fn change(&mut self, data: &mut Vec<u8>) {
        let at = self.random.random_range(0..=data.len());
        let end = (at + self.random.random_range(0..40)).min(data.len());
        match self.random.random_range(0..8) {
            0 | 1 => {
                if let Some(byte) = data.get_mut(at) {
                    *byte ^= 1 << self.random.random_range(0..8);
                }
            }
            2 => {
                if let Some(byte) = data.get_mut(at) {
                    *byte = TELLING[self.random.random_range(0..TELLING.len())];
                }
            }
            3 => data.insert(at, TELLING[self.random.random_range(0..TELLING.len())]),
            4 => drop(data.drain(at..end)),
            5 => {
                let copy = data[at..end].to_vec();
                let to = self.random.random_range(0..=data.len());
                data.splice(to..to, copy);
            }
            6 => {
                let mut noise = vec![0; end - at];
                self.random.fill_bytes(&mut noise);
                data[at..end].copy_from_slice(&noise);
            }
            _ => {
                // The beginning of one, the end of another.
                let other = self.any_file();
                let from = self.random.random_range(0..=other.len());
                data.truncate(at);
                data.extend_from_slice(&other[from..]);
            }
        }
    }

    fn any_file(&mut self) -> Vec<u8> {
        self.corpus[self.random.random_range(0..self.corpus.len())].clone()
    }
}
