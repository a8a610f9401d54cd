use std::{collections::BTreeSet, fs, process::Command};

use casebroker_proto::{
    json,
    v1::{AttributionBasis, CaseStatus, Conveyance, DigestAlgorithm, ItemKind},
};
use clap::Parser;

use super::*;
use crate::choice::contract;

#[derive(Debug, Parser)]
struct Line {
    #[command(flatten)]
    filter: FilterArgs,
}

fn parse(line: &[&str]) -> std::result::Result<FilterArgs, clap::Error> {
    let line = ["casectl"].iter().chain(line);
    Line::try_parse_from(line).map(|line| line.filter)
}

fn read(line: &[&str]) -> CaseFilter {
    parse(line).unwrap().read().unwrap()
}

/// Every flag once.
fn every_flag() -> Vec<&'static str> {
    let digest = "ab".repeat(32);
    vec![
        "--agency",
        "us-cbp,groups/labs",
        "--unit",
        "El Paso, Field Office",
        "--country",
        "us,Mexico",
        "--origin",
        "China",
        "--departure",
        "HK",
        "--transit",
        "Canada,MEX",
        "--destination",
        "United States",
        "--basis",
        "shipping-document,financial-trail",
        "--status",
        "attributed",
        "--substance",
        "3,4-methylenedioxymethamphetamine",
        "--class",
        "fentanyl,fentanyl-analogue",
        "--item-kind",
        "substance",
        "--method",
        "mail",
        "--from",
        "2017",
        "--to",
        "2017-03",
        "--recorded-from",
        "2026-11-25",
        "--recorded-to",
        "2026-11-25T08:30:00Z",
        "--min-mass",
        "1.5lb",
        "--organization",
        "Example Trading, Ltd.",
        "--identifier",
        "LP 0000 0001-1 CN",
        "--digest",
        Box::leak(digest.into_boxed_str()),
        "--text",
        "\"printer ink\" it's 芬太尼",
        "--obstacle",
        "disputed,origin-basis",
    ]
}

#[test]
fn each_field_of_the_filter_has_its_flag() {
    let set = json::set_fields("casebroker.v1.CaseFilter", &read(&every_flag())).unwrap();
    let message = contract()
        .unwrap()
        .get_message_by_name("casebroker.v1.CaseFilter")
        .unwrap();
    let fields: BTreeSet<_> = message.fields().map(|f| f.name().to_owned()).collect();
    assert_eq!(set.into_iter().collect::<BTreeSet<_>>(), fields);
}

#[test]
fn each_flag_sets_what_it_says() {
    let filter = read(&every_flag());
    assert_eq!(filter.agencies, ["agencies/us-cbp", "groups/labs"]);
    assert_eq!(filter.reporting_units, ["El Paso, Field Office"]);
    assert_eq!(filter.countries, ["US", "MX"]);
    assert_eq!(filter.origins, ["CN"]);
    assert_eq!(filter.departures, ["HK"]);
    assert_eq!(filter.transits, ["CA", "MX"]);
    assert_eq!(filter.destinations, ["US"]);
    let bases = [
        AttributionBasis::ShippingDocument,
        AttributionBasis::FinancialTrail,
    ];
    assert_eq!(filter.bases, bases.map(i32::from));
    assert_eq!(filter.statuses, [i32::from(CaseStatus::Attributed)]);
    assert_eq!(filter.substances, ["3,4-methylenedioxymethamphetamine"]);
    assert_eq!(filter.substance_classes, ["fentanyl", "fentanyl-analogue"]);
    assert_eq!(filter.item_kinds, [i32::from(ItemKind::Substance)]);
    assert_eq!(filter.conveyances, [i32::from(Conveyance::Mail)]);
    let date = |year, month, day| Some(Date { year, month, day });
    assert_eq!(filter.incident_start_date, date(2017, 0, 0));
    assert_eq!(filter.incident_end_date, date(2017, 3, 0));
    assert_eq!(filter.record_start_time.unwrap().seconds, 1_795_564_800);
    assert_eq!(
        filter.record_end_time.unwrap().seconds,
        1_795_564_800 + 8 * 3600 + 1800
    );
    assert_eq!(filter.min_mass_micrograms, 680_388_555);
    assert_eq!(filter.organizations, ["Example Trading, Ltd."]);
    assert_eq!(filter.identifiers, ["LP 0000 0001-1 CN"]);
    assert_eq!(filter.evidence_digests[0].value, [0xab; 32]);
    assert_eq!(filter.text, "\"printer ink\" it's 芬太尼");
    assert_eq!(filter.obstacles, ["disputed", "origin-basis"]);
}

#[test]
fn a_flag_given_again_adds_a_value() {
    let filter = read(&[
        "--origin",
        "CN",
        "--origin",
        "IN,MX",
        "--status",
        "confirmed",
        "--status",
        "reported",
    ]);
    assert_eq!(filter.origins, ["CN", "IN", "MX"]);
    assert_eq!(filter.statuses.len(), 2);
}

