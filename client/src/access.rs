//! Reading the access record, as an auditor.

use casebroker_proto::v1::{AccessRecordFilter, ListAccessRecordsRequest};

use crate::{Client, Order, ask::Pages};

/// Pages of the access record.
pub type AccessPages<'a> = Pages<'a, ListAccessRecordsRequest>;

impl Client {
    /// Lines that principals of this auditor's agency left. `page_size` is 1 to 1,000, 0 for the broker's default.
    pub fn list_access_records(
        &self,
        filter: AccessRecordFilter,
        order: Order,
        page_size: u16,
    ) -> AccessPages<'_> {
        self.pages(ListAccessRecordsRequest {
            filter: Some(filter),
            page_size: page_size.into(),
            page_token: String::new(),
            order_by: match order {
                Order::Newest => "sequence desc".into(),
                Order::Oldest => "sequence".into(),
            },
        })
    }
}
