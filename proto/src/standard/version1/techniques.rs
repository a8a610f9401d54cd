//! Techniques of a laboratory: their categories, and how many of which are enough.

use super::denials::Stated;
use crate::v1::{LaboratoryFinding, SubstanceIdentity, Technique};

/// The minimum of SWGDRUG Part IIIB, 3: a category A technique and one more of any category, or three of which two are
/// category B.
pub(super) fn enough(finding: &LaboratoryFinding, of: Option<Stated<'_>>) -> bool {
    let (mut a, mut b, mut all) = (0, 0, 0);
    for (_, category) in counting(finding, of) {
        all += 1;
        match category {
            'A' => a += 1,
            'B' => b += 1,
            _ => {}
        }
    }
    a >= 1 && all >= 2 || all >= 3 && b >= 2
}

/// The techniques that count for this substance, each once, with their categories.
pub(super) fn counting<'a>(
    finding: &'a LaboratoryFinding,
    of: Option<Stated<'a>>,
) -> impl Iterator<Item = (Technique, char)> + 'a {
    let listed = finding.techniques().enumerate();
    let once = listed.filter(|(i, t)| !finding.techniques().take(*i).any(|before| before == *t));
    once.filter_map(move |(_, technique)| {
        let botanical = technique == Technique::MacroscopicMicroscopicExamination;
        let counts = !botanical || of.is_none_or(|(identity, _)| is_cannabis(identity));
        Some((technique, category(technique).filter(|_| counts)?))
    })
}

/// Category of a technique, SWGDRUG Part IIIB, table 1. The number says it too, but the table is what can be compared.
fn category(technique: Technique) -> Option<char> {
    Some(match technique {
        Technique::Unspecified => return None,
        Technique::InfraredSpectroscopy
        | Technique::MassSpectrometry
        | Technique::NuclearMagneticResonance
        | Technique::RamanSpectroscopy
        | Technique::XRayDiffractometry => 'A',
        Technique::CapillaryElectrophoresis
        | Technique::GasChromatography
        | Technique::IonMobilitySpectrometry
        | Technique::LiquidChromatography
        | Technique::MicrocrystallineTest
        | Technique::SupercriticalFluidChromatography
        | Technique::ThinLayerChromatography
        | Technique::UltravioletVisibleSpectroscopy
        | Technique::MacroscopicMicroscopicExamination => 'B',
        Technique::ColourTest
        | Technique::FluorescenceSpectroscopy
        | Technique::Immunoassay
        | Technique::MeltingPoint
        | Technique::PharmaceuticalIdentifiers => 'C',
    })
}

/// Names and the CAS number of the plant and its products, for which alone its look under a lens says anything.
const CANNABIS: [&str; 8] = [
    "cannabis",
    "cannabis sativa",
    "cannabis resin",
    "marijuana",
    "marihuana",
    "hashish",
    "大麻",
    "8063-14-8",
];

fn is_cannabis(identity: &SubstanceIdentity) -> bool {
    let name = identity.name.trim();
    let mut known = CANNABIS.iter();
    known.any(|word| name.eq_ignore_ascii_case(word) || identity.cas_number == *word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn categories_are_those_of_the_contract() {
        for number in 0..100 {
            let Ok(technique) = Technique::try_from(number) else {
                continue;
            };
            let expected = match number {
                1..20 => Some('A'),
                20..40 => Some('B'),
                40.. => Some('C'),
                _ => None,
            };
            assert_eq!(category(technique), expected, "{technique:?}");
        }
    }
}
