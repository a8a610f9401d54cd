//! Quotas: what one principal and one whole agency may take, so that nobody can take everything.

use std::{collections::BTreeMap, num::NonZeroUsize, thread, time::Duration};

use serde::Deserialize;

use super::{Range, number};

/// What principals and agencies may take. Every principal has its own quota, and all of an agency's share the agency's.
#[derive(Debug, Clone, Deserialize)]
#[serde(from = "Section")]
pub struct Quotas {
    /// How long a call waits for its turn before it is refused, milliseconds, 0 to 10,000. A refusal comes after the same wait.
    pub wait_ms: u64,
    /// How much of a rate may come at once: so many milliseconds' worth, 1 to 10,000.
    pub burst_ms: u64,
    /// How long a connection over its quota is kept waiting before it is closed, milliseconds, 0 to 10,000.
    pub refused_connection_ms: u64,
    /// Most principals remembered, 64 to 1,000,000. Those with nothing open make room.
    pub principals: usize,
    /// Most statements of one agency in the sequencer's queue, 1 to 65,536.
    pub agency_queue_entries: usize,
    /// Statements of one agency that are being checked at once, 0 to 1,024; 0 for as many as there are cores.
    pub agency_checks: usize,
    /// Most reading calls of one agency at once, 1 to 1,024.
    pub agency_readers: usize,
    /// Most calls of one agency at once that read much, 1 to 256.
    pub agency_scans: usize,
    /// Each principal of role `system`.
    pub system: Quota,
    /// Each principal of another role.
    pub officer: Quota,
    /// Each agency, all of its principals together.
    pub agency: Quota,
    /// Agencies by their ids with a quota of their own.
    pub agencies: BTreeMap<String, Quota>,
}

/// What one principal, or one agency, may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// Calls a second, and statements of streams, 1 to 1,000,000.
    pub requests_per_s: u32,
    /// Bytes of requests a second, 16 KiB to 1 GiB.
    pub bytes_per_s: u32,
    /// Calls in work at once, 1 to 65,536.
    pub calls: usize,
    /// Open streams, 1 to 4,096.
    pub streams: usize,
    /// Open connections, 1 to 65,536.
    pub connections: usize,
    /// New connections a second, 1 to 10,000.
    pub connections_per_s: u32,
}

/// The section as written: what is left out is the default.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Section {
    wait_ms: Option<u64>,
    burst_ms: Option<u64>,
    refused_connection_ms: Option<u64>,
    principals: Option<usize>,
    agency_queue_entries: Option<usize>,
    agency_checks: Option<usize>,
    agency_readers: Option<usize>,
    agency_scans: Option<usize>,
    system: Part,
    officer: Part,
    agency: Part,
    agencies: BTreeMap<String, Part>,
}

/// One quota as written.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Part {
    requests_per_s: Option<u32>,
    bytes_per_s: Option<u32>,
    calls: Option<usize>,
    streams: Option<usize>,
    connections: Option<usize>,
    connections_per_s: Option<u32>,
}

impl Default for Quotas {
    fn default() -> Self {
        Self {
            wait_ms: 250,
            burst_ms: 10,
            refused_connection_ms: 1_000,
            principals: 4_096,
            agency_queue_entries: 64,
            agency_checks: 0,
            agency_readers: 8,
            agency_scans: 1,
            // One system leaves its agency's officers a fifth.
            system: Quota {
                requests_per_s: 4_000,
                bytes_per_s: 12 << 20,
                calls: 192,
                streams: 12,
                connections: 48,
                connections_per_s: 20,
            },
            officer: Quota {
                requests_per_s: 50,
                bytes_per_s: 1 << 20,
                calls: 16,
                streams: 4,
                connections: 8,
                connections_per_s: 10,
            },
            agency: Quota {
                requests_per_s: 5_000,
                bytes_per_s: 16 << 20,
                calls: 256,
                streams: 16,
                connections: 64,
                connections_per_s: 40,
            },
            agencies: BTreeMap::new(),
        }
    }
}

impl From<Section> for Quotas {
    fn from(section: Section) -> Self {
        let default = Self::default();
        let agency = section.agency.over(default.agency);
        Self {
            wait_ms: section.wait_ms.unwrap_or(default.wait_ms),
            burst_ms: section.burst_ms.unwrap_or(default.burst_ms),
            refused_connection_ms: section
                .refused_connection_ms
                .unwrap_or(default.refused_connection_ms),
            principals: section.principals.unwrap_or(default.principals),
            agency_queue_entries: section
                .agency_queue_entries
                .unwrap_or(default.agency_queue_entries),
            agency_checks: section.agency_checks.unwrap_or(default.agency_checks),
            agency_readers: section.agency_readers.unwrap_or(default.agency_readers),
            agency_scans: section.agency_scans.unwrap_or(default.agency_scans),
            system: section.system.over(default.system),
            officer: section.officer.over(default.officer),
            agency,
            agencies: section
                .agencies
                .into_iter()
                .map(|(id, part)| (id, part.over(agency)))
                .collect(),
        }
    }
}

