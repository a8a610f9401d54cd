//! Which cases, in commands that have a `--from` or `--to` of their own: the dates of the incident have longer names there.

use casebroker_proto::v1::CaseFilter;
use clap::{ArgMatches, Args, Command, Error, FromArgMatches};

use super::FilterArgs;
use crate::failure::Result;

/// The filter's flags, with `--incident-from` and `--incident-to` in place of `--from` and `--to`.
#[derive(Debug, Default, Clone)]
pub struct Selection(FilterArgs);

const RENAMED: [(&str, &str); 2] = [("from", "incident-from"), ("to", "incident-to")];

impl Selection {
    /// The filter.
    pub fn read(&self) -> Result<CaseFilter> {
        self.0.read()
    }
}

impl Args for Selection {
    fn augment_args(command: Command) -> Command {
        RENAMED
            .iter()
            .fold(FilterArgs::augment_args(command), |command, (id, long)| {
                command.mut_arg(id, |arg| arg.long(*long))
            })
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Selection {
    fn from_arg_matches(matches: &ArgMatches) -> std::result::Result<Self, Error> {
        FilterArgs::from_arg_matches(matches).map(Self)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> std::result::Result<(), Error> {
        self.0.update_from_arg_matches(matches)
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        which: Selection,
    }

    #[test]
    fn the_dates_of_the_incident_have_longer_names() {
        let line = [
            "x",
            "--incident-from",
            "2017",
            "--incident-to",
            "2018",
            "--agency",
            "us-cbp",
        ];
        let filter = Line::parse_from(line).which.read().unwrap();
        assert_eq!(filter.incident_start_date.unwrap().year, 2017);
        assert_eq!(filter.incident_end_date.unwrap().year, 2018);
        assert_eq!(filter.agencies, ["agencies/us-cbp"]);
        assert!(Line::try_parse_from(["x", "--from", "2017"]).is_err());
    }
}
