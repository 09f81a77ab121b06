//! The chain of batches that the issuer publishes.

use crate::feed::entry::Entry;
use crate::feed::live::Live;
use crate::feed::message::{Batch, GENESIS, Heartbeat, Message, Snapshot, digest};
use crate::feed::signer::FeedSigner;

/// All batches since the issuer began, signed, the first of which has the number 1.
#[derive(Debug)]
pub(super) struct Chain {
    issuer: String,
    pub(super) signer: FeedSigner,
    pub(super) batches: Vec<String>,
    live: Live,
}

impl Chain {
    pub(super) fn new(issuer: &str) -> Self {
        let signer = FeedSigner::new("feed", &[7; 32]).expect("a feed key");
        Self { issuer: issuer.to_owned(), signer, batches: Vec::new(), live: Live::default() }
    }

    pub(super) fn append(&mut self, entries: &[Entry], at: i64) -> u64 {
        let batch = Batch {
            issuer: self.issuer.clone(),
            n: self.n().saturating_add(1),
            at,
            prev: self.head(),
            entries: entries.to_vec(),
        };
        for entry in entries {
            self.live.fold(entry);
        }
        let signed = self.signed(&Message::Batch(batch));
        self.batches.push(signed);
        self.batches.len() as u64
    }

    pub(super) fn snapshot(&self, at: i64) -> String {
        let (issuer, n, head) = (self.issuer.clone(), self.n(), self.head());
        self.signed(&Message::Snapshot(Snapshot { issuer, n, at, head, entries: self.live.entries() }))
    }

    pub(super) fn heartbeat(&self, at: i64) -> String {
        let (issuer, n, head) = (self.issuer.clone(), self.n(), self.head());
        self.signed(&Message::Heartbeat(Heartbeat { issuer, n, at, head }))
    }

    pub(super) fn n(&self) -> i64 {
        i64::try_from(self.batches.len()).unwrap_or(i64::MAX)
    }

    fn head(&self) -> String {
        self.batches.last().map_or_else(|| GENESIS.to_owned(), |batch| digest(batch))
    }

    fn signed(&self, message: &Message) -> String {
        self.signer.sign(message).expect("a signed message")
    }
}
