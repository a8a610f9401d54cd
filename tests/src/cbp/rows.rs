//! The rows of the published files.

use std::{
    fs::File,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};

/// The files, oldest fiscal year first.
pub const FILES: [&str; 2] = [
    "cbp-nationwide-drugs-fy19-fy22.csv",
    "cbp-nationwide-drugs-fy23-fy26-apr.csv",
];

/// Micrograms of a pound, exactly: the international yard and pound agreement of 1959.
pub const MICROGRAMS_PER_POUND: u128 = 453_592_370;

const HEADER: [&str; 9] = [
    "FY",
    "Month (abbv)",
    "Component",
    "Region",
    "Land Filter",
    "Area of Responsibility",
    "Drug Type",
    "Count of Event",
    "Sum Qty (lbs)",
];

const MONTHS: [&str; 12] = [
    "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC",
];

/// One aggregate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Number of the file, from 1.
    pub file: u32,
    /// Line in it, from 1; the header is line 1.
    pub line: u64,
    /// Fiscal year: it begins in October of the year before.
    pub fiscal_year: i32,
    /// The fiscal year is not over yet.
    pub to_date: bool,
    /// Calendar year.
    pub year: i32,
    /// Month, 1 to 12.
    pub month: i32,
    /// Component, such as `Office of Field Operations`.
    pub component: String,
    /// Region, such as `Southwest Border`.
    pub region: String,
    /// `Land Only` or `Other`; an area's events are split between them.
    pub land_filter: String,
    /// Field office or sector.
    pub area: String,
    /// Drug type as published.
    pub drug: String,
    /// Events, at least 1.
    pub events: u32,
    /// Pounds as published.
    pub pounds: String,
    /// The same in micrograms, rounded half to even; 0 is "not known".
    pub micrograms: u64,
}

impl Row {
    /// Area, component and land filter: with month and drug type it is the row's alone.
    pub fn unit(&self) -> String {
        format!("{}, {}, {}", self.area, self.component, self.land_filter)
    }
}

/// Folder of the files.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("data/cbp")
}

/// Every row of both files, one at a time. A row that is not as the others ends the test: nothing is passed over.
pub fn rows() -> impl Iterator<Item = Row> {
    FILES.into_iter().zip(1..).flat_map(|(name, number)| {
        let path = folder().join(name);
        let shown = path.display().to_string();
        let mut reader = csv::Reader::from_reader(File::open(&path).expect(&shown));
        assert_eq!(
            reader.headers().expect(&shown),
            HEADER.as_slice(),
            "{shown}"
        );
        // No cell has a line break in it, so rows are lines; the header is the first.
        reader.into_records().zip(2..).map(move |(record, line)| {
            let record = record.expect(&shown);
            row(number, line, &record).unwrap_or_else(|e| panic!("{shown}:{line}: {e:#}"))
        })
    })
}

fn row(file: u32, line: u64, record: &csv::StringRecord) -> anyhow::Result<Row> {
    let field = |i: usize| -> anyhow::Result<String> {
        let text = record.get(i).with_context(|| format!("no column {i}"))?;
        if text.is_empty() || text.trim() != text {
            bail!("column {i} is `{text}`");
        }
        Ok(text.to_owned())
    };
    let fiscal = field(0)?;
    let (year, to_date) = match fiscal.strip_suffix(" (FYTD)") {
        Some(year) => (year, true),
        None => (fiscal.as_str(), false),
    };
    let fiscal_year: i32 = year.parse().context("fiscal year")?;
    let month = field(1)?;
    let month = MONTHS.iter().position(|m| *m == month).context("month")?;
    let month = i32::try_from(month)? + 1;
    let events = field(7)?.parse().context("events")?;
    if events == 0 {
        bail!("no events: there is no case to make of this row");
    }
    let pounds = field(8)?;
    Ok(Row {
        file,
        line,
        fiscal_year,
        to_date,
        year: if month >= 10 {
            fiscal_year - 1
        } else {
            fiscal_year
        },
        month,
        component: field(2)?,
        region: field(3)?,
        land_filter: field(4)?,
        area: field(5)?,
        drug: field(6)?,
        events,
        micrograms: micrograms(&pounds).context("pounds")?,
        pounds,
    })
}

