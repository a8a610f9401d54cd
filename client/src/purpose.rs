//! Puts the purpose of use into the metadata of every call.

use std::sync::Arc;

use casebroker_proto::purpose::{CODE_KEY, Purpose, REFERENCE_KEY};
use tonic::{
    Request, Status,
    metadata::{Ascii, MetadataValue},
    service::Interceptor,
};

/// What is said with every call; nothing if the profile has no purpose. Public within a private module, as it is part of what a
/// public trait is given; nobody outside can name it.
#[derive(Debug, Clone, Default)]
pub struct Said(Option<Arc<Values>>);

#[derive(Debug)]
struct Values {
    code: MetadataValue<Ascii>,
    reference: Option<MetadataValue<Ascii>>,
}

impl Said {
    pub(crate) fn new(purpose: Option<&Purpose>) -> Self {
        let values = purpose.map(|purpose| Values {
            code: MetadataValue::from_static(purpose.code()),
            // Printable ASCII, as a purpose guarantees.
            reference: Some(purpose.reference())
                .filter(|reference| !reference.is_empty())
                .and_then(|reference| reference.parse().ok()),
        });
        Self(values.map(Arc::new))
    }
}

impl Interceptor for Said {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(values) = &self.0 {
            let metadata = request.metadata_mut();
            metadata.insert(CODE_KEY, values.code.clone());
            if let Some(reference) = &values.reference {
                metadata.insert(REFERENCE_KEY, reference.clone());
            }
        }
        Ok(request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_and_reference_go_into_the_metadata_and_nothing_without_a_purpose() {
        let purpose = Purpose::new(Some("audit"), Some("2026/7")).unwrap();
        let request = Said::new(purpose.as_ref()).call(Request::new(())).unwrap();
        assert_eq!(request.metadata().get(CODE_KEY).unwrap(), "audit");
        assert_eq!(request.metadata().get(REFERENCE_KEY).unwrap(), "2026/7");
        let request = Said::default().call(Request::new(())).unwrap();
        assert!(request.metadata().is_empty());
    }
}
