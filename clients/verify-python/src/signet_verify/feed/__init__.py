"""The revocation feed, version 1 (docs/revocation-feed.md of Signet)."""