impl Part {
    fn over(self, base: Quota) -> Quota {
        Quota {
            requests_per_s: self.requests_per_s.unwrap_or(base.requests_per_s),
            bytes_per_s: self.bytes_per_s.unwrap_or(base.bytes_per_s),
            calls: self.calls.unwrap_or(base.calls),
            streams: self.streams.unwrap_or(base.streams),
            connections: self.connections.unwrap_or(base.connections),
            connections_per_s: self.connections_per_s.unwrap_or(base.connections_per_s),
        }
    }
}

impl Quotas {
    /// How long a call waits for its turn.
    pub fn wait(&self) -> Duration {
        Duration::from_millis(self.wait_ms)
    }

    /// Worth of time of a rate that may come at once.
    pub fn burst(&self) -> Duration {
        Duration::from_millis(self.burst_ms)
    }

    /// How long a refused connection is kept waiting.
    pub fn refused_connection(&self) -> Duration {
        Duration::from_millis(self.refused_connection_ms)
    }

    /// Statements of one agency that are being checked at once.
    pub fn agency_checks(&self) -> usize {
        match self.agency_checks {
            0 => thread::available_parallelism().map_or(1, NonZeroUsize::get),
            checks => checks,
        }
    }

    #[rustfmt::skip]
    pub(super) fn ranges(&self) -> Vec<Range> {
        let mut ranges = vec![
            number("quotas.wait_ms", self.wait_ms, 0, 10_000),
            number("quotas.burst_ms", self.burst_ms, 1, 10_000),
            number("quotas.refused_connection_ms", self.refused_connection_ms, 0, 10_000),
            number("quotas.principals", self.principals as u64, 64, 1_000_000),
            number("quotas.agency_queue_entries", self.agency_queue_entries as u64, 1, 65_536),
            number("quotas.agency_checks", self.agency_checks as u64, 0, 1_024),
            number("quotas.agency_readers", self.agency_readers as u64, 1, 1_024),
            number("quotas.agency_scans", self.agency_scans as u64, 1, 256),
        ];
        let agencies = self.agencies.iter().map(|(id, quota)| (format!("agencies.{id}"), quota));
        let all = [("system", &self.system), ("officer", &self.officer), ("agency", &self.agency)];
        for (section, q) in all.map(|(name, quota)| (name.to_owned(), quota)).into_iter().chain(agencies) {
            let key = |name: &str| format!("quotas.{section}.{name}");
            ranges.extend([
                number(key("requests_per_s"), q.requests_per_s.into(), 1, 1_000_000),
                number(key("bytes_per_s"), q.bytes_per_s.into(), 16 << 10, 1 << 30),
                number(key("calls"), q.calls as u64, 1, 65_536),
                number(key("streams"), q.streams as u64, 1, 4_096),
                number(key("connections"), q.connections as u64, 1, 65_536),
                number(key("connections_per_s"), q.connections_per_s.into(), 1, 10_000),
            ]);
        }
        ranges
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Quotas {
        toml::from_str(text).unwrap()
    }

    #[test]
    fn what_is_left_out_of_an_agencys_quota_is_that_of_every_agency() {
        let quotas = parse("[agency]\ncalls = 7\n[agencies.us-cbp]\nrequests_per_s = 9\n");
        let cbp = quotas.agencies["us-cbp"];
        assert_eq!((cbp.requests_per_s, cbp.calls), (9, 7));
        assert_eq!(cbp.streams, Quotas::default().agency.streams);
        assert_eq!(
            quotas.agency.requests_per_s,
            Quotas::default().agency.requests_per_s
        );
    }

    #[test]
    fn an_unknown_quota_is_an_error() {
        assert!(toml::from_str::<Quotas>("[agencies.us-cbp]\ncolour = 1\n").is_err());
        assert!(toml::from_str::<Quotas>("[agencies]\nrequests_per_s = 1\n").is_err());
    }

    #[test]
    fn the_defaults_are_within_their_ranges_and_no_principal_has_more_than_its_agency() {
        let quotas = Quotas::default();
        assert!(quotas.ranges().iter().all(|range| range.holds));
        for own in [quotas.system, quotas.officer] {
            assert!(own.requests_per_s <= quotas.agency.requests_per_s);
            assert!(own.bytes_per_s <= quotas.agency.bytes_per_s);
            assert!(own.calls <= quotas.agency.calls && own.streams <= quotas.agency.streams);
            assert!(own.connections <= quotas.agency.connections);
        }
    }
}
