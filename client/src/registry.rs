//! Who is who: members, groups, and every update of the registry that the log holds.

use crate::{
    Client,
    connection::{MAX_ANSWER_BYTES, Transport},
    error::ClientError,
};
use casebroker_proto::v1::{
    Group, ListGroupsRequest, ListMembersRequest, ListRegistryUpdatesRequest, Member,
    RecordedRegistryUpdate, registry_service_client::RegistryServiceClient,
};

/// Entries of a page.
const PAGE: i32 = 200;

/// Follows the pages of a listing to its end. The registry is small: an operator's work, not a caller's.
macro_rules! all_pages {
    ($client:expr, $method:ident, $request:ident, $items:ident) => {{
        let mut all = Vec::new();
        let mut request = $request {
            page_size: PAGE,
            page_token: String::new(),
        };
        loop {
            let call = |channel| {
                let request = request.clone();
                async move { registry(channel).$method(request).await }
            };
            let page = $client.connection.call(call).await?;
            all.extend(page.$items);
            if page.next_page_token.is_empty() {
                return Ok(all);
            }
            request.page_token = page.next_page_token;
        }
    }};
}

impl Client {
    /// Members as they are now, by name.
    pub async fn members(&self) -> Result<Vec<Member>, ClientError> {
        all_pages!(self, list_members, ListMembersRequest, members)
    }

    /// Groups as they are now, by name.
    pub async fn groups(&self) -> Result<Vec<Group>, ClientError> {
        all_pages!(self, list_groups, ListGroupsRequest, groups)
    }

    /// Every update of the registry since the log began, oldest first. Each is an entry of the log: [`Client::receipt`] proves it.
    pub async fn registry_updates(&self) -> Result<Vec<RecordedRegistryUpdate>, ClientError> {
        all_pages!(
            self,
            list_registry_updates,
            ListRegistryUpdatesRequest,
            updates
        )
    }
}

fn registry(channel: Transport) -> RegistryServiceClient<Transport> {
    RegistryServiceClient::new(channel).max_decoding_message_size(MAX_ANSWER_BYTES)
}
