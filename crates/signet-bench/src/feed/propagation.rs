//! From "log out all devices" to the refusal at each resource server, all of them under load.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::cluster::{CLIENT, Cluster, USER};
use super::resource::ResourceServer;
use crate::browser::Browser;
use crate::client::{Fixed, member};
use crate::failure::{Result, failure};
use crate::histogram::Histogram;
use crate::http::{Connection, request};
use crate::load::{Load, Measure};

/// Clients that load each resource server.
const CLIENTS: usize = 4;
/// Between two calls of such a client: a busy service, not all that the machine has, which would measure the queue.
const PAUSE: Duration = Duration::from_millis(2);
/// A token that is still accepted after so long will not be refused by the feed.
const GIVE_UP: Duration = Duration::from_secs(20);

/// What was seen.
pub(crate) struct Propagation {
    /// From the reply of the call to the first refusal, over all resource servers.
    pub(crate) from_reply: Histogram,
    /// From the sending of the call.
    pub(crate) from_call: Histogram,
    /// The load at the resource servers meanwhile, with a token that nobody revoked.
    pub(crate) load: Measure,
}

/// Logs the user out everywhere `rounds` times, through the nodes in turn.
pub(crate) async fn measure(
    cluster: &Cluster,
    servers: &[ResourceServer],
    rounds: usize,
) -> Result<Propagation> {
    let mut seen =
        Propagation { from_reply: Histogram::new(), from_call: Histogram::new(), load: Measure::new() };
    let stop = Arc::new(AtomicBool::new(false));
    let mut loads = JoinSet::new();
    for server in servers {
        let workers = Fixed::many(CLIENTS, server.address, &call(server.address, &cluster.service_token), "");
        let workers = workers.into_iter().map(|worker| worker.paced(PAUSE)).collect();
        loads.spawn(until(Load::new(workers), Arc::clone(&stop)));
    }
    let mut outcome = Ok(());
    for number in 0..rounds {
        outcome = one_round(cluster, servers, number, &mut seen).await;
        if outcome.is_err() {
            break;
        }
    }
    stop.store(true, Ordering::Relaxed);
    for load in loads.join_all().await {
        let load = load?;
        let elapsed = seen.load.elapsed.max(load.elapsed);
        seen.load.add(load);
        seen.load.elapsed = elapsed;
    }
    outcome.map(|()| seen)
}

async fn until(mut load: Load<Fixed>, stop: Arc<AtomicBool>) -> Result<Measure> {
    let mut sum = Measure::new();
    while !stop.load(Ordering::Relaxed) {
        sum.add(load.run(Duration::from_millis(200)).await?);
    }
    Ok(sum)
}

async fn one_round(
    cluster: &Cluster,
    servers: &[ResourceServer],
    number: usize,
    seen: &mut Propagation,
) -> Result<()> {
    let token = sign_in(cluster).await?;
    let mut waiting = JoinSet::new();
    for server in servers {
        let (address, call) = (server.address, call(server.address, &token));
        let mut connection = Connection::new(address);
        // Each has accepted it first, and holds it verified.
        let reply = connection.send(&call).await?;
        if reply.status != 200 {
            return Err(reply.unexpected("a fresh token"));
        }
        waiting.spawn(refusal(connection, call));
    }
    let (sent, replied) = log_out_all(cluster, number).await?;
    while let Some(done) = waiting.join_next().await {
        let refused = done.map_err(|_| failure("a poller died"))??;
        seen.from_reply.record(refused.saturating_duration_since(replied));
        seen.from_call.record(refused.saturating_duration_since(sent));
    }
    Ok(())
}

async fn sign_in(cluster: &Cluster) -> Result<String> {
    let site = &cluster.site;
    let mut browser = Browser::new(site.address, &site.authority).of(USER);
    let code = browser.sign_in(CLIENT.0, "openid read").await?;
    let mut connection = Connection::new(site.address);
    let reply = connection.send(&site.redeem(CLIENT, &code)).await?;
    let text = reply.text();
    member(&text, "access_token").map(str::to_owned).ok_or_else(|| reply.unexpected("redeeming a code"))
}

/// When it was sent, and when the reply was there.
async fn log_out_all(cluster: &Cluster, number: usize) -> Result<(Instant, Instant)> {
    let admin = cluster.admin(number)?;
    let headers = [format!("authorization: Bearer {}", cluster.api_key)];
    let path = format!("POST /admin/v1/users/{}/logout_all", cluster.user);
    let sent = request(&path, &admin.to_string(), &headers, Some(("application/json", "{}")));
    let mut connection = Connection::new(admin);
    let start = Instant::now();
    let reply = connection.send(&sent).await?;
    if reply.status == 200 {
        Ok((start, Instant::now()))
    } else {
        Err(reply.unexpected("log out all devices"))
    }
}

/// Asks again and again until the answer is 401; when that was.
async fn refusal(mut connection: Connection, call: Vec<u8>) -> Result<Instant> {
    let begin = Instant::now();
    while begin.elapsed() < GIVE_UP {
        match connection.send(&call).await?.status {
            200 => tokio::time::sleep(Duration::from_millis(1)).await,
            401 => return Ok(Instant::now()),
            other => return Err(failure(format!("a resource server answered {other}"))),
        }
    }
    Err(failure("a revoked token was accepted for 20 s"))
}

fn call(address: SocketAddr, token: &str) -> Vec<u8> {
    request("GET /me", &address.to_string(), &[format!("authorization: Bearer {token}")], None)
}
