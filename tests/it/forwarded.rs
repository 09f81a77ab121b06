//! What a proxy says about a request: `X-Forwarded-For` from a listed proxy is believed, and nothing else from anybody.

use super::*;

mod headers {
    use signet::config::Cidr;

    use super::*;

    /// Everything else that some server somewhere believes.
    const FORGED: [(&str, &str); 8] = [
        ("Forwarded", "for=203.0.113.66;host=attacker.example.com;proto=https"),
        ("X-Real-IP", "203.0.113.66"),
        ("X-Client-IP", "203.0.113.66"),
        ("True-Client-IP", "203.0.113.66"),
        ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-Host", "attacker.example.com"),
        ("X-Forwarded-Port", "443"),
        ("X-Forwarded-Prefix", "/attacker"),
    ];

    fn forged(request: Request) -> Request {
        FORGED.into_iter().fold(request, |request, (name, value)| request.header(name, value))
    }

    /// The address that the audit log has of a sign-in with forged headers and this `X-Forwarded-For`.
    async fn recorded(s: &Server, forwarded_for: &str) -> String {
        // Entries of one instant have no order.
        s.clock.advance(SECOND);
        let mut browser = Browser::new(s);
        let first = browser.send(forged(s.get(&request("app").target()))).await;
        assert!(!first.location().contains("attacker"), "{}", first.location());
        let page = browser.page(first.location()).await;
        let fields = [("username", ALICE.0), ("password", ALICE.1), ("action", "login")];
        let post = s.post(&page.path).header("Origin", s.issuer()).raw_form(&page.encoded(&fields));
        let answer = browser.send(forged(post).header("X-Forwarded-For", forwarded_for)).await;
        assert_eq!(answer.status, 303, "{}", answer.text());
        assert!(!answer.location().contains("attacker"), "{}", answer.location());
        for cookie in first.all("set-cookie").chain(answer.all("set-cookie")) {
            // The issuer is plain http, whatever the headers say.
            assert!(!cookie.contains("Secure") && !cookie.contains("Domain"), "{cookie}");
        }
        assert_eq!(answer.header("strict-transport-security"), None);
        let history = s.history(ALICE.0).await;
        history.last().unwrap().origin.address.clone().unwrap()
    }

    #[test]
    fn from_a_stranger_none_is_believed() {
        with_server(async |s| {
            assert_eq!(recorded(s, "203.0.113.9").await, "127.0.0.1");
        });
    }

    #[test]
    fn from_a_listed_proxy_the_address_and_nothing_else() {
        with_config(
            |config| {
                config.http.trusted_proxies = vec![Cidr { address: [127, 0, 0, 1].into(), prefix: 32 }];
            },
            async |s| {
                assert_eq!(recorded(s, "203.0.113.9").await, "203.0.113.9");
                assert_eq!(recorded(s, "203.0.113.8, 198.51.100.7").await, "198.51.100.7");
                assert_eq!(recorded(s, "attacker.example.com").await, "127.0.0.1");
                let discovery = forged(s.get("/.well-known/openid-configuration")).send().await;
                assert!(!discovery.ok().text().contains("attacker"));
                assert_eq!(discovery.json()["issuer"], s.issuer());
            },
        );
    }
}
