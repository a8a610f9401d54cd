//! Who may see a statement.

use super::{
    checker::{Checker, Path},
    limits,
};
use crate::v1::{Handling, Tlp};

impl Checker {
    /// A handling by itself: its marking, and an audience where the marking needs one.
    pub(super) fn handling(&mut self, at: &Path<'_>, handling: &Handling) {
        self.required_enum::<Tlp>(&at.field("tlp"), handling.tlp);
        let max = limits::AUDIENCE;
        self.each(at, "audience", &handling.audience, max, |c, at, name| {
            c.audience_name(at, name);
        });
        self.each_once(at, "audience", &handling.audience, max);
        if handling.audience.is_empty()
            && let Ok(tlp) = Tlp::try_from(handling.tlp)
            && let Some(marking) = needs_audience(tlp)
        {
            self.refuse(&at.field("audience"), || {
                format!("is required under {marking}: an empty audience means every member, which only TLP:GREEN and TLP:CLEAR allow")
            });
        }
        self.each(
            at,
            "caveats",
            &handling.caveats,
            limits::CAVEATS,
            |c, at, caveat| {
                c.required_line(at, caveat, limits::CAVEAT);
            },
        );
    }

    /// The statement's own handling beside that of the report or release in it: one statement has one.
    pub(super) fn equal_handling(
        &mut self,
        at: &Path<'_>,
        outer: Option<&Handling>,
        inner: Option<&Handling>,
    ) {
        if let (Some(outer), Some(inner)) = (outer, inner)
            && outer != inner
        {
            self.refuse(at, || {
                "differs from the handling within; leave it out, or send exactly the same, in the same order".into()
            });
        }
    }
}

/// The marking's name if it never means every member.
fn needs_audience(tlp: Tlp) -> Option<&'static str> {
    match tlp {
        Tlp::Unspecified | Tlp::Clear | Tlp::Green => None,
        Tlp::Amber => Some("TLP:AMBER"),
        Tlp::AmberStrict => Some("TLP:AMBER+STRICT"),
        Tlp::Red => Some("TLP:RED"),
    }
}
