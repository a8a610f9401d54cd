//! `RegistryService`.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use casebroker_proto::{
    errors::Reason,
    names::AgencyName,
    statement::{Content, open_entry},
    v1::{
        GetCallerRequest, GetCallerResponse, GetMemberRequest, GetMemberResponse, Group,
        ListGroupsRequest, ListGroupsResponse, ListMembersRequest, ListMembersResponse,
        ListRegistryUpdatesRequest, ListRegistryUpdatesResponse, Member, RecordedRegistryUpdate,
        registry_service_server::RegistryService,
    },
};
use prost::Message;
use tonic::{Request, Response, Status};

use super::{Rooms, authorize, cases::MAX_PAGE_BYTES, page_token::page_size, status};
use crate::policy::Method;

/// Entries that a page has when nothing is asked.
const PAGE: usize = 50;

#[tonic::async_trait]
impl RegistryService for Rooms {
    async fn list_members(
        &self,
        request: Request<ListMembersRequest>,
    ) -> Result<Response<ListMembersResponse>, Status> {
        authorize(&request, Method::ListMembers)?;
        let request = request.into_inner();
        let page_size = page_size(request.page_size, PAGE)?;
        let after = open_token(&request.page_token)?;
        let registry = self.membership.now();
        let rest = registry.members_after(&after).cloned();
        let (members, next_page_token) = page(rest, page_size, |m: &Member| m.name.clone());
        Ok(Response::new(ListMembersResponse {
            members,
            next_page_token,
        }))
    }

    async fn get_member(
        &self,
        request: Request<GetMemberRequest>,
    ) -> Result<Response<GetMemberResponse>, Status> {
        authorize(&request, Method::GetMember)?;
        let name = request.into_inner().name;
        let agency: AgencyName = name.parse().map_err(|e| status::invalid_field("name", e))?;
        match self.membership.now().member(&agency) {
            Some(member) => Ok(Response::new(GetMemberResponse {
                member: Some(member.clone()),
            })),
            None => Err(status::refuse(
                Reason::MemberNotFound,
                &format!("there is no member `{agency}`"),
            )),
        }
    }

    async fn list_groups(
        &self,
        request: Request<ListGroupsRequest>,
    ) -> Result<Response<ListGroupsResponse>, Status> {
        authorize(&request, Method::ListGroups)?;
        let request = request.into_inner();
        let page_size = page_size(request.page_size, PAGE)?;
        let after = open_token(&request.page_token)?;
        let registry = self.membership.now();
        let rest = registry.groups_after(&after).cloned();
        let (groups, next_page_token) = page(rest, page_size, |g: &Group| g.name.clone());
        Ok(Response::new(ListGroupsResponse {
            groups,
            next_page_token,
        }))
    }

    async fn list_registry_updates(
        &self,
        request: Request<ListRegistryUpdatesRequest>,
    ) -> Result<Response<ListRegistryUpdatesResponse>, Status> {
        let caller = authorize(&request, Method::ListRegistryUpdates)?;
        let request = request.into_inner();
        let page_size = page_size(request.page_size, PAGE)?;
        let after = open_token(&request.page_token)?;
        let from: u64 = match after.as_str() {
            "" => 0,
            number => number.parse().map_err(|_| wrong_token())?,
        };
        self.read(caller, move |rooms| {
            let registry = rooms.membership.now();
            let first = registry.updates().partition_point(|p| *p < from);
            let positions = registry.updates().get(first..).unwrap_or_default();
            let mut updates = Vec::new();
            let mut bytes = 0;
            let mut next_page_token = String::new();
            for position in positions {
                let update = rooms.registry_update(*position)?;
                bytes += update.encoded_len() + 8;
                let full = updates.len() >= page_size || bytes > MAX_PAGE_BYTES;
                if full && !updates.is_empty() {
                    next_page_token = seal_token(&position.to_string());
                    break;
                }
                updates.push(update);
            }
            Ok(Response::new(ListRegistryUpdatesResponse {
                updates,
                next_page_token,
            }))
        })
        .await
    }

    async fn get_caller(
        &self,
        request: Request<GetCallerRequest>,
    ) -> Result<Response<GetCallerResponse>, Status> {
        let caller = authorize(&request, Method::GetCaller)?;
        Ok(Response::new(GetCallerResponse {
            principal: caller.principal_text.clone(),
            agency: caller.principal.agency.to_string(),
            role: caller.principal.role.to_string(),
            certificate_serial: caller.serial.clone(),
            broker_version: env!("CARGO_PKG_VERSION").into(),
            log_origin: self.log.identity.origin.clone(),
            log_vkey: self.log.identity.verifier.to_string(),
            tls: caller.tls.clone(),
            tls_group: caller.tls_group.into(),
        }))
    }
}

impl Rooms {
    fn registry_update(&self, position: u64) -> Result<RecordedRegistryUpdate, Status> {
        let entry = self.cases.recorded(position)?;
        match open_entry(&entry).map_err(|e| status::internal(&e))? {
            (entry, Content::RegistryUpdate(update)) => Ok(RecordedRegistryUpdate {
                position,
                record_time: entry.record_time,
                update: Some(*update),
            }),
            (_, Content::Statement(_)) => Err(status::internal(&"no update of the registry")),
        }
    }
}

/// As many as fit, and the token for the rest: the name of the last one shown. A name is no secret to anybody who may list.
fn page<T: Message>(
    mut rest: impl Iterator<Item = T>,
    page_size: usize,
    name: impl Fn(&T) -> String,
) -> (Vec<T>, String) {
    let mut shown: Vec<T> = Vec::new();
    let mut bytes = 0;
    let mut more = false;
    for item in rest.by_ref() {
        bytes += item.encoded_len() + 8;
        if !shown.is_empty() && (shown.len() >= page_size || bytes > MAX_PAGE_BYTES) {
            more = true;
            break;
        }
        shown.push(item);
    }
    let last = shown.last().filter(|_| more);
    let token = last.map(|item| seal_token(&name(item)));
    (shown, token.unwrap_or_default())
}

fn seal_token(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(text)
}

fn open_token(token: &str) -> Result<String, Status> {
    let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| wrong_token())?;
    String::from_utf8(bytes).map_err(|_| wrong_token())
}

fn wrong_token() -> Status {
    status::refuse(
        Reason::PageTokenInvalid,
        "page_token: not a token of this listing",
    )
}
