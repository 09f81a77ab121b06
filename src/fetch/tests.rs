//! The fetcher against servers of this machine that behave badly.

use super::*;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

const SHORT: Duration = Duration::from_millis(300);
const LONG: Duration = Duration::from_secs(30);

/// A server that does this with each connection, once a request has come in; and how many there were.
async fn server<F: Future<Output = ()> + Send + 'static>(
    serve: impl Fn(TcpStream) -> F + Send + 'static,
) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, seen) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
    let count = Arc::clone(&seen);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            count.fetch_add(1, Ordering::SeqCst);
            let _ = stream.read(&mut [0; 4096]).await;
            tokio::spawn(serve(stream));
        }
    });
    (address, seen)
}

/// A server that answers with these bytes and ends the connection.
async fn answering(answer: Vec<u8>) -> (SocketAddr, Arc<AtomicUsize>) {
    server(move |mut stream| {
        let answer = answer.clone();
        async move {
            let _ = stream.write_all(&answer).await;
        }
    })
    .await
}

fn fetcher(timeout: Duration, max_concurrent: usize, private_hosts: &[&str]) -> Fetcher {
    let private_hosts = private_hosts.iter().map(|host| (*host).to_owned()).collect();
    Fetcher::new(FetchPolicy { timeout, max_concurrent, private_hosts, ..FetchPolicy::default() }).unwrap()
}

fn local(timeout: Duration) -> Fetcher {
    fetcher(timeout, 8, &["127.0.0.1", "localhost"])
}

async fn outcome(fetcher: &Fetcher, address: SocketAddr) -> Result<Vec<u8>, FetchError> {
    asked_by(fetcher, address, &Behalf::Operator).await
}

async fn asked_by(fetcher: &Fetcher, address: SocketAddr, behalf: &Behalf) -> Result<Vec<u8>, FetchError> {
    let fetched = fetcher.get(&format!("http://{address}/x"), "application/json", behalf).await;
    fetched.map(|fetched| fetched.body)
}

fn head(more: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\n{more}\r\n").into_bytes()
}

#[tokio::test]
async fn a_document_comes_with_its_type_and_age() {
    let answer = [
        head("Content-Type: Application/JSON; charset=utf-8\r\nCache-Control: max-age=60\r\n"),
        b"[]".to_vec(),
    ]
    .concat();
    let (address, _) = answering(answer).await;
    let fetched =
        local(LONG).get(&format!("http://{address}/x"), "application/json", &Behalf::Operator).await.unwrap();
    assert_eq!(fetched.body, b"[]");
    assert_eq!(fetched.media_type.as_deref(), Some("application/json"));
    assert_eq!(fetched.max_age, Some(Duration::from_secs(60)));
}

#[tokio::test]
async fn what_is_sent_names_the_server_and_nothing_else() {
    let (said, mut hear) = tokio::sync::mpsc::unbounded_channel();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut bytes = [0; 4096];
        let read = stream.read(&mut bytes).await.unwrap();
        said.send(String::from_utf8_lossy(&bytes[..read]).into_owned()).unwrap();
        let _ = stream.write_all(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\n\r\n").await;
    });
    let status =
        local(LONG).post_form(&format!("http://{address}/x?y"), &[("a", "b c&d")], &Behalf::Operator).await;
    assert_eq!(status, Ok(302), "told, not followed");
    let request = hear.recv().await.unwrap().to_lowercase();
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    let mut lines: Vec<_> = head.split("\r\n").collect();
    lines.sort_unstable();
    let host = format!("host: {address}");
    let mut expected = vec![
        "post /x?y http/1.1",
        "user-agent: signet",
        "accept: */*",
        "content-type: application/x-www-form-urlencoded",
        "content-length: 9",
        &host,
    ];
    expected.sort_unstable();
    assert_eq!(lines, expected);
    assert_eq!(body, "a=b+c%26d");
}

#[tokio::test]
async fn another_status_than_200_is_no_document() {
    for (line, status) in
        [("204 No", 204), ("301 Moved\r\nLocation: /y", 301), ("404 No", 404), ("500 No", 500)]
    {
        let (address, seen) = answering(format!("HTTP/1.1 {line}\r\n\r\n").into_bytes()).await;
        assert_eq!(outcome(&local(LONG), address).await, Err(FetchError::Status(status)));
        assert_eq!(seen.load(Ordering::SeqCst), 1);
    }
}