/// Pounds, a decimal with or without an exponent, as micrograms: the decimal that is written, exactly, then rounded once, half to even.
pub fn micrograms(pounds: &str) -> anyhow::Result<u64> {
    let (mantissa, exponent) = match pounds.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>()?),
        None => (pounds, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        bail!("`{pounds}` is no decimal");
    }
    let places = i32::try_from(fraction.len())? - exponent;
    let scaled = digits
        .parse::<u128>()?
        .checked_mul(MICROGRAMS_PER_POUND)
        .context("too large")?;
    let ten = |n: i32| 10_u128.checked_pow(n.unsigned_abs()).context("too long");
    if places <= 0 {
        let exact = scaled.checked_mul(ten(places)?).context("too large")?;
        return Ok(u64::try_from(exact)?);
    }
    let divisor = ten(places)?;
    let (below, rest) = (scaled / divisor, scaled % divisor);
    let up = match (rest * 2).cmp(&divisor) {
        std::cmp::Ordering::Less => false,
        std::cmp::Ordering::Equal => below % 2 == 1,
        std::cmp::Ordering::Greater => true,
    };
    Ok(u64::try_from(below + u128::from(up))?)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use num_bigint::BigUint;

    use super::*;
    use crate::cbp::FENTANYL;

    #[test]
    fn the_reader_finds_exactly_the_published_events_and_pounds() {
        let sum = |file: u32, fentanyl: bool| {
            rows()
                .filter(|row| row.file == file && (!fentanyl || row.drug == FENTANYL))
                .fold((0_u64, 0_u128), |(events, mass), row| {
                    (
                        events + u64::from(row.events),
                        mass + u128::from(row.micrograms),
                    )
                })
        };
        let hundredths =
            |mass: u128| (mass * 100 + MICROGRAMS_PER_POUND / 2) / MICROGRAMS_PER_POUND;
        let (early, late) = (sum(1, true), sum(2, true));
        assert_eq!((early.0, hundredths(early.1)), (4_999, 3_349_586));
        assert_eq!((late.0, hundredths(late.1)), (3_989, 6_766_496));
        assert_eq!(early.0 + late.0, 8_988);
        assert_eq!(sum(1, false).0, 282_492);
        assert_eq!(sum(1, false).0 + sum(2, false).0, 484_365);
        // To the microgram, from an independent sum of the decimals.
        assert_eq!(early.1, 15_193_466_938_116);
        assert_eq!(late.1, 30_692_308_670_248);
        assert_eq!(sum(1, false).1, 1_601_031_538_026_285);
        assert_eq!(sum(2, false).1, 1_007_645_089_009_249);
    }

    #[test]
    fn month_unit_and_drug_are_one_row_and_land_filters_do_not_overlap() {
        let mut seen = HashSet::new();
        for row in rows() {
            assert!(["Land Only", "Other"].contains(&row.land_filter.as_str()));
            let key = (row.year, row.month, row.unit(), row.drug.clone());
            assert!(seen.insert(key), "{row:?}");
            let unit_of = (row.component == "U.S. Border Patrol") == row.area.ends_with(" SECTOR");
            assert!(unit_of, "an area belongs to one component: {row:?}");
        }
        assert_eq!(seen.len(), 10_092 + 8_673);
    }

    #[test]
    fn a_fiscal_year_begins_in_october_of_the_year_before() {
        let months = |fiscal_year: i32| -> HashSet<(i32, i32)> {
            let of_year = rows().filter(|row| row.fiscal_year == fiscal_year);
            of_year.map(|row| (row.year, row.month)).collect()
        };
        let of_2019 = months(2019);
        assert_eq!(of_2019.len(), 12);
        assert!(of_2019.contains(&(2018, 10)) && of_2019.contains(&(2019, 9)));
        assert!(!of_2019.contains(&(2019, 10)));
        let begun = months(2026);
        assert_eq!(begun.len(), 7);
        assert!(begun.contains(&(2025, 10)) && begun.contains(&(2026, 4)));
        assert!(rows().all(|row| row.to_date == (row.fiscal_year == 2026)));
    }

    #[test]
    fn rows_without_pounds_are_few_and_no_other_has_less_than_a_microgram_an_event() {
        let none: Vec<_> = rows().filter(|row| row.micrograms == 0).collect();
        let fentanyl = none.iter().filter(|row| row.drug == FENTANYL);
        assert_eq!((none.len(), fentanyl.count()), (85, 5));
        assert!(none.iter().all(|row| row.pounds == "0.0"));
        assert!(rows().all(|row| row.micrograms == 0 || row.micrograms >= row.events.into()));
    }

    #[test]
    fn pounds_become_micrograms_exactly_and_half_to_even() {
        for (pounds, expected) in [
            ("1", 453_592_370),
            ("0.0", 0),
            ("2.20462262e-05", 10_000),
            ("1e2", 45_359_237_000),
            ("8.85", 4_014_292_474),
            ("12.95", 5_874_021_192),
            ("122767.48447797324", 55_686_394_243_302),
        ] {
            assert_eq!(micrograms(pounds).unwrap(), expected, "{pounds}");
        }
        for bad in ["", ".", "-1", "1,5", "NaN", "1e", "1 "] {
            assert!(micrograms(bad).is_err(), "{bad}");
        }
    }

    /// Twice the value and twice the integer differ by at most one unit of the last place, in arithmetic of any size.
    #[test]
    fn every_row_is_within_half_a_microgram_of_what_is_written() {
        for row in rows() {
            let (mantissa, exponent) = row.pounds.split_once('e').unwrap_or((&row.pounds, "0"));
            let (whole, fraction) = mantissa.split_once('.').unwrap();
            let exponent: i32 = exponent.parse().unwrap();
            let places = u32::try_from(i32::try_from(fraction.len()).unwrap() - exponent).unwrap();
            let digits: BigUint = format!("{whole}{fraction}").parse().unwrap();
            let twice = digits * MICROGRAMS_PER_POUND * 2_u32;
            let unit = BigUint::from(10_u32).pow(places);
            let ours = BigUint::from(row.micrograms) * 2_u32 * &unit;
            let apart = if ours > twice {
                ours - twice
            } else {
                twice - ours
            };
            assert!(apart <= unit, "{row:?}");
        }
    }
}
