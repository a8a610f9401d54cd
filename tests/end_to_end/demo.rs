//! The demonstration leaves nothing behind.

use std::{
    fs,
    net::{SocketAddr, TcpStream},
    process::{Command, Stdio},
    time::Duration,
};

use casebroker_tests::{broker::binary, wait};

#[test]
fn a_demonstration_that_is_killed_takes_its_broker_with_it() {
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().join("demo");
    let mut demo = Command::new(binary("casebroker"))
        .args(["demo", "--dir"])
        .arg(&place)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let address: SocketAddr = wait::until("the demonstration has a broker", || {
        let text = fs::read_to_string(place.join("broker.address")).ok()?;
        text.strip_suffix('\n')?.parse().ok()
    });
    let connect = || TcpStream::connect_timeout(&address, Duration::from_secs(5));
    connect().unwrap();
    // SIGKILL: it can tidy up nothing.
    demo.kill().unwrap();
    demo.wait().unwrap();
    wait::until("its broker has ended", || connect().err().map(drop));
}
