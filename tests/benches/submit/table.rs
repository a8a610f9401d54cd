//! Prints the comparison.

use std::{thread, time::Duration};

use crate::load::{Outcome, Shape};

/// Title, what was sent, and the columns.
pub fn head(sizes: &str, check: Duration) {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    println!("{cores} cores for clients, do-nothing service and broker together; {sizes}");
    println!(
        "checking a statement (envelope, signature, fields): {} us on one core\n",
        check.as_micros()
    );
    println!(
        "{:<22} {:>10} {:>10} {:>10} {:>8} {:>8} {:>17} {:>17}",
        "",
        "nothing/s",
        "less check",
        "broker/s",
        "ratio",
        "of less",
        "nothing p50/p99",
        "broker p50/p99 ms"
    );
}

/// One shape. `less check` is what the do-nothing service would reach if it checked each statement too, with all cores busy.
pub fn row(shape: Shape, nothing: &Outcome, broker: &Outcome, check: Duration) {
    let cores = thread::available_parallelism().map_or(1.0, |n| usize::from(n) as f64);
    let less_check = 1.0 / (1.0 / nothing.rate + check.as_secs_f64() / cores);
    let name = match shape {
        Shape::Unary {
            in_flight,
            connections,
        } => format!("unary {in_flight:>3} over {connections}"),
        Shape::Stream {
            in_flight,
            connections,
        } => format!("stream {in_flight:>3} over {connections}"),
    };
    println!(
        "{name:<22} {:>10.0} {less_check:>10.0} {:>10.0} {:>8.2} {:>8.2} {:>17} {:>17}",
        nothing.rate,
        broker.rate,
        broker.rate / nothing.rate,
        broker.rate / less_check,
        quantiles(nothing),
        quantiles(broker),
    );
}

/// What the columns mean.
pub fn foot() {
    println!(
        "\nratio: broker to the service that does nothing. of less: broker to that service less the cost of checking.\n\
         Each answer of the broker means: entry and checkpoint are on disk (fdatasync)."
    );
}

fn quantiles(outcome: &Outcome) -> String {
    let ms = |q| outcome.latency.value_at_quantile(q) as f64 / 1_000.0;
    format!("{:.2}/{:.2}", ms(0.5), ms(0.99))
}
