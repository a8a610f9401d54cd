//! Reading the access record, as an auditor.

use casebroker_proto::v1::{
    AccessRecordFilter, ListAccessRecordsRequest, ListAccessRecordsResponse,
    access_service_client::AccessServiceClient,
};

use crate::{Client, Order, connection::MAX_ANSWER_BYTES, error::ClientError};

/// Pages of the access record. The broker may give a page that is short or empty while there are more.
#[derive(Debug)]
pub struct AccessPages<'a> {
    client: &'a Client,
    request: ListAccessRecordsRequest,
    done: bool,
}

impl Client {
    /// Lines that principals of this auditor's agency left. `page_size` is 1 to 1,000, 0 for the broker's default.
    pub fn list_access_records(
        &self,
        filter: AccessRecordFilter,
        order: Order,
        page_size: u16,
    ) -> AccessPages<'_> {
        AccessPages {
            client: self,
            request: ListAccessRecordsRequest {
                filter: Some(filter),
                page_size: page_size.into(),
                page_token: String::new(),
                order_by: match order {
                    Order::Newest => "sequence desc".into(),
                    Order::Oldest => "sequence".into(),
                },
            },
            done: false,
        }
    }
}

impl AccessPages<'_> {
    /// The next page; none after the last.
    pub async fn next_page(&mut self) -> Result<Option<ListAccessRecordsResponse>, ClientError> {
        if self.done {
            return Ok(None);
        }
        let request = &self.request;
        let page = self
            .client
            .connection
            .call(|channel| {
                let request = request.clone();
                async move {
                    AccessServiceClient::new(channel)
                        .max_decoding_message_size(MAX_ANSWER_BYTES)
                        .list_access_records(request)
                        .await
                }
            })
            .await?;
        self.done = page.next_page_token.is_empty();
        self.request.page_token.clone_from(&page.next_page_token);
        Ok(Some(page))
    }
}
