//! Nothing reads the broker's log, or it is told to stop at a bad moment.

use std::{
    fs::{File, OpenOptions},
    io::Write as _,
    os::{fd::OwnedFd, unix::process::ExitStatusExt as _},
    process::{Command, Stdio},
};

use casebroker_tests::{DEA, Site, broker::binary, cases, tls::Client, wait};
use rustls::version::TLS13;

/// A pipe that is full, with nothing that reads it.
fn full_pipe() -> (OwnedFd, OwnedFd) {
    let (reader, writer) = std::io::pipe().unwrap();
    let (reader, writer) = (OwnedFd::from(reader), OwnedFd::from(writer));
    // Opened anew without blocking: the flag is of this opening alone.
    let path = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&writer));
    let mut fill = OpenOptions::new();
    std::os::unix::fs::OpenOptionsExt::custom_flags(fill.write(true), 0o4000);
    let mut fill: File = fill.open(path).unwrap();
    while fill.write(&[b'x'; 4096]).is_ok() {}
    while fill.write(b"x").is_ok() {}
    (reader, writer)
}

#[tokio::test]
async fn a_log_that_nothing_reads_neither_stops_calls_nor_the_end_of_the_broker() {
    let site = Site::new();
    let (_reader, writer) = full_pipe();
    let address_file = site.path().join("address");
    let mut child = Command::new(binary("casebroker"))
        .args(["serve", "--config"])
        .arg(site.config())
        .arg("--address-file")
        .arg(&address_file)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::from(writer))
        .spawn()
        .unwrap();
    let address = wait::until("the broker serves", || {
        std::fs::read_to_string(&address_file).ok()
    });
    let address = address.trim().parse().unwrap();
    // Strangers without a certificate: each refusal is a line.
    for _ in 0..200 {
        let stranger = Client {
            anchor: site.broker_anchor(),
            identity: None,
            versions: &[&TLS13],
        };
        drop(stranger.connect(address).await);
    }
    let principal = site.principal(DEA, "system");
    let dea = casebroker_tests::Caller::connect(address, site.broker_anchor(), &principal)
        .await
        .unwrap();
    dea.submit(&cases::reporting_as(DEA, "a")).await.unwrap();
    let pid = child.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-TERM", &pid])
            .status()
            .unwrap()
            .success()
    );
    let status = wait::until("the broker ends", || child.try_wait().unwrap());
    assert_eq!((status.code(), status.signal()), (Some(0), None));
}

#[test]
fn a_broker_that_is_told_to_stop_at_once_stops_whenever_that_comes() {
    let site = Site::new();
    // A log that is only being begun when its broker ends is a matter of its own.
    assert!(site.start().stop_blocking().status.success());
    for delay_lines in 0..3 {
        let log = site.path().join(format!("log-{delay_lines}"));
        let mut child = Command::new(binary("casebroker"))
            .args(["serve", "--config"])
            .arg(site.config())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log).unwrap())
            .spawn()
            .unwrap();
        // At the first lines of the log, which come before it serves.
        wait::until("it has begun", || {
            let text = std::fs::read_to_string(&log).ok()?;
            (text.lines().count() >= delay_lines).then_some(())
        });
        let pid = child.id().to_string();
        assert!(
            Command::new("kill")
                .args(["-TERM", &pid])
                .status()
                .unwrap()
                .success()
        );
        let status = wait::until("it ends", || child.try_wait().unwrap());
        // Before any handler the signal itself ends it.
        assert!(
            status.code() == Some(0) || status.signal() == Some(15),
            "{status:?}"
        );
    }
}
