//! From a filter as written to the selection that it means, field by field.

use prost_types::Timestamp;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::{
    Day, GoodsClass, Hindrance, Selection, identifier_key, limits,
    meant::{unknown_name, unknown_word},
    terms::{Terms, Values, digest_text, spaced},
    text_key,
};
use crate::{
    catalogue::{countries, identity::known_substance, substances::Substance},
    errors::Violation,
    google::r#type::Date,
    names::{AgencyName, GroupName},
    v1::{AttributionBasis, CaseFilter, CaseStatus, Conveyance, Digest, FilterTerm, ItemKind},
    validation::{
        Clock,
        checker::{Checker, Path, shown},
        dates::{days_in_month, shown_date},
        limits as of_cases,
    },
};

/// What the registry knows, as every member may read it.
pub trait Known {
    /// Name for people of a member that is or was; none for one that never was.
    fn member(&self, agency: &AgencyName) -> Option<String>;
    /// Members of a group as it is now; none if there is no such group.
    fn group(&self, group: &GroupName) -> Option<Vec<AgencyName>>;
    /// Names of members and groups, `agencies/…` and `groups/…`: what may have been meant by one that is not known.
    fn names(&self) -> Vec<String>;
}

/// A filter as it was understood.
#[derive(Debug, Clone, PartialEq)]
pub struct Compiled {
    /// What it selects.
    pub selection: Selection,
    /// The same for the answer: every field that is set, in the order of the contract. Giving these values again selects the same.
    pub understood: Vec<FilterTerm>,
}

/// Resolves every value of a filter. Every violation is listed, at most 100 and one that counts the rest; their paths begin with
/// `field`, the name of the filter in its request.
pub fn compile(
    filter: &CaseFilter,
    field: &'static str,
    known: &dyn Known,
) -> Result<Compiled, Vec<Violation>> {
    // No rule of a filter looks at the time.
    let mut compiler = Compiler {
        checker: Checker::new(Clock { now: 0 }),
        terms: Terms::default(),
        at: Path::ROOT.field(field),
    };
    let selection = compiler.selection(filter, known);
    let violations = compiler.checker.finish();
    if violations.is_empty() {
        Ok(Compiled {
            selection,
            understood: compiler.terms.into_inner(),
        })
    } else {
        Err(violations)
    }
}

struct Compiler<'a> {
    checker: Checker,
    terms: Terms,
    at: Path<'a>,
}

