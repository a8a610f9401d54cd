//! `casectl catalogue`: substances and control measures, as the broker knows them. No broker is asked: the catalogue is compiled in.

use casebroker_proto::{
    catalogue::{
        identity::find_substance,
        measures::{self, Jurisdiction, Measure, find_measure},
        substances::{self, Substance},
    },
    google::r#type::Date,
};
use clap::Args;
use serde_json::{Value, json};

use crate::{
    failure::{Exit, Failure, Result},
    output::{FAINT, HEADING, Output},
    table::{Column, Layout, wrap},
    words,
};

/// Look up substances and control measures; without a text, list the substances.
#[derive(Debug, Args)]
#[command(after_help = "\
A substance is found by its id, a name or synonym in any language, its CAS number or its InChIKey, and a control measure by its id.
Nothing is guessed: a near miss is told and not taken (exit status 4). What is empty is not known here, which is not the same as not
controlled.

Examples:
  casectl catalogue carfentanil
  casectl catalogue 卡芬太尼 59708-52-0
  casectl catalogue carfentanil-cn-2017
  casectl catalogue --measures
  casectl -o json catalogue | jq -r '.substances[] | [.id, .cnControlDate] | @tsv'")]
pub struct Catalogue {
    /// A substance by any name or number, or the id of a control measure
    #[arg(value_name = "TEXT", conflicts_with = "measures")]
    texts: Vec<String>,
    /// List the control measures instead
    #[arg(long)]
    measures: bool,
}

/// Runs the command.
pub fn run(args: Catalogue, out: &mut Output) -> Result<()> {
    out.no_csv()?;
    if args.texts.is_empty() {
        return match args.measures {
            true => list_measures(out),
            false => list_substances(out),
        };
    }
    let found: Vec<Entry> = args.texts.iter().map(|t| find(t)).collect::<Result<_>>()?;
    if out.is_json() {
        let (substances, measures): (Vec<Entry>, Vec<Entry>) = found
            .into_iter()
            .partition(|e| matches!(e, Entry::Substance(_)));
        let values =
            |entries: Vec<Entry>| entries.into_iter().map(Entry::to_json).collect::<Vec<_>>();
        let (substances, measures) = (values(substances), values(measures));
        return out.document(&json!({"substances": substances, "measures": measures}));
    }
    for (i, entry) in found.iter().enumerate() {
        if i > 0 {
            out.line("")?;
        }
        match entry {
            Entry::Substance(substance) => substance_page(substance, out)?,
            Entry::Measure(measure) => measure_page(measure, out)?,
        }
    }
    Ok(())
}

