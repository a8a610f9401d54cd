//! What the broker counts is what was published: the fentanyl rows of CBP's open figures, as synthetic cases through the real client,
//! against the real broker. `tests/data/cbp/SOURCES.md` says what the figures are. The bench `acceptance` does the same with every row.

mod fentanyl;