impl Compiler<'_> {
    fn selection(&mut self, f: &CaseFilter, known: &dyn Known) -> Selection {
        // In the order of the contract, which is that of the terms.
        let agencies = self.agencies(&f.agencies, known);
        let reporting_units = self.texts(
            "reporting_units",
            &f.reporting_units,
            limits::REPORTING_UNITS,
            of_cases::REPORTING_UNIT,
        );
        let countries = self.countries("countries", &f.countries);
        let origins = self.countries("origins", &f.origins);
        let departures = self.countries("departures", &f.departures);
        let transits = self.countries("transits", &f.transits);
        let destinations = self.countries("destinations", &f.destinations);
        let bases = self.enums(
            "bases",
            &f.bases,
            AttributionBasis::as_str_name,
            "ATTRIBUTION_BASIS_",
        );
        let statuses = self.statuses(&f.statuses);
        let (substances, free_substances) = self.substances(&f.substances);
        let classes = self.classes(&f.substance_classes);
        let item_kinds = self.enums(
            "item_kinds",
            &f.item_kinds,
            ItemKind::as_str_name,
            "ITEM_KIND_",
        );
        let conveyances = self.enums(
            "conveyances",
            &f.conveyances,
            Conveyance::as_str_name,
            "CONVEYANCE_",
        );
        let (from_day, to_day) = self.days(f);
        let (recorded_from, recorded_before) = self.times(f);
        Selection {
            agencies,
            reporting_units,
            countries,
            origins,
            departures,
            transits,
            destinations,
            bases,
            statuses,
            substances,
            free_substances,
            classes,
            item_kinds,
            conveyances,
            from_day,
            to_day,
            recorded_from,
            recorded_before,
            min_mass: self.min_mass(f.min_mass_micrograms),
            organizations: self.texts(
                "organizations",
                &f.organizations,
                limits::ORGANIZATIONS,
                of_cases::ORGANIZATION_NAME,
            ),
            identifiers: self.identifiers(&f.identifiers),
            digests: self.digests(&f.evidence_digests),
            text: self.text(&f.text),
            obstacles: self.obstacles(&f.obstacles),
        }
    }

    /// A repeated field: `resolve` adds what an element means, or refuses it.
    fn list<E, T>(
        &mut self,
        name: &'static str,
        elements: &[E],
        max: usize,
        mut resolve: impl FnMut(&mut Checker, &Path<'_>, &E, &mut Values<T>),
    ) -> Vec<T> {
        let mut values = Values::new();
        self.checker
            .each(&self.at, name, elements, max, |checker, at, element| {
                resolve(checker, at, element, &mut values);
            });
        self.terms.add(name, values.said);
        values.meant
    }

    fn agencies(&mut self, names: &[String], known: &dyn Known) -> Vec<AgencyName> {
        self.list("agencies", names, limits::AGENCIES, |c, at, name, found| {
            let mut add = |agency: AgencyName, for_people: String| {
                found.add(agency.to_string(), for_people, agency);
            };
            if let Ok(group) = name.parse::<GroupName>() {
                match known.group(&group) {
                    // A group of nobody would select everything.
                    Some(members) if members.is_empty() => {
                        c.refuse(at, || format!("is {}, which has no members", shown(name)));
                    }
                    Some(members) => members.into_iter().for_each(|member| {
                        let for_people = known.member(&member).unwrap_or_default();
                        add(member, for_people);
                    }),
                    None => unknown_name(c, at, name, known),
                }
                return;
            }
            let agency = name.parse::<AgencyName>().ok();
            match agency.and_then(|agency| Some((known.member(&agency)?, agency))) {
                Some((for_people, agency)) => add(agency, for_people),
                None => unknown_name(c, at, name, known),
            }
        })
    }

    /// Names that are compared by [`text_key`].
    fn texts(
        &mut self,
        field: &'static str,
        texts: &[String],
        max: usize,
        most_chars: usize,
    ) -> Vec<String> {
        self.list(field, texts, max, |c, at, text, found| {
            c.required_line(at, text, most_chars);
            let key = text_key(text);
            found.add(key.clone(), text.trim(), key);
        })
    }

    fn countries(&mut self, field: &'static str, codes: &[String]) -> Vec<&'static str> {
        self.list(
            field,
            codes,
            limits::COUNTRIES,
            |c, at, code, found| match countries::country(code) {
                Some(country) => found.add(country.code, country.name, country.code),
                None => c.required_country(at, code),
            },
        )
    }

    fn enums<E: TryFrom<i32> + Copy>(
        &mut self,
        field: &'static str,
        numbers: &[i32],
        name: fn(&E) -> &'static str,
        prefix: &str,
    ) -> Vec<E> {
        self.list(
            field,
            numbers,
            usize::MAX,
            |c, at, number, found| match E::try_from(*number) {
                Ok(value) if *number != 0 => found.add_enum(value, name(&value), prefix),
                _ => c.required_enum::<E>(at, *number),
            },
        )
    }

    /// An attributed case is a confirmed one.
    fn statuses(&mut self, numbers: &[i32]) -> Vec<CaseStatus> {
        self.list("statuses", numbers, usize::MAX, |c, at, number, found| {
            let mut add = |s: CaseStatus| found.add_enum(s, s.as_str_name(), "CASE_STATUS_");
            match CaseStatus::try_from(*number) {
                Ok(CaseStatus::Unspecified) | Err(_) => c.required_enum::<CaseStatus>(at, *number),
                Ok(CaseStatus::Confirmed) => {
                    add(CaseStatus::Confirmed);
                    add(CaseStatus::Attributed);
                }
                Ok(status) => add(status),
            }
        })
    }

    /// Those of the catalogue, and the names that it does not know.
    fn substances(&mut self, texts: &[String]) -> (Vec<&'static Substance>, Vec<String>) {
        let max = limits::SUBSTANCES;
        let meant = self.list("substances", texts, max, |c, at, text, found| {
            c.required_line(at, text, of_cases::GOODS_NAME);
            let key = text_key(text);
            match known_substance(text).or_else(|| known_substance(&key)) {
                Some(substance) => {
                    found.add(&substance.id, &substance.name, Ok(substance));
                }
                None => found.add(key.clone(), text.trim(), Err(key)),
            }
        });
        let (mut catalogued, mut free) = (Vec::new(), Vec::new());
        for one in meant {
            match one {
                Ok(substance) => catalogued.push(substance),
                Err(key) => free.push(key),
            }
        }
        (catalogued, free)
    }

    fn classes(&mut self, words: &[String]) -> Vec<GoodsClass> {
        let (field, max) = ("substance_classes", limits::CLASSES);
        self.list(field, words, max, |c, at, word, found| {
            let known = GoodsClass::all().map(GoodsClass::as_str);
            match GoodsClass::find(word) {
                Some(class) => found.add(class.as_str(), spaced(class.as_str()), class),
                None => unknown_word(c, at, word, known),
            }
        })
    }

    fn obstacles(&mut self, words: &[String]) -> Vec<Hindrance> {
        let (field, max) = ("obstacles", limits::OBSTACLES);
        self.list(field, words, max, |c, at, word, found| {
            let known = Hindrance::all().map(Hindrance::as_str);
            match Hindrance::find(word) {
                Some(hindrance) => found.add(word, hindrance.sentence(), hindrance),
                None => unknown_word(c, at, word, known),
            }
        })
    }

    fn identifiers(&mut self, texts: &[String]) -> Vec<String> {
        self.list(
            "identifiers",
            texts,
            limits::IDENTIFIERS,
            |c, at, text, found| {
                c.required_line(at, text, of_cases::IDENTIFIER);
                let key = identifier_key(text);
                if key.is_empty() && !text.trim().is_empty() {
                    c.refuse(at, || "has nothing but hyphens and spaces".into());
                }
                found.add(key.clone(), text.trim(), key);
            },
        )
    }

    fn digests(&mut self, digests: &[Digest]) -> Vec<Digest> {
        self.list(
            "evidence_digests",
            digests,
            limits::DIGESTS,
            |c, at, digest, found| {
                c.digest(at, digest);
                found.add(digest_text(digest), "", digest.clone());
            },
        )
    }

    /// First and last day.
    fn days(&mut self, f: &CaseFilter) -> (Option<Day>, Option<Day>) {
        let from = self.date("incident_start_date", f.incident_start_date.as_ref());
        let to = self.date("incident_end_date", f.incident_end_date.as_ref());
        let from = from.map(|Date { year, month, day }| Day::new(year, month.max(1), day.max(1)));
        let to = to.map(|Date { year, month, day }| {
            let month = if month == 0 { 12 } else { month };
            let last = days_in_month(year, month);
            Day::new(year, month, if day == 0 { last } else { day })
        });
        if to.is_some() && from > to {
            let at = self.at.field("incident_end_date");
            self.checker
                .refuse(&at, || "is before incident_start_date".into());
        }
        (from, to)
    }

    fn date(&mut self, field: &'static str, date: Option<&Date>) -> Option<Date> {
        let date = *date?;
        if !self.checker.real_date(&self.at.field(field), &date) {
            return None;
        }
        self.terms.add_one(field, shown_date(&date));
        Some(date)
    }

    /// First time, and the time before which, in nanoseconds since 1970.
    fn times(&mut self, f: &CaseFilter) -> (Option<i128>, Option<i128>) {
        let from = self.time("record_start_time", f.record_start_time.as_ref());
        let before = self.time("record_end_time", f.record_end_time.as_ref());
        if before.is_some() && from >= before {
            let at = self.at.field("record_end_time");
            let why =
                "is not after record_start_time; it is the time before which a case was recorded";
            self.checker.refuse(&at, || why.into());
        }
        (from, before)
    }

    fn time(&mut self, field: &'static str, time: Option<&Timestamp>) -> Option<i128> {
        let time = time?;
        if !self.checker.real_time(&self.at.field(field), time) {
            return None;
        }
        let nanos = i128::from(time.seconds) * 1_000_000_000 + i128::from(time.nanos);
        let shown = OffsetDateTime::from_unix_timestamp_nanos(nanos).ok()?;
        self.terms.add_one(field, shown.format(&Rfc3339).ok()?);
        Some(nanos)
    }

    fn min_mass(&mut self, micrograms: i64) -> Option<i64> {
        let field = "min_mass_micrograms";
        if micrograms < 0 {
            self.checker.refuse(&self.at.field(field), || {
                format!("is {micrograms}; it must be at least 0")
            });
        }
        let given = (micrograms > 0).then_some(micrograms)?;
        self.terms.add_one(field, given.to_string());
        Some(given)
    }

    fn text(&mut self, text: &str) -> Option<String> {
        self.checker
            .optional_prose(&self.at.field("text"), text, limits::TEXT);
        let words = Some(text.trim()).filter(|text| !text.is_empty())?;
        self.terms.add_one("text", words.to_owned());
        Some(words.to_owned())
    }
}
