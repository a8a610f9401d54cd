//! What is printed: figures beside what they should be, as text that can be pasted.

use std::{fs, thread};

use hdrhistogram::Histogram;

use crate::measure::{Aim, Measured, ms};

/// Title, and what else the machine does.
pub fn head(cases: usize) {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    println!(
        "{cases} cases; {cores} cores for broker, PostgreSQL and clients together; load average before: {}",
        load_average()
    );
}

/// One, five and fifteen minutes; see proc(5).
pub fn load_average() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace()
        .take(3)
        .collect::<Vec<_>>()
        .join(" ")
}

/// Columns of the questions.
pub fn questions_head() {
    println!(
        "\n{:<50} {:>14} {:>17} {:>13}  {:<22} met",
        "", "broker", "PostgreSQL", "times", "aim"
    );
    println!(
        "{:<50} {:>14} {:>17} {:>13}",
        "", "p50/p99 ms", "p50/p99 ms", "p50/p99"
    );
}

/// One question.
pub fn question(name: &str, aim: Aim, measured: &Measured) {
    let (p50, p99) = (ms(&measured.broker, 0.5), ms(&measured.broker, 0.99));
    let other = measured.postgres.as_ref();
    let other = other.map(|latency| (ms(latency, 0.5), ms(latency, 0.99)));
    let ratio = other.map(|(other, _)| other / p50);
    let (aim_text, met) = match aim {
        Aim::None => (String::new(), None),
        Aim::P99(limit) => (format!("p99 < {limit} ms"), Some(p99 < limit)),
        Aim::P99AndRatio(limit, times) => (
            format!("p99 < {limit} ms, >= {times} x"),
            Some(p99 < limit && ratio.is_none_or(|ratio| ratio >= times)),
        ),
    };
    let pair = |(a, b): (f64, f64)| format!("{a:.2}/{b:.2}");
    println!(
        "{name:<50} {:>14} {:>17} {:>13}  {aim_text:<22} {}",
        pair((p50, p99)),
        other.map(pair).unwrap_or_else(|| "-".into()),
        other
            .map(|(a, b)| format!("{:.1}/{:.1}", a / p50, b / p99))
            .unwrap_or_else(|| "-".into()),
        word(met),
    );
}

/// Heads the figures that are no latencies of questions.
pub fn figures_head() {
    println!("\n{:<50} {:<46}  {:<22} met", "", "figure", "aim");
}

/// One of these.
pub fn figure(name: &str, value: &str, aim: &str, met: Option<bool>) {
    println!("{name:<50} {value:<46}  {aim:<22} {}", word(met));
}

/// p50, p99 and p99.9.
pub fn three(latency: &Histogram<u64>) -> String {
    let [a, b, c] = [0.5, 0.99, 0.999].map(|q| ms(latency, q));
    format!("p50/p99/p99.9 {a:.2}/{b:.2}/{c:.2} ms")
}

/// What the columns mean.
pub fn foot() {
    println!(
        "\nThe broker is asked over mTLS and gRPC and gives cases and totals each time; PostgreSQL over a unix socket without \
         TLS, by\nprepared statements, and gives what the column's question names. Answers of both were compared. times: PostgreSQL's \
         latency by the\nbroker's. An aim of times is held against the medians."
    );
}

fn word(met: Option<bool>) -> &'static str {
    match met {
        None => "",
        Some(true) => "yes",
        Some(false) => "NO",
    }
}
