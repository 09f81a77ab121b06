//! tmp
use std::sync::Arc;
#[tokio::test]
async fn statements() {
    for url in ["sqlite:///tmp/x1.sqlite".to_owned(), std::env::var("PGT").unwrap()] {
        let store = signet::storage::Store::open(
            &signet::storage::Options {
                url,
                max_connections: 4,
                acquire_timeout: std::time::Duration::from_secs(1),
                statement_timeout: std::time::Duration::from_secs(2),
            },
            Arc::new(signet::clock::SystemClock::default()),
            Arc::new(signet::entropy::SystemEntropy::new()),
        )
        .await
        .unwrap();
        store.migrate().await.unwrap();
        println!("{:?}", store.migration_plan().await.unwrap());
        println!("{:?}", store.prepare_every_statement().await);
        println!("{:?}", store.database_time().await);
    }
}