#[tokio::test]
async fn content_is_counted_as_it_arrives() {
    let body = vec![b' '; LONGEST];
    let (exact, _) = answering([head(""), body.clone()].concat()).await;
    assert_eq!(outcome(&local(LONG), exact).await.unwrap().len(), LONGEST);
    let (said, _) = answering(head(&format!("Content-Length: {}\r\n", LONGEST + 1))).await;
    assert_eq!(outcome(&local(LONG), said).await, Err(FetchError::TooLong), "before any of it");
    let (unsaid, _) = answering([head(""), body.clone(), b" ".to_vec()].concat()).await;
    assert_eq!(outcome(&local(LONG), unsaid).await, Err(FetchError::TooLong));
    let chunk =
        [format!("{:x}\r\n", body.len()).into_bytes(), body, b"\r\n1\r\n \r\n0\r\n\r\n".to_vec()].concat();
    let (chunked, _) = answering([head("Transfer-Encoding: chunked\r\n"), chunk].concat()).await;
    assert_eq!(outcome(&local(LONG), chunked).await, Err(FetchError::TooLong));
}

#[tokio::test]
async fn what_is_compressed_stays_so() {
    let (address, _) = answering([head("Content-Encoding: gzip\r\n"), b"\x1f\x8b".to_vec()].concat()).await;
    assert_eq!(outcome(&local(LONG), address).await.unwrap(), b"\x1f\x8b");
}

#[tokio::test]
async fn headers_without_end_are_refused() {
    let (address, _) = answering(head(&"X: y\r\n".repeat(HEADERS + 1))).await;
    assert_eq!(outcome(&local(LONG), address).await, Err(FetchError::Unreadable));
}

