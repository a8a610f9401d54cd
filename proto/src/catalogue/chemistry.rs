//! Form of the identifiers of substances: CAS registry numbers and InChIKeys.
//!
//! Form only: whether a number or key is assigned to anything is not known here.

/// Length of an InChIKey in bytes.
pub const INCHIKEY_LEN: usize = 27;

/// Why a text is not a CAS registry number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CasError {
    /// Not two to seven digits, two digits and one digit, with hyphens between.
    #[error(
        "a CAS registry number is 2 to 7 digits without leading zero, `-`, 2 digits, `-`, 1 check digit, such as 59708-52-0"
    )]
    Form,
    /// The last digit does not follow from the others.
    #[error("its check digit is {found} where {expected} follows from the other digits")]
    CheckDigit {
        /// The last digit as written.
        found: u8,
        /// What it would have to be.
        expected: u8,
    },
}

/// Checks a CAS registry number: form, no leading zero (one number has one spelling, so that equal means equal), and the
/// check digit, which is the sum of the other digits, each times its place from the right, modulo 10 (CAS, "Check Digit
/// Verification of CAS Registry Numbers").
pub fn check_cas(text: &str) -> Result<(), CasError> {
    let mut parts = text.split('-');
    let (Some(first), Some(second), Some(last), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(CasError::Form);
    };
    let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    let lengths = (2..=7).contains(&first.len()) && second.len() == 2 && last.len() == 1;
    if !lengths || !digits(first) || !digits(second) || !digits(last) || first.starts_with('0') {
        return Err(CasError::Form);
    }
    let sum: u32 = (first.bytes().chain(second.bytes()).rev())
        .zip(1u32..)
        .map(|(digit, place)| u32::from(digit - b'0') * place)
        .sum();
    let expected = (sum % 10) as u8;
    match last.bytes().next() {
        Some(b) if b - b'0' == expected => Ok(()),
        Some(b) => Err(CasError::CheckDigit {
            found: b - b'0',
            expected,
        }),
        None => Err(CasError::Form),
    }
}

/// True if the text has the shape of an InChIKey of InChI version 1 (InChI Trust, "Technical Manual", InChIKey): 14 upper-case
/// letters, `-`, 8 more, `S` or `N` (standard or not), `A` (version 1), `-`, and one letter for protonation.
pub fn is_inchikey(text: &str) -> bool {
    text.len() == INCHIKEY_LEN
        && text.bytes().enumerate().all(|(i, b)| match i {
            14 | 25 => b == b'-',
            23 => matches!(b, b'S' | b'N'),
            24 => b == b'A',
            _ => b.is_ascii_uppercase(),
        })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn known_cas_numbers_pass() {
        for cas in ["59708-52-0", "437-38-7", "7732-18-5", "58-08-2", "107-07-3"] {
            assert_eq!(check_cas(cas), Ok(()), "{cas}");
        }
    }

    #[test]
    fn cas_numbers_of_another_form_are_refused() {
        for bad in [
            "",
            "-",
            "--",
            "437-38",
            "437-38-7-",
            "437-3-87",
            "4-38-7",
            "43700000-38-7",
            "0437-38-7",
            "437 38 7",
            "437-38-7 ",
            "４３７-38-7",
            "437-38-x",
            "+37-38-7",
        ] {
            assert_eq!(check_cas(bad), Err(CasError::Form), "{bad}");
        }
    }

    #[test]
    fn a_wrong_check_digit_is_named_with_the_right_one() {
        assert_eq!(
            check_cas("76-42-5"),
            Err(CasError::CheckDigit {
                found: 5,
                expected: 6
            })
        );
    }

    #[test]
    fn inchikeys_are_known_by_their_shape() {
        assert!(is_inchikey("YDSDEBIZUNNPOB-UHFFFAOYSA-N"));
        for bad in [
            "",
            "YDSDEBIZUNNPOB-UHFFFAOYSA-",
            "YDSDEBIZUNNPOB-UHFFFAOYSA-NN",
            "ydsdebizunnpob-UHFFFAOYSA-N",
            "YDSDEBIZUNNPOBUUHFFFAOYSA-N",
            "YDSDEBIZUNNPOB-UHFFFAOYXA-N",
            "YDSDEBIZUNNPOB-UHFFFAOYSB-N",
            "YDSDEBIZUNNPO1-UHFFFAOYSA-N",
        ] {
            assert!(!is_inchikey(bad), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn exactly_one_check_digit_fits(first in 10u32..9_999_999, second in 0u32..100) {
            let fits = (0..10).filter(|d| check_cas(&format!("{first}-{second:02}-{d}")).is_ok()).count();
            prop_assert_eq!(fits, 1);
        }
    }
}