#[test]
fn what_is_not_known_is_refused_with_what_was_meant() {
    for (line, said) in [
        (["--origin", "Chian"], "did you mean China (CN)?"),
        (["--origin", "CN,Mexcio"], "did you mean Mexico (MX)?"),
        (["--origin", "EU"], "there is no country `EU`"),
        (["--status", "atributed"], "attributed"),
        (["--class", "fentanil"], "fentanyl"),
        (["--conveyance", "post"], "possible values"),
        (["--obstacle", "origin-basic"], "origin-basis"),
        (["--agency", "US DEA"], "--agency"),
        (["--from", "2017-02-30"], "there is no day"),
        (["--from", "1.3.2017"], "YYYY-MM-DD"),
        (["--recorded-from", "2017"], "neither a date nor a time"),
        (["--min-mass", "10"], "kg, g, mg"),
        (["--min-mass", "ten kg"], "no mass"),
        (["--digest", "abcd"], "64, 96 or 128"),
        (["--digest", "xyz"], "not hexadecimal"),
        (["--substance", " "], "empty"),
    ] {
        let error = parse(&line).unwrap_err().to_string();
        assert!(error.contains(said), "{line:?}: {error}");
    }
    let mixed = format!("sha512:{}", "ab".repeat(32));
    assert!(
        parse(&["--digest", &mixed])
            .unwrap_err()
            .to_string()
            .contains("length of sha256")
    );
}

#[test]
fn masses_become_micrograms_exactly() {
    for (text, micrograms) in [
        ("10kg", 10_000_000_000),
        ("500 g", 500_000_000),
        ("1.5lb", 680_388_555),
        ("1 KG", 1_000_000_000),
        ("0.5t", 500_000_000_000),
        ("1oz", 28_349_523),
        ("25mg", 25_000),
        ("7ug", 7),
    ] {
        assert_eq!(
            read(&["--min-mass", text]).min_mass_micrograms,
            micrograms,
            "{text}"
        );
    }
}

#[test]
fn a_digest_is_told_by_its_length_or_made_from_a_file() {
    for (algorithm, bytes) in [
        (DigestAlgorithm::Sha256, 32),
        (DigestAlgorithm::Sha384, 48),
        (DigestAlgorithm::Sha512, 64),
    ] {
        let text = "0F".repeat(bytes);
        let filter = read(&["--digest", &text]);
        assert_eq!(filter.evidence_digests[0].algorithm(), algorithm);
    }
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("report.pdf");
    fs::write(&file, "abc").unwrap();
    let path = file.to_str().unwrap();
    let named = format!("SHA-256:{}", "00".repeat(32));
    let filter = read(&["--evidence", path, "--digest", &named]);
    assert_eq!(filter.evidence_digests.len(), 2);
    // FIPS 180-4's example.
    let value = hex::encode(&filter.evidence_digests[1].value);
    assert_eq!(
        value,
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    );
    assert!(
        parse(&["--evidence", "no/such/file"])
            .unwrap()
            .read()
            .is_err()
    );
}

#[test]
fn flags_replace_fields_of_the_file_and_leave_the_others() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("filter.toml");
    fs::write(
        &file,
        "origins = [\"MX\", \"IN\"]\nminMassMicrograms = 5\ntext = \"ink\"\n",
    )
    .unwrap();
    let path = file.to_str().unwrap();
    let filter = read(&["--filter", path, "--origin", "CN", "--min-mass", "0g"]);
    assert_eq!(
        (filter.origins.as_slice(), filter.text.as_str()),
        (&["CN".to_owned()][..], "ink")
    );
    assert_eq!(filter.min_mass_micrograms, 0);
    // Every field can be replaced: the flags' own filter comes back over one that has all fields set otherwise.
    let mut other = read(&every_flag());
    let before = other.clone();
    other.agencies = vec!["agencies/x".into()];
    other.min_mass_micrograms = 1;
    other.text = "other".into();
    let json = json::to_value("casebroker.v1.CaseFilter", &other).unwrap();
    fs::write(&file, json.to_string()).unwrap();
    let line = [&["--filter", path][..], &every_flag()].concat();
    assert_eq!(read(&line), before);
}

#[test]
fn the_command_of_a_filter_makes_the_same_filter_in_a_shell() {
    let mut filter = read(&every_flag());
    filter.text = "-minus 'quoted' $HOME `date` \"x\" \\ 芬太尼".into();
    filter.organizations.push("--status".into());
    let words = flags(&filter);
    let back =
        Line::try_parse_from(["casectl".to_owned()].into_iter().chain(words.clone())).unwrap();
    assert_eq!(back.filter.read().unwrap(), filter);
    for width in [None, Some(80), Some(40)] {
        let script = format!("printf '%s\\0' {}", command(&words, width).join("\n"));
        let output = Command::new("sh").arg("-c").arg(script).output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        let said: Vec<_> = said.trim_end_matches('\0').split('\0').collect();
        assert_eq!(said, words, "{width:?}");
    }
    use unicode_width::UnicodeWidthStr as _;
    let lines = command(&words, Some(100));
    assert!(
        lines.len() > 3 && lines.iter().all(|line| line.width() <= 100),
        "{lines:#?}"
    );
}
