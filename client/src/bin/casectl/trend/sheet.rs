//! A trend as CSV: a row a period, a column for each kind of goods.

use casebroker_proto::v1::{ComputeTrendResponse, TrendBucket, TrendPlace};

use crate::{
    count::goods_of,
    failure::{Failure, Result},
    output::Output,
    words,
};

/// Prints it.
pub fn csv(answer: &ComputeTrendResponse, out: &mut Output) -> Result<()> {
    let mut csv = csv::Writer::from_writer(Vec::new());
    let failed = |e: csv::Error| Failure::file("CSV", &e.into());
    let goods = goods_of(answer.buckets.iter().filter_map(|b| b.counted.as_ref()));
    let mut heading: Vec<String> = HEADING.map(str::to_owned).to_vec();
    heading.extend(goods.iter().map(|g| match g.exact_unit() {
        "" => format!("{}_items_of_unknown_quantity", g.class.replace('-', "_")),
        unit => format!("{}_{unit}", g.class.replace('-', "_")),
    }));
    csv.write_record(&heading).map_err(failed)?;
    for bucket in &answer.buckets {
        let counted = bucket.counted.clone().unwrap_or_default();
        let mut row = cells(bucket, answer).to_vec();
        row.extend(goods.iter().map(|g| match g.in_tally(&counted) {
            Some(amount) if g.exact_unit().is_empty() => amount.items.to_string(),
            Some(amount) => amount.total.clone(),
            None => "0".into(),
        }));
        csv.write_record(&row).map_err(failed)?;
    }
    let bytes = csv
        .into_inner()
        .map_err(|e| Failure::file("CSV", e.error()))?;
    out.raw(&String::from_utf8_lossy(&bytes))
}

const HEADING: [&str; 10] = [
    "start_date",
    "end_date",
    "side",
    "cases",
    "incidents",
    "as_of_position",
    "tree_size",
    "standard_version",
    "elapsed_days",
    "unfinished",
];

fn cells(bucket: &TrendBucket, answer: &ComputeTrendResponse) -> [String; 10] {
    let counted = bucket.counted.as_ref();
    let side = match bucket.place() {
        TrendPlace::Before => "before",
        TrendPlace::After => "after",
        TrendPlace::Unspecified => "neither",
    };
    [
        words::date(bucket.start_date.as_ref()),
        words::date(bucket.end_date.as_ref()),
        side.to_owned(),
        counted.map_or(0, |c| c.cases).to_string(),
        counted.map_or(0, |c| c.incidents).to_string(),
        answer.as_of_position.to_string(),
        answer.tree_size.to_string(),
        answer.standard_version.to_string(),
        bucket.elapsed_days.to_string(),
        bucket.unfinished.to_string(),
    ]
}
