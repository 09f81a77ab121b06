//! The closed loop: each worker does its next step when the last one is answered, until time is up.

use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::failure::{Failure, Result, failure};
use crate::histogram::Histogram;

/// One simulated client.
pub(crate) trait Worker: Send + 'static {
    /// Makes what the next steps use up (codes, login forms); not measured. Returns how many steps that allows.
    fn prepare(&mut self) -> impl Future<Output = Result<usize>> + Send {
        async { Ok(usize::MAX) }
    }

    /// One measured call.
    fn step(&mut self) -> impl Future<Output = Result<()>> + Send;

    /// Pause between steps; none by default, which asks for all the machine has.
    fn think(&self) -> Duration {
        Duration::ZERO
    }
}

/// What a run of a load has shown.
#[derive(Clone)]
pub(crate) struct Measure {
    /// Latency of the calls that succeeded.
    pub(crate) latency: Histogram,
    /// Measured time, preparation excluded.
    pub(crate) elapsed: Duration,
    /// Calls that failed.
    pub(crate) failures: u64,
    /// The first failure.
    pub(crate) first_failure: Option<Failure>,
}

impl Measure {
    /// Nothing measured yet.
    pub(crate) fn new() -> Self {
        Self { latency: Histogram::new(), elapsed: Duration::ZERO, failures: 0, first_failure: None }
    }

    /// Successful calls per second.
    pub(crate) fn rate(&self) -> f64 {
        if self.elapsed.is_zero() { 0.0 } else { self.latency.count() as f64 / self.elapsed.as_secs_f64() }
    }

    /// Adds a later run of the same load.
    pub(crate) fn add(&mut self, other: Self) {
        self.latency.merge(&other.latency);
        self.elapsed += other.elapsed;
        self.note(other.failures, other.first_failure);
    }

    fn note(&mut self, failures: u64, first: Option<Failure>) {
        self.failures += failures;
        if self.first_failure.is_none() {
            self.first_failure = first;
        }
    }
}

/// Workers that run together, again and again.
pub(crate) struct Load<W> {
    workers: Vec<W>,
}

impl<W: Worker> Load<W> {
    /// A load of these workers.
    pub(crate) const fn new(workers: Vec<W>) -> Self {
        Self { workers }
    }

    /// Runs for `span` of measured time. Preparation does not count, but is bounded too: a server that cannot prepare
    /// fails the load instead of hanging it.
    pub(crate) async fn run(&mut self, span: Duration) -> Result<Measure> {
        let mut sum = Measure::new();
        while sum.elapsed < span {
            let budgets = self.prepare().await?;
            let round = self.measure(budgets, span.saturating_sub(sum.elapsed)).await?;
            let progress = round.latency.count();
            sum.add(round);
            if progress == 0 {
                break; // All fail: more rounds would show the same.
            }
        }
        Ok(sum)
    }

    async fn prepare(&mut self) -> Result<Vec<usize>> {
        let mut tasks = JoinSet::new();
        for (place, mut worker) in std::mem::take(&mut self.workers).into_iter().enumerate() {
            tasks.spawn(async move {
                let budget = tokio::time::timeout(Duration::from_secs(60), worker.prepare()).await;
                (place, worker, budget)
            });
        }
        let mut done = tasks.join_all().await;
        done.sort_by_key(|(place, ..)| *place);
        let mut budgets = Vec::with_capacity(done.len());
        for (_, worker, budget) in done {
            self.workers.push(worker);
            budgets.push(budget.map_err(|_| failure("preparing took more than a minute"))??);
        }
        Ok(budgets)
    }

    async fn measure(&mut self, budgets: Vec<usize>, span: Duration) -> Result<Measure> {
        let start = Instant::now();
        let deadline = start + span;
        let mut tasks = JoinSet::new();
        for (worker, budget) in std::mem::take(&mut self.workers).into_iter().zip(budgets) {
            tasks.spawn(drive(worker, budget, deadline));
        }
        let done = tasks.join_all().await;
        let mut sum = Measure::new();
        for (worker, part) in done {
            self.workers.push(worker);
            sum.add(part);
        }
        sum.elapsed = start.elapsed();
        Ok(sum)
    }
}

async fn drive<W: Worker>(mut worker: W, budget: usize, deadline: Instant) -> (W, Measure) {
    let mut measure = Measure::new();
    let mut left = budget;
    let mut start = Instant::now();
    while left > 0 && start < deadline {
        left -= 1;
        match tokio::time::timeout(Duration::from_secs(30), worker.step()).await {
            Ok(Ok(())) => measure.latency.record(start.elapsed()),
            Ok(Err(error)) => measure.note(1, Some(error)),
            Err(_) => measure.note(1, Some(failure("no answer within 30 s"))),
        }
        // A server that refuses everything must not be asked as fast as it can refuse.
        if measure.failures > 100 && measure.failures > measure.latency.count() {
            break;
        }
        if !worker.think().is_zero() {
            tokio::time::sleep(worker.think()).await;
        }
        start = Instant::now();
    }
    (worker, measure)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Three {
        left: usize,
        prepared: usize,
    }

    impl Worker for Three {
        async fn prepare(&mut self) -> Result<usize> {
            self.prepared += 1;
            self.left = 3;
            Ok(3)
        }

        async fn step(&mut self) -> Result<()> {
            tokio::task::yield_now().await;
            self.left = self.left.checked_sub(1).ok_or_else(|| failure("stepped beyond the budget"))?;
            Ok(())
        }
    }

    #[tokio::test]
    async fn a_budget_is_kept_and_refilled() {
        let mut load = Load::new((0..4).map(|_| Three { left: 0, prepared: 0 }).collect());
        let measure = load.run(Duration::from_millis(5)).await.unwrap();
        assert_eq!(measure.failures, 0);
        assert_eq!(load.workers.len(), 4);
        assert!(load.workers.iter().all(|worker| worker.prepared > 1));
        assert!(measure.latency.count() >= 12);
    }

    struct Broken;

    impl Worker for Broken {
        async fn step(&mut self) -> Result<()> {
            Err(failure("refused"))
        }
    }

    #[tokio::test]
    async fn a_load_that_only_fails_ends_and_says_why() {
        let measure = Load::new(vec![Broken]).run(Duration::from_secs(60)).await.unwrap();
        assert_eq!(measure.latency.count(), 0);
        assert_eq!(measure.first_failure.unwrap().0, "refused");
    }
}
