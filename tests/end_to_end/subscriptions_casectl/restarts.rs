//! A broker, or a consumer, that is killed in between: nothing is missing and nothing comes twice.

use std::fs;

use casebroker_tests::wait;

use super::{Desks, cases_in, names};

#[test]
fn a_file_has_no_line_twice_after_consumer_and_broker_were_killed() {
    let desks = Desks::new();
    desks.dea.expect(
        0,
        &["subscription", "create", "west", "--ack-deadline", "10s"],
    );
    let pull = desks
        .dea
        .start(&["subscription", "pull", "west", "--to", "west.jsonl"]);
    desks.report(&names("first", 200));
    let path = desks.dea.path("west.jsonl");
    let lines = || {
        fs::read_to_string(&path)
            .unwrap_or_default()
            .lines()
            .count()
    };
    wait::until("something is written", || (lines() > 0).then_some(()));
    // One writer at a time.
    desks
        .dea
        .expect(8, &["subscription", "pull", "west", "--to", "west.jsonl"]);
    pull.kill_9();
    let desks = desks.restart();
    desks.report(&names("second", 100));
    desks
        .dea
        .expect(0, &["subscription", "seek", "west", "--to", "beginning"]);
    desks.dea.expect(
        0,
        &[
            "subscription",
            "pull",
            "west",
            "--to",
            "west.jsonl",
            "--wait",
            "3s",
        ],
    );
    let counts = cases_in(&fs::read_to_string(&path).unwrap());
    assert_eq!(counts.len(), 300);
    assert!(counts.values().all(|count| *count == 1), "{counts:?}");
}

#[test]
fn a_watch_through_a_restart_shows_every_case_once() {
    let mut desks = Desks::new();
    let watch = desks
        .dea
        .start(&["-o", "jsonl", "watch", "--agency", "us-dea"]);
    let page = desks.dea.start(&["watch", "--country", "CA"]);
    let officer = desks.cbp.start(&["watch", "--from", "beginning"]);
    let own = |desks: &Desks| {
        let listed = desks
            .dea
            .expect(0, &["-o", "jsonl", "subscription", "list"]);
        listed
            .stdout
            .lines()
            .filter(|line| line.contains("subscriptions/watch-"))
            .count()
    };
    wait::until("both watch", || (own(&desks) == 2).then_some(()));
    for round in 0..3 {
        desks.report(&names(&format!("round{round}"), 20));
        desks = desks.restart();
    }
    desks.report(&names("last", 20));
    for running in [&watch, &page, &officer] {
        let all = || (running.stdout().lines().count() >= 80).then_some(());
        wait::until("every case is shown", all);
    }
    // What would come twice would come before this.
    desks.report(&["end".to_owned()]);
    for (running, is_json) in [(watch, true), (page, false), (officer, false)] {
        wait::until("the last case is shown", || {
            running.stdout().contains("end").then_some(())
        });
        let ended = running.interrupt();
        assert_eq!(ended.code, Some(0), "{ended:#?}");
        let twice: Vec<_> = match is_json {
            true => cases_in(&ended.stdout)
                .into_iter()
                .filter(|(_, n)| *n > 1)
                .collect(),
            false => Vec::new(),
        };
        assert_eq!(ended.stdout.lines().count(), 81, "twice: {twice:?}");
        assert!(ended.stderr.contains("connected again"), "{}", ended.stderr);
        if is_json {
            assert_eq!(cases_in(&ended.stdout).len(), 81);
        } else {
            let line = ended.stdout.lines().last().unwrap();
            assert!(
                line.contains("us-dea/end  new, confirmed  Parcel with carfentanil, end"),
                "{line}"
            );
        }
    }
    assert_eq!(own(&desks), 0);
}
