//! A resource server that follows the revocation feed, by the flows that its endpoints call: what a test of the batcher
//! asks for between two steps, where `feed.rs` follows over HTTP.

use signet::flow::revocation::{self, BatchAnswer};
use signet_verify::feed::entry::Kind;
use signet_verify::feed::live::Live;
use signet_verify::feed::message::{Batch, FeedKeys, GENESIS, Message, digest};

use super::feed::judge;
use super::server::Server;

/// A resource server that follows.
pub(crate) struct Follower<'a> {
    s: &'a Server,
    keys: FeedKeys,
    pub(crate) n: i64,
    head: String,
    live: Live,
}

/// Entries without the time at which they die.
pub(crate) type News = Vec<(Kind, String, Option<i64>)>;

impl<'a> Follower<'a> {
    pub(crate) fn new(s: &'a Server) -> Self {
        let keys = FeedKeys::from_value(&revocation::configuration(&s.op)["jwks"]).unwrap();
        Self { s, keys, n: 0, head: GENESIS.to_owned(), live: Live::default() }
    }

    /// What has been published since the last call, in the order of the alphabet.
    pub(crate) async fn news(&mut self) -> News {
        revocation::sweep(&self.s.op).await.unwrap();
        let mut news = News::new();
        for batch in self.batches().await {
            for entry in batch.entries {
                let dies_in = entry.dies_at - self.s.now().seconds();
                assert!((0..=970).contains(&dies_in), "{entry:?}");
                news.push((entry.kind, entry.id, entry.min));
            }
        }
        news.sort();
        news
    }

    /// The batches since the last call: signed, in the issuer's name, and a chain.
    pub(crate) async fn batches(&mut self) -> Vec<Batch> {
        let mut batches = Vec::new();
        while let BatchAnswer::Kept(body) = revocation::batch(&self.s.op, self.n + 1).await.unwrap() {
            let Ok(Message::Batch(batch)) = self.keys.open(&body, self.s.issuer()) else { panic!("{body}") };
            assert_eq!((batch.n, &batch.prev), (self.n + 1, &self.head));
            (self.n, self.head) = (batch.n, digest(&body));
            for entry in &batch.entries {
                self.live.fold(entry);
            }
            batches.push(batch);
        }
        batches
    }

    /// Opens any message of the feed.
    pub(crate) fn open(&self, body: &str) -> Message {
        self.keys.open(body, self.s.issuer()).unwrap()
    }

    /// The entry that voids an access token; the database, asked by introspection, must agree.
    pub(crate) async fn judge(&self, token: &str) -> Option<Kind> {
        let judged = judge(&self.live, token);
        assert_eq!(judged.is_none(), self.s.is_active(token).await, "{judged:?} {token}");
        judged
    }
}
