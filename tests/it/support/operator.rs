//! What an operator does, through the flows that the command line and the administration API call.

use serde_json::Value;
use signet::flow::admin::apis::{self, ApiChange, CreateApi};
use signet::flow::admin::clients::{self, CreateClient, MetadataChange, RotatedSecret};
use signet::flow::admin::{By, api_keys, audit, sessions, users};
use signet::flow::logout::LoggedOut;
use signet::model::audit::{AuditEntry, Origin};
use signet::oauth::api_metadata::ApiMetadata;
use signet::oauth::client_metadata::ClientMetadata;
use signet::secret::{ClientId, Password, UserId};

use super::server::Server;

impl Server {
    /// Registers a client; its secret, if it has one.
    pub(crate) async fn create_client(&self, id: &str, metadata: Value) -> Option<String> {
        let origin = Origin::default();
        let metadata = ClientMetadata::from_json(&metadata).unwrap();
        let create = CreateClient { id: Some(id.to_owned()), metadata };
        let created = clients::create(&self.op, &self.by(&origin), create).await.unwrap();
        created.secret.map(|secret| secret.reveal().to_owned())
    }

    /// Changes a client by a merge patch.
    pub(crate) async fn patch_client(&self, id: &str, patch: Value) {
        let origin = Origin::default();
        let change = MetadataChange::Merge(patch);
        clients::update(&self.op, &self.by(&origin), &ClientId::from(id), &change, None).await.unwrap();
    }

    /// Registers an API.
    pub(crate) async fn create_api(&self, audience: &str, metadata: Value) {
        let origin = Origin::default();
        let metadata = ApiMetadata::from_json(&metadata).unwrap();
        let create = CreateApi { audience: audience.to_owned(), metadata };
        apis::create(&self.op, &self.by(&origin), create).await.unwrap();
    }

    /// Changes an API by a merge patch.
    pub(crate) async fn patch_api(&self, audience: &str, patch: Value) {
        let origin = Origin::default();
        let change = ApiChange::Merge(patch);
        apis::update(&self.op, &self.by(&origin), audience, &change, None).await.unwrap();
    }

    pub(crate) async fn disable_client(&self, id: &str) {
        let origin = Origin::default();
        clients::disable(&self.op, &self.by(&origin), &ClientId::from(id)).await.unwrap();
    }

    pub(crate) async fn enable_client(&self, id: &str) {
        let origin = Origin::default();
        clients::enable(&self.op, &self.by(&origin), &ClientId::from(id)).await.unwrap();
    }

    pub(crate) async fn delete_client(&self, id: &str) {
        let origin = Origin::default();
        clients::delete(&self.op, &self.by(&origin), &ClientId::from(id)).await.unwrap();
    }

    pub(crate) async fn rotate_secret(&self, id: &str, overlap: std::time::Duration) -> RotatedSecret {
        let origin = Origin::default();
        clients::rotate_secret(&self.op, &self.by(&origin), &ClientId::from(id), overlap).await.unwrap()
    }

    pub(crate) async fn user_id(&self, name: &str) -> UserId {
        users::find(&self.op, name).await.unwrap().id
    }

    pub(crate) async fn disable_user(&self, name: &str) -> LoggedOut {
        let origin = Origin::default();
        let id = self.user_id(name).await;
        users::disable(&self.op, &self.by(&origin), id).await.unwrap()
    }

    pub(crate) async fn enable_user(&self, name: &str) {
        let origin = Origin::default();
        let id = self.user_id(name).await;
        users::enable(&self.op, &self.by(&origin), id).await.unwrap();
    }

    /// Sets a password; the session with this `sid` stays.
    pub(crate) async fn set_password(&self, name: &str, password: &str, keep: Option<&str>) {
        let origin = Origin::default();
        let id = self.user_id(name).await;
        let keep = keep.map(|sid| sid.parse().unwrap());
        let by = self.by(&origin);
        users::set_password(&self.op, &by, id, Password::new(password), keep).await.unwrap();
    }

    pub(crate) async fn log_out_all(&self, name: &str) -> LoggedOut {
        let origin = Origin::default();
        let id = self.user_id(name).await;
        users::logout_all(&self.op, &self.by(&origin), id).await.unwrap()
    }

    pub(crate) async fn end_session(&self, sid: &str) -> LoggedOut {
        let origin = Origin::default();
        sessions::end(&self.op, &self.by(&origin), sid.parse().unwrap()).await.unwrap()
    }

    /// What happened to a user, oldest first.
    pub(crate) async fn history(&self, name: &str) -> Vec<AuditEntry> {
        let filter = audit::Filter { user: Some(self.user_id(name).await), ..audit::Filter::default() };
        let mut entries = audit::page(&self.op, &filter, None, 200).await.unwrap().items;
        entries.reverse();
        entries
    }

    /// The words of the events of a user, oldest first.
    pub(crate) async fn events(&self, name: &str) -> Vec<&'static str> {
        self.history(name).await.iter().map(|entry| entry.event.as_str()).collect()
    }

    /// A key of the administration API.
    pub(crate) async fn api_key(&self) -> String {
        let origin = Origin::default();
        let created = api_keys::create(&self.op, &self.by(&origin), "test", None).await.unwrap();
        created.key.reveal().to_owned()
    }

    pub(crate) fn by<'a>(&self, origin: &'a Origin) -> By<'a> {
        By { actor: "cli", origin, now: self.now() }
    }
}
