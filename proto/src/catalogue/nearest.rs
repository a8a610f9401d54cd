//! Which known word a mistyped one is nearest to.

/// Longest text, in characters, for which a neighbour is looked for: the cost grows with the square of it.
const MAX_CHARS: usize = 64;

/// The candidate with the fewest insertions, deletions, replacements and swaps of neighbours (optimal string alignment),
/// if there are at most one for each four characters of `text`, and at most three. Case is ignored. The first of equals wins.
pub(crate) fn nearest<'a, T>(
    text: &str,
    candidates: impl Iterator<Item = (&'a str, T)>,
) -> Option<T> {
    let text: Vec<char> = text.trim().chars().flat_map(char::to_lowercase).collect();
    if text.is_empty() || text.len() > MAX_CHARS {
        return None;
    }
    let mut allowed = (text.len() / 4).min(3);
    let mut best = None;
    for (candidate, value) in candidates {
        let candidate: Vec<char> = candidate.chars().flat_map(char::to_lowercase).collect();
        // The difference in length is a lower bound, and spares most of the work.
        if candidate.len().abs_diff(text.len()) > allowed {
            continue;
        }
        let distance = distance(&text, &candidate);
        if distance <= allowed {
            best = Some(value);
            match distance.checked_sub(1) {
                Some(better) => allowed = better,
                None => break,
            }
        }
    }
    best
}

fn distance(a: &[char], b: &[char]) -> usize {
    let at = |row: &[usize], i: usize| row.get(i).copied().unwrap_or(usize::MAX / 2);
    let mut before: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut next = Vec::with_capacity(b.len() + 1);
        next.push(i + 1);
        for (j, y) in b.iter().enumerate() {
            let replaced = at(&row, j) + usize::from(x != y);
            let mut cost = replaced.min(at(&row, j + 1) + 1).min(at(&next, j) + 1);
            let swapped = i > 0 && j > 0 && a.get(i - 1) == Some(y) && b.get(j - 1) == Some(x);
            if swapped {
                cost = cost.min(at(&before, j - 1) + 1);
            }
            next.push(cost);
        }
        before = std::mem::replace(&mut row, next);
    }
    at(&row, b.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str, words: &[&'static str]) -> Option<&'static str> {
        nearest(text, words.iter().map(|w| (*w, *w)))
    }

    #[test]
    fn near_misses_find_their_word_and_far_ones_nothing() {
        let words = ["fentanyl", "carfentanil", "sufentanil"];
        assert_eq!(of("fentanil", &words), Some("fentanyl"));
        assert_eq!(of("Carfentanyl", &words), Some("carfentanil"));
        assert_eq!(of("fetnanyl", &words), Some("fentanyl"));
        assert_eq!(of("cocaine", &words), None);
        assert_eq!(of("", &words), None);
        assert_eq!(of(&"f".repeat(10_000), &words), None);
    }

    #[test]
    fn distance_counts_edits_and_swaps() {
        let d = |a: &str, b: &str| {
            distance(
                &a.chars().collect::<Vec<_>>(),
                &b.chars().collect::<Vec<_>>(),
            )
        };
        assert_eq!(d("", ""), 0);
        assert_eq!(d("", "abc"), 3);
        assert_eq!(d("abc", ""), 3);
        assert_eq!(d("ab", "ba"), 1);
        assert_eq!(d("kitten", "sitting"), 3);
    }
}
