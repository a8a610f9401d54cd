//! A subscription on the command line.

use casebroker_client::Client;
use casebroker_proto::names::SubscriptionName;

use crate::{failure::Result, stating::own_agency};

/// A subscription as it was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Named {
    /// By its id: of my agency.
    Own(String),
    /// By its resource name.
    Whole(SubscriptionName),
}

impl Named {
    /// Its resource name; asks who I am if only the id was given.
    pub async fn whole(&self, client: &Client) -> Result<String> {
        Ok(match self {
            Self::Whole(name) => name.to_string(),
            Self::Own(id) => format!("{}/subscriptions/{id}", own_agency(client).await?),
        })
    }
}

/// A subscription by its id, of my agency, or by its resource name.
pub fn parse_subscription(text: &str) -> std::result::Result<Named, String> {
    if text.contains('/') {
        let name = text.parse().map(Named::Whole);
        return name.map_err(|e: casebroker_proto::names::NameError| e.to_string());
    }
    // Any agency does, to check the id.
    SubscriptionName::from_ids("agency", text)
        .map(|_| Named::Own(text.to_owned()))
        .map_err(|e| e.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subscription_is_named_in_full_or_by_its_id() {
        assert_eq!(parse_subscription("west"), Ok(Named::Own("west".into())));
        let whole = parse_subscription("agencies/us-dea/subscriptions/west").unwrap();
        assert!(matches!(whole, Named::Whole(name) if name.subscription_id() == "west"));
        for bad in ["", "West", "us-dea/west", "agencies/us-dea/cases/west"] {
            assert!(parse_subscription(bad).is_err(), "{bad}");
        }
    }
}