#[tokio::test]
async fn silence_and_drips_end_with_the_timeout() {
    let (silent, _) = server(|stream| async move {
        let _stream = stream;
        std::future::pending::<()>().await;
    })
    .await;
    assert_eq!(outcome(&local(SHORT), silent).await, Err(FetchError::Timeout));
    let (drip, _) = server(|mut stream| async move {
        let _ = stream.write_all(&head("")).await;
        while stream.write_all(b" ").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    assert_eq!(outcome(&local(SHORT), drip).await, Err(FetchError::Timeout));
}

#[tokio::test]
async fn nobody_there_is_unreachable_and_rests_after_five_times() {
    // A port that the system gives to nobody.
    let nobody = SocketAddr::from(([127, 0, 0, 1], 1));
    let fetcher = local(LONG);
    for _ in 0..5 {
        assert_eq!(outcome(&fetcher, nobody).await, Err(FetchError::Unreachable));
    }
    assert_eq!(outcome(&fetcher, nobody).await, Err(FetchError::Busy), "not asked again");
}

#[tokio::test]
async fn an_answer_that_cannot_be_read_is_an_answer() {
    let many = head(&"X: y\r\n".repeat(HEADERS + 1));
    for answer in [Vec::new(), b"SSH-2.0-x\r\n".to_vec(), many] {
        let (address, _) = answering(answer).await;
        let fetcher = local(LONG);
        for _ in 0..7 {
            assert_eq!(outcome(&fetcher, address).await, Err(FetchError::Unreadable));
        }
    }
}

#[test]
fn a_host_that_was_left_little_of_the_time_is_not_called_silent() {
    let (timeout, slow) = (Duration::from_secs(4), Some(FetchError::Timeout));
    let at = |error, seconds| is_there(error, Duration::from_secs(seconds), timeout);
    assert_eq!([at(slow, 0), at(slow, 2), at(slow, 3)], [Some(false), Some(false), None]);
    assert_eq!(at(Some(FetchError::Unreachable), 3), Some(false));
    for answered in
        [None, Some(FetchError::Unreadable), Some(FetchError::TooLong), Some(FetchError::Status(500))]
    {
        assert_eq!(at(answered, 3), Some(true));
    }
}

#[tokio::test]
async fn one_host_has_a_part_of_the_places() {
    let (slow, seen) = server(|stream| async move {
        let _stream = stream;
        std::future::pending::<()>().await;
    })
    .await;
    let (good, _) = answering([head(""), b"[]".to_vec()].concat()).await;
    // Eight places, two of them for any one host.
    let fetcher = local(LONG);
    let waiting: Vec<_> = (0..4)
        .map(|_| {
            let fetcher = fetcher.clone();
            tokio::spawn(async move { outcome(&fetcher, slow).await })
        })
        .collect();
    while seen.load(Ordering::SeqCst) < 2 {
        tokio::task::yield_now().await;
    }
    assert_eq!(outcome(&fetcher, good).await.unwrap(), b"[]", "others have theirs");
    assert_eq!(seen.load(Ordering::SeqCst), 2);
    for one in waiting {
        assert!(!one.is_finished(), "the host is still silent");
        one.abort();
    }
}

#[tokio::test]
async fn who_finds_no_place_in_time_is_told_and_nobody_is_asked() {
    let (good, seen) = answering([head(""), b"[]".to_vec()].concat()).await;
    let fetcher = local(Duration::from_secs(2));
    let places = &fetcher.inner.places;
    let mut all = Vec::new();
    for number in 0..8 {
        all.push(places.take(&Behalf::Operator, &format!("{number}:443"), monotonic_now()).await.unwrap());
    }
    assert_eq!(outcome(&fetcher, good).await, Err(FetchError::Busy));
    assert_eq!(seen.load(Ordering::SeqCst), 0);
    drop(all);
    assert_eq!(outcome(&fetcher, good).await.unwrap(), b"[]");
}

#[tokio::test]
async fn a_host_that_has_begun_to_answer_is_there_however_slow_the_rest() {
    let (drip, seen) = server(|mut stream| async move {
        let _ = stream.write_all(&head("")).await;
        std::future::pending::<()>().await;
    })
    .await;
    let fetcher = local(SHORT);
    for asked in 1..=6 {
        assert_eq!(outcome(&fetcher, drip).await, Err(FetchError::Timeout));
        assert_eq!(seen.load(Ordering::SeqCst), asked);
    }
}

#[tokio::test]
async fn a_host_that_strangers_call_silent_is_asked_for_operators() {
    let (silent, seen) = server(|stream| async move {
        let _stream = stream;
        std::future::pending::<()>().await;
    })
    .await;
    let fetcher = local(Duration::from_millis(50));
    let stranger = Behalf::Stranger("192.0.2.1".to_owned());
    for _ in 0..5 {
        assert_eq!(asked_by(&fetcher, silent, &stranger).await, Err(FetchError::Timeout));
    }
    assert_eq!(asked_by(&fetcher, silent, &stranger).await, Err(FetchError::Busy));
    assert_eq!(asked_by(&fetcher, silent, &Behalf::Operator).await, Err(FetchError::Timeout));
    assert_eq!(seen.load(Ordering::SeqCst), 6);
}

/// Whether [`stalled`] may end.
static GATE: (std::sync::Mutex<bool>, std::sync::Condvar) =
    (std::sync::Mutex::new(false), std::sync::Condvar::new());

/// Finds nothing, once the gate is open.
fn stalled(_: &str) -> std::io::Result<Vec<SocketAddr>> {
    let open = GATE.0.lock().unwrap();
    drop(GATE.1.wait_timeout_while(open, LONG, |open| !*open).unwrap());
    Ok(Vec::new())
}

#[tokio::test]
async fn a_lookup_keeps_its_place_until_it_ends() {
    let policy = FetchPolicy { timeout: SHORT, max_concurrent: 8, ..FetchPolicy::default() };
    let fetcher = Fetcher::resolving(policy, stalled).unwrap();
    let stranger = Behalf::Stranger("192.0.2.1".to_owned());
    let ask = async |behalf| fetcher.get("https://rp.example.com/x", "*/*", behalf).await.map(|_| ());
    assert_eq!(ask(&stranger).await, Err(FetchError::Timeout));
    assert_eq!(ask(&stranger).await, Err(FetchError::Busy), "the lookup is still under way");
    assert_eq!(ask(&Behalf::Operator).await, Err(FetchError::Timeout), "which takes nothing from others");
    *GATE.0.lock().unwrap() = true;
    GATE.1.notify_all();
    let mut again = ask(&stranger).await;
    while again == Err(FetchError::Busy) {
        tokio::task::yield_now().await;
        again = ask(&stranger).await;
    }
    assert_eq!(again, Err(FetchError::Unreachable));
}

#[tokio::test]
async fn a_name_that_leads_to_this_machine_is_not_asked_unless_it_is_listed() {
    let (address, seen) = answering([head(""), b"[]".to_vec()].concat()).await;
    let strict = fetcher(LONG, 1, &[]);
    for host in ["localhost", "rp.localhost"] {
        let url = format!("https://{host}:{}/", address.port());
        let refused = strict.get(&url, "*/*", &Behalf::Operator).await.unwrap_err();
        assert_eq!(refused, FetchError::Forbidden("its host is at no public address"), "{host}");
    }
    for url in [
        format!("http://{address}/"),
        format!("https://{address}/"),
        format!("http://localhost:{}/", address.port()),
    ] {
        assert!(
            matches!(strict.get(&url, "*/*", &Behalf::Operator).await, Err(FetchError::Forbidden(_))),
            "{url}"
        );
        assert!(
            matches!(strict.post_form(&url, &[], &Behalf::Operator).await, Err(FetchError::Forbidden(_))),
            "{url}"
        );
    }
    assert_eq!(seen.load(Ordering::SeqCst), 0);
    let listed = fetcher(LONG, 1, &[&format!("localhost:{}", address.port())]);
    let url = format!("http://localhost:{}/", address.port());
    assert_eq!(listed.get(&url, "*/*", &Behalf::Operator).await.unwrap().body, b"[]");
}

#[test]
fn an_authority_that_is_none_is_said_at_the_start() {
    for text in ["", "no certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
        let policy = FetchPolicy { trusted_authorities: vec![text.into()], ..FetchPolicy::default() };
        assert!(Fetcher::new(policy).is_err(), "{text:?}");
    }
}
