//! What is printed: figures beside what they should be, as text that can be pasted.

use std::{fs, thread, time::Duration};

use crate::{drained::Drained, live::Live};

/// Title, and what else the machine does.
pub fn head(bytes: usize) {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    println!(
        "{cores} cores for servers and consumers together; {bytes} bytes a signed statement; load average before: {}",
        load_average()
    );
}

/// Columns of the deliveries.
pub fn rates_head() {
    println!(
        "\n{:<34} {:>10} {:>10} {:>7} {:>13} {:>13} {:>7}  {:<8} met",
        "deliveries, all acknowledged",
        "broker/s",
        "NATS/s",
        "times",
        "broker us CPU",
        "NATS us CPU",
        "times",
        "aim"
    );
}

/// Deliveries to so many subscriptions.
pub fn rates(subscriptions: usize, each: u64, broker: &Drained, nats: Option<&Drained>) {
    let name = format!(
        "{subscriptions} x {each}, {} bytes each",
        broker.bytes / broker.messages.max(1)
    );
    let ours = (broker.rate(), broker.cpu_us());
    let theirs = nats.map(|nats| (nats.rate(), nats.cpu_us()));
    let or_none = |text: Option<String>| text.unwrap_or_else(|| "-".into());
    println!(
        "{name:<34} {:>10.0} {:>10} {:>7} {:>13.1} {:>13} {:>7}  {:<8} {}",
        ours.0,
        or_none(theirs.map(|(rate, _)| format!("{rate:.0}"))),
        or_none(theirs.map(|(rate, _)| format!("{:.2}", ours.0 / rate))),
        ours.1,
        or_none(theirs.map(|(_, cpu)| format!("{cpu:.1}"))),
        or_none(theirs.map(|(_, cpu)| format!("{:.2}", cpu / ours.1))),
        "> 1",
        word(theirs.map(|(rate, _)| ours.0 > rate)),
    );
}

/// Latencies of live delivery.
pub fn live(rate: u64, broker: &Live, nats: Option<&Live>) {
    println!(
        "\n{:<50} {:>22} {:>22}",
        format!("live, {rate} statements/s, p50/p99 ms"),
        "broker",
        "NATS"
    );
    type Look = fn(&Live, f64) -> f64;
    let rows: [(&str, Look); 2] = [
        (
            "from the acknowledgement to the delivery",
            Live::after_acknowledgement,
        ),
        ("from sending to the delivery", Live::after_sending),
    ];
    for (name, look) in rows {
        let pair = |live: &Live| format!("{:.2}/{:.2}", look(live, 0.5), look(live, 0.99));
        println!(
            "{name:<50} {:>22} {:>22}",
            pair(broker),
            nats.map_or_else(|| "-".into(), pair)
        );
    }
}

/// Heads the figures that have no other system beside them.
pub fn figures_head() {
    println!("\n{:<50} {:<56}  {:<12} met", "", "figure", "aim");
}

/// One of these.
pub fn figure(name: &str, value: &str, aim: &str, met: Option<bool>) {
    println!("{name:<50} {value:<56}  {aim:<12} {}", word(met));
}

/// What the columns mean.
pub fn foot() {
    println!(
        "\nload average after: {}\n\
         Both servers speak mutual TLS on loopback and let each consumer hold 1,000 unacknowledged messages; times above 1 are the broker's.\n\
         A rate counts from opening the streams until the last acknowledgement is confirmed: the broker's when the cursor is on disk, NATS's\n\
         when the server has it. The broker looks up who may see a statement and what it changed; NATS sends what was published to everybody.\n\
         Neither's consumer decodes statements. us CPU: of the server, a message.\n\
         Latencies below 0 are deliveries that overtook the acknowledgement.",
        load_average()
    );
}

/// Milliseconds.
pub fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// One, five and fifteen minutes; see proc(5).
fn load_average() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace()
        .take(3)
        .collect::<Vec<_>>()
        .join(" ")
}

fn word(met: Option<bool>) -> &'static str {
    match met {
        None => "",
        Some(true) => "yes",
        Some(false) => "NO",
    }
}
