//! Tables for people: columns as wide as their text (CJK characters count two), cut to the terminal with an ellipsis.

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// Spaces between columns.
const GAP: usize = 2;

/// A column.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    /// Its heading.
    pub title: &'static str,
    /// It is cut no narrower than this when the terminal is too narrow for all.
    pub least: usize,
    /// Numbers stand to the right.
    pub right: bool,
}

impl Column {
    /// Never cut.
    pub const fn whole(title: &'static str) -> Self {
        Self {
            title,
            least: usize::MAX,
            right: false,
        }
    }

    /// Cut if need be, to no less than `least` columns.
    pub const fn flexible(title: &'static str, least: usize) -> Self {
        Self {
            title,
            least,
            right: false,
        }
    }

    /// A number, never cut.
    pub const fn number(title: &'static str) -> Self {
        Self {
            title,
            least: usize::MAX,
            right: true,
        }
    }
}

/// Widths fitted to some rows; later rows are cut to them.
#[derive(Debug)]
pub struct Layout {
    columns: Vec<(Column, usize)>,
}

impl Layout {
    /// Fits columns to rows, and all to `width` if there is one. The widest flexible columns give way first.
    pub fn fit(columns: &[Column], rows: &[Vec<String>], width: Option<usize>) -> Self {
        let mut columns: Vec<_> = columns
            .iter()
            .enumerate()
            .map(|(i, column)| {
                let cells = rows.iter().filter_map(|row| row.get(i));
                let widest = cells.map(|cell| cell.width()).max().unwrap_or(0);
                (*column, widest.max(column.title.width()))
            })
            .collect();
        if let Some(width) = width {
            let gaps = GAP * columns.len().saturating_sub(1);
            while columns.iter().map(|(_, w)| w).sum::<usize>() + gaps > width {
                let widest = columns
                    .iter_mut()
                    .filter(|(column, w)| *w > column.least)
                    .max_by_key(|(_, w)| *w);
                match widest {
                    Some((_, w)) => *w -= 1,
                    None => break,
                }
            }
        }
        Self { columns }
    }

    /// The heading line.
    pub fn heading(&self) -> String {
        let titles: Vec<_> = self
            .columns
            .iter()
            .map(|(c, _)| c.title.to_owned())
            .collect();
        self.row(&titles)
    }

    /// One row as a line, without spaces at its end.
    pub fn row(&self, cells: &[String]) -> String {
        let mut line = String::new();
        for (i, ((column, width), cell)) in self.columns.iter().zip(cells).enumerate() {
            if i > 0 {
                line.push_str(&" ".repeat(GAP));
            }
            let text = cut(cell, *width);
            let padding = " ".repeat(width.saturating_sub(text.width()));
            if column.right {
                line.push_str(&padding);
                line.push_str(&text);
            } else {
                line.push_str(&text);
                line.push_str(&padding);
            }
        }
        line.truncate(line.trim_end().len());
        line
    }
}

/// Text on one line, at most `width` columns wide, an ellipsis in place of what is cut. Control characters, which could
/// rewrite the screen, are replaced.
pub fn cut(text: &str, width: usize) -> String {
    let clean = clean(text);
    if clean.width() <= width {
        return clean;
    }
    let mut out = String::new();
    let mut used = 0;
    for c in clean.chars() {
        let w = c.width().unwrap_or(0);
        if used + w + 1 > width {
            break;
        }
        used += w;
        out.push(c);
    }
    out.truncate(out.trim_end().len());
    out.push('…');
    out
}

/// Text without control characters: line breaks and tabs become spaces, others a replacement character.
pub fn clean(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\n' | '\r' | '\t' => ' ',
            c if c.is_control() || is_bidi_control(c) => '\u{fffd}',
            c => c,
        })
        .collect()
}

/// Text in lines of at most `width` columns, broken between words; a word that is too long is broken where it must be.
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    let width = width.max(10);
    let mut lines = Vec::new();
    for paragraph in text.lines() {
        let mut line = String::new();
        for word in clean(paragraph).split_whitespace() {
            if !line.is_empty() && line.width() + 1 + word.width() > width {
                lines.push(std::mem::take(&mut line));
            }
            if !line.is_empty() {
                line.push(' ');
            }
            for c in word.chars() {
                if line.width() + c.width().unwrap_or(0) > width {
                    lines.push(std::mem::take(&mut line));
                }
                line.push(c);
            }
        }
        lines.push(line);
    }
    lines
}

/// Characters that reorder text around them, so that what is read is not what is written.
fn is_bidi_control(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const COLUMNS: [Column; 3] = [
        Column::whole("CASE"),
        Column::number("POSITION"),
        Column::flexible("TITLE", 10),
    ];

    fn row(case: &str, position: &str, title: &str) -> Vec<String> {
        [case, position, title].map(str::to_owned).to_vec()
    }

    #[test]
    fn only_flexible_columns_give_way_to_a_narrow_terminal() {
        let rows = [row("us-dea/2016-0042", "7", &"long title ".repeat(10))];
        let layout = Layout::fit(&COLUMNS, &rows, Some(40));
        let line = layout.row(&rows[0]);
        assert_eq!(line, "us-dea/2016-0042         7  long title…");
        assert!(line.width() <= 40);
        let free = Layout::fit(&COLUMNS, &rows, None).row(&rows[0]);
        assert!(free.ends_with("long title") && !free.contains('…'));
    }

    #[test]
    fn wide_characters_count_two_columns() {
        let rows = [
            row("cn-nncc/1", "1", "芬太尼类物质"),
            row("us-dea/22", "2", "x"),
        ];
        let layout = Layout::fit(&COLUMNS, &rows, Some(80));
        assert_eq!(layout.heading(), "CASE       POSITION  TITLE");
        assert_eq!(layout.row(&rows[0]).width(), 9 + 2 + 8 + 2 + 12);
        assert_eq!(cut("芬太尼类物质", 5), "芬太…");
        assert_eq!(cut("芬太尼", 6), "芬太尼");
    }

    #[test]
    fn text_cannot_rewrite_the_screen() {
        assert_eq!(clean("a\u{1b}[2Jb\nc\u{202e}d"), "a\u{fffd}[2Jb c\u{fffd}d");
    }

    proptest! {
        #[test]
        fn nothing_is_wider_than_asked_for(text in "\\PC{0,60}", width in 10..40_usize) {
            prop_assert!(cut(&text, width).width() <= width);
            for line in wrap(&text, width) {
                prop_assert!(line.width() <= width, "{line:?}");
            }
        }
    }
}
