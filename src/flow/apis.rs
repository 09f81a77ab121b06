//! The registered APIs as the requests of one moment see them. All are in memory: operators make them by hand, and the
//! copies are renewed with those of the clients ([`super::clients`]), at most a second after a change.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::model::api::Api;

/// All registered APIs.
#[derive(Debug, Default)]
pub struct ApiSet {
    by_audience: HashMap<String, Arc<Api>>,
    /// The scope values that belong to some API.
    owned: HashSet<String>,
}

impl ApiSet {
    /// From what is registered.
    pub fn new(apis: Vec<Api>) -> Self {
        let owned = apis.iter().flat_map(|api| api.metadata.scopes.iter().cloned()).collect();
        let by_audience = apis.into_iter().map(|api| (api.audience.clone(), Arc::new(api))).collect();
        Self { by_audience, owned }
    }

    /// The API with this audience.
    pub fn get(&self, audience: &str) -> Option<&Arc<Api>> {
        self.by_audience.get(audience)
    }

    /// All of them, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Api>> {
        self.by_audience.values()
    }

    /// Whether a scope value belongs to any API.
    pub fn is_owned(&self, scope: &str) -> bool {
        self.owned.contains(scope)
    }
}