#[derive(Debug, Clone, Copy)]
enum Entry {
    Substance(&'static Substance),
    Measure(&'static Measure),
}

impl Entry {
    fn to_json(self) -> Value {
        match self {
            Self::Substance(substance) => substance_json(substance),
            Self::Measure(measure) => measure_json(measure),
        }
    }
}

fn find(text: &str) -> Result<Entry> {
    let unknown = match find_substance(text) {
        Ok(substance) => return Ok(Entry::Substance(substance)),
        Err(unknown) => unknown,
    };
    match find_measure(text) {
        Ok(measure) => Ok(Entry::Measure(measure)),
        // A substance was meant, unless only a measure is near.
        Err(measure) => {
            let what = match (unknown.suggestion, measure.suggestion) {
                (None, Some(_)) => measure.to_string(),
                _ => unknown.to_string(),
            };
            let next = "`casectl catalogue` lists the substances, `casectl catalogue --measures` the control measures.";
            Err(Failure::new(Exit::NotFound, what, next))
        }
    }
}

fn substance_page(substance: &'static Substance, out: &mut Output) -> Result<()> {
    let heading = out.paint(HEADING, &substance.name);
    out.line(format_args!("{heading}  {}", substance.id))?;
    let known = |text: &Option<String>| text.clone().unwrap_or_else(|| words::NOT_KNOWN.into());
    field("Class", substance.class.as_str(), out)?;
    field("CAS number", &known(&substance.cas_number), out)?;
    field("InChIKey", &known(&substance.inchikey), out)?;
    if !substance.synonyms.is_empty() {
        field("Also", &substance.synonyms.join("; "), out)?;
    }
    for jurisdiction in Jurisdiction::ALL {
        let measures = measures::of(substance, jurisdiction);
        for measure in measures {
            let text = format!("{}: {} ({})", since(measure), measure.title, measure.id);
            field(jurisdiction.as_str(), &text, out)?;
        }
        if measures.is_empty() {
            field(jurisdiction.as_str(), "no measure is known here", out)?;
        }
    }
    Ok(())
}

fn measure_page(measure: &Measure, out: &mut Output) -> Result<()> {
    let heading = out.paint(HEADING, &measure.title);
    out.line(format_args!("{heading}  {}", measure.id))?;
    field("Jurisdiction", measure.jurisdiction.as_str(), out)?;
    field("In force", &since(measure), out)?;
    field("Source", &measure.source, out)?;
    let names: Vec<_> = measure.substances.iter().map(|s| s.id.as_str()).collect();
    match names.len() {
        0 => field(
            "Substances",
            "none of the catalogue is known to fall under it",
            out,
        ),
        many => field("Substances", &format!("{many}: {}", names.join(", ")), out),
    }
}

fn list_substances(out: &mut Output) -> Result<()> {
    if out.is_json() {
        let all: Vec<_> = substances::all().iter().map(substance_json).collect();
        return out.document(&json!({ "substances": all }));
    }
    let row = |s: &Substance| {
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        let china = s.cn_control_date.as_ref();
        vec![
            s.id.clone(),
            s.class.as_str().to_owned(),
            text(&s.cas_number),
            china.map_or_else(String::new, |date| words::date(Some(date))),
            text(&s.us_schedule),
            s.un_schedules.join(" "),
        ]
    };
    let rows: Vec<_> = substances::all().iter().map(row).collect();
    let columns = [
        Column::whole("ID"),
        Column::whole("CLASS"),
        Column::whole("CAS"),
        Column::whole("CN SINCE"),
        Column::whole("US"),
        Column::whole("UN"),
    ];
    table(&columns, &rows, out)
}

fn list_measures(out: &mut Output) -> Result<()> {
    if out.is_json() {
        let all: Vec<_> = measures::all().iter().map(measure_json).collect();
        return out.document(&json!({ "measures": all }));
    }
    let row = |m: &Measure| {
        vec![
            m.id.clone(),
            since(m),
            m.substances.len().to_string(),
            m.title.clone(),
        ]
    };
    let rows: Vec<_> = measures::all().iter().map(row).collect();
    let columns = [
        Column::whole("ID"),
        Column::whole("IN FORCE"),
        Column::number("SUBSTANCES"),
        Column::flexible("WHAT", 20),
    ];
    table(&columns, &rows, out)
}

fn table(columns: &[Column], rows: &[Vec<String>], out: &mut Output) -> Result<()> {
    let layout = Layout::fit(columns, rows, out.width);
    let heading = out.paint(FAINT, layout.heading());
    out.line(heading)?;
    for row in rows {
        out.line(layout.row(row))?;
    }
    Ok(())
}

/// Since when a measure is in force, as exactly as it is known.
fn since(measure: &Measure) -> String {
    let date = |date: &Date| words::date(Some(date));
    match (&measure.not_before, &measure.at_latest) {
        (Some(from), Some(to)) if from == to => format!("since {}", date(from)),
        (Some(from), Some(to)) => format!("since some day from {} to {}", date(from), date(to)),
        (None, Some(to)) => format!("since {} or before", date(to)),
        (Some(from), None) => format!("since {} or later", date(from)),
        (None, None) => "since when is not known here".to_owned(),
    }
}

fn substance_json(substance: &'static Substance) -> Value {
    let measures = Jurisdiction::ALL
        .into_iter()
        .flat_map(|jurisdiction| measures::of(substance, jurisdiction))
        .map(|measure| measure.id.as_str());
    json!({
        "id": substance.id,
        "name": substance.name,
        "class": substance.class.as_str(),
        "casNumber": substance.cas_number,
        "inchikey": substance.inchikey,
        "synonyms": substance.synonyms,
        "cnControlDate": substance.cn_control_date.as_ref().map(|d| words::date(Some(d))),
        "usSchedule": substance.us_schedule,
        "unSchedules": substance.un_schedules,
        "measures": measures.collect::<Vec<_>>(),
    })
}

fn measure_json(measure: &Measure) -> Value {
    let date = |date: &Option<Date>| date.as_ref().map(|d| words::date(Some(d)));
    let substances = measure.substances.iter().map(|s| s.id.as_str());
    json!({
        "id": measure.id,
        "jurisdiction": measure.jurisdiction.as_str(),
        "notBefore": date(&measure.not_before),
        "atLatest": date(&measure.at_latest),
        "effectiveDate": date(&measure.effective_date()),
        "title": measure.title,
        "source": measure.source,
        "class": measure.class.map(|class| class.as_str()),
        "substances": substances.collect::<Vec<_>>(),
    })
}

fn field(label: &str, text: &str, out: &mut Output) -> Result<()> {
    const LABEL: usize = 14;
    let width = out.width.unwrap_or(120).min(120);
    for (i, line) in wrap(text, width.saturating_sub(LABEL)).iter().enumerate() {
        let label = if i == 0 { label } else { "" };
        let label = out.paint(FAINT, format_args!("{label:<LABEL$}"));
        out.line(format_args!("{label}{line}"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn substances_and_measures_are_found_by_one_word() {
        assert!(matches!(find("卡芬太尼").unwrap(), Entry::Substance(s) if s.id == "carfentanil"));
        assert!(matches!(
            find("nitazenes-cn-2025").unwrap(),
            Entry::Measure(_)
        ));
        let missed = find("Carfentanyl").unwrap_err();
        assert_eq!(missed.exit, Exit::NotFound);
        assert!(
            missed.what.contains("did you mean Carfentanil"),
            "{}",
            missed.what
        );
        let missed = find("nitazene-cn-2025").unwrap_err();
        assert!(missed.what.contains("nitazenes-cn-2025"), "{}", missed.what);
    }

    #[test]
    fn since_when_is_said_as_exactly_as_it_is_known() {
        for (id, expected) in [
            ("carfentanil-cn-2017", "since 2017-03-01"),
            (
                "carfentanil-un-2018",
                "since some day from 2018-03 to 2019-03",
            ),
            ("fentanyl-un-1964", "since 1964 or before"),
            ("ketamine-us", "since when is not known here"),
        ] {
            assert_eq!(since(find_measure(id).unwrap()), expected, "{id}");
        }
    }

    #[test]
    fn every_entry_has_a_json_form() {
        for substance in substances::all() {
            assert_eq!(substance_json(substance)["id"], *substance.id);
        }
        let measure = find_measure("carfentanil-cn-2017").unwrap();
        assert_eq!(measure_json(measure)["effectiveDate"], "2017-03-01");
        assert_eq!(measure_json(measure)["substances"], json!(["carfentanil"]));
    }
}
