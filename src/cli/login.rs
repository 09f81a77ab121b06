//! `signet login`: the code flow with PKCE from a terminal, through a browser or without one.

use std::net::Ipv4Addr;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use url::Url;

use super::args::{Global, Login};
use super::browser::Browser;
use super::context::Context;
use super::output::{Failure, Outcome, Report, or_dash, pairs};
use super::reach::Reach;
use super::token::{ask_token_endpoint, issuer};
use super::{ask, demo_data};
use crate::digest::{base64url, base64url_decode};
use crate::oauth::issuer::Issuer;
use crate::oauth::pkce::{CodeVerifier, challenge_of};
use crate::secret::Password;

/// Where the code of a headless sign-in goes: nobody listens there, the redirect is read and not followed.
const UNUSED_REDIRECT: &str = "http://127.0.0.1:49152/callback";
/// A person has so long to sign in.
const PATIENCE: Duration = Duration::from_secs(300);
const LONGEST_HEAD: usize = 16 * 1024;

/// Signs in and prints the tokens.
pub(super) async fn run(args: &Login, global: &Global) -> Outcome {
    let context = Context::new(global)?;
    let issuer = issuer(&context)?;
    let random = |bytes: [u8; 32]| base64url(&bytes);
    let request = Authorization {
        verifier: CodeVerifier::parse(&random(context.entropy().bytes()?)).map_err(Failure::new)?,
        state: random(context.entropy().bytes()?),
        nonce: random(context.entropy().bytes()?),
    };
    let reach = Reach::new(Some(&context), args.cacert.as_deref())?;
    let (answer, redirect_uri) = if args.headless {
        let password = password(args, context.dir.is_some()).await?;
        let start = request.url(&issuer, args, UNUSED_REDIRECT)?;
        let answer =
            Browser::new(reach.clone()).sign_in(start, UNUSED_REDIRECT, &args.user, &password).await?;
        (answer, UNUSED_REDIRECT.to_owned())
    } else {
        through_a_browser(&request, &issuer, args).await?
    };
    let code = request.code_of(&answer, &issuer)?;
    let mut form: Vec<(String, String)> = [
        ("grant_type", "authorization_code"),
        ("code", code.as_str()),
        ("redirect_uri", &redirect_uri),
        ("client_id", &args.client),
        ("code_verifier", request.verifier.reveal()),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into();
    if context.dir.is_some()
        && let Some(secret) = demo_data::secret_of(&args.client)
    {
        // The demo clients' secrets are known; any other confidential client signs in by its own program.
        form.retain(|(name, _)| name != "client_id");
        let tokens =
            ask_token_endpoint(&reach, &issuer, form, Some(&super::token::basic(&args.client, &secret)))
                .await?;
        return report(args, &request, tokens);
    }
    let tokens = ask_token_endpoint(&reach, &issuer, form, None).await?;
    report(args, &request, tokens)
}

async fn password(args: &Login, development: bool) -> Result<Password, Failure> {
    if let Some(password) = &args.password {
        return Ok(password.clone());
    }
    let known = demo_data::USERS.iter().find(|(name, _, _)| development && *name == args.user);
    match known {
        Some((_, password, _)) => Ok(Password::new(*password)),
        None => Ok(Password::new(ask::secret("Password").await?.as_str())),
    }
}

/// What one authorization request is recognised by.
struct Authorization {
    verifier: CodeVerifier,
    state: String,
    nonce: String,
}

impl Authorization {
    fn url(&self, issuer: &Issuer, args: &Login, redirect_uri: &str) -> Result<Url, Failure> {
        let challenge = challenge_of(&self.verifier);
        let mut url =
            Url::parse(&issuer.url("/authorize")).map_err(|error| Failure::new(error.to_string()))?;
        url.query_pairs_mut().extend_pairs([
            ("response_type", "code"),
            ("client_id", &args.client),
            ("redirect_uri", redirect_uri),
            ("scope", &args.scope),
            ("state", &self.state),
            ("nonce", &self.nonce),
            ("code_challenge", challenge.as_str()),
            ("code_challenge_method", "S256"),
        ]);
        Ok(url)
    }

    /// The code in an answer to this request, from this issuer (RFC 6749 §4.1.2, RFC 9207 §2.4).
    fn code_of(&self, answer: &Url, issuer: &Issuer) -> Result<String, Failure> {
        let value = |wanted: &str| {
            answer.query_pairs().find(|(name, _)| name == wanted).map(|(_, value)| value.into_owned())
        };
        if value("state").as_deref() != Some(&self.state) {
            return Err(Failure::new("the answer has another state: it belongs to another request"));
        }
        if value("iss").as_deref() != Some(issuer.as_str()) {
            return Err(Failure::new("the answer comes from another issuer"));
        }
        if let Some(error) = value("error") {
            return Err(Failure::new(match value("error_description") {
                Some(description) => format!("{error}: {description}"),
                None => error,
            }));
        }
        value("code").ok_or_else(|| Failure::new("the answer has neither code nor error"))
    }
}

/// Prints the address to open and waits on a loopback port for the browser to come back (RFC 8252 §7.3).
async fn through_a_browser(
    request: &Authorization,
    issuer: &Issuer,
    args: &Login,
) -> Result<(Url, String), Failure> {
    use std::io::Write as _;
    let failed = |error: std::io::Error| Failure::new(format!("the loopback listener: {error}"));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(failed)?;
    let redirect_uri = format!("http://{}/callback", listener.local_addr().map_err(failed)?);
    let start = request.url(issuer, args, &redirect_uri)?;
    let _ = writeln!(std::io::stderr().lock(), "Open this address in a browser and sign in:\n\n{start}\n");
    let waiting = async {
        loop {
            let (stream, _) = listener.accept().await.map_err(failed)?;
            // Anything on this machine may connect: only what carries the state of this request counts.
            if let Some(answer) = receive(stream, &redirect_uri, &request.state).await {
                return Ok((answer, redirect_uri.clone()));
            }
        }
    };
    match tokio::time::timeout(PATIENCE, waiting).await {
        Ok(outcome) => outcome,
        Err(_) => Err(Failure::new("nobody signed in within five minutes")),
    }
}

/// Reads one request line, thanks the browser, and gives back the address if it is the awaited one.
async fn receive(mut stream: TcpStream, redirect_uri: &str, state: &str) -> Option<Url> {
    let mut head = Vec::new();
    let mut piece = [0; 2048];
    while !head.windows(4).any(|four| four == b"\r\n\r\n") && head.len() < LONGEST_HEAD {
        match stream.read(&mut piece).await {
            Ok(0) | Err(_) => break,
            Ok(read) => head.extend_from_slice(piece.get(..read)?),
        }
    }
    let answer = callback(&head, redirect_uri, state);
    let (status, words) = match answer {
        Some(_) => ("200 OK", "You are signed in. This window may be closed."),
        None => ("404 Not Found", "Nothing is here."),
    };
    let reply = format!(
        "HTTP/1.1 {status}\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{words}",
        words.len()
    );
    let _ = stream.write_all(reply.as_bytes()).await;
    let _ = stream.shutdown().await;
    answer
}

fn callback(head: &[u8], redirect_uri: &str, state: &str) -> Option<Url> {
    let line = std::str::from_utf8(head).ok()?.lines().next()?;
    let target = line.strip_prefix("GET ")?.split(' ').next()?;
    let url = Url::parse(redirect_uri).ok()?.join(target).ok()?;
    let is_ours = url.as_str().starts_with(&format!("{redirect_uri}?"))
        && url.query_pairs().any(|(name, value)| name == "state" && value == state);
    is_ours.then_some(url)
}

fn report(args: &Login, request: &Authorization, tokens: Value) -> Outcome {
    let text = |name: &str| tokens.get(name).and_then(Value::as_str).map(str::to_owned);
    let claims = text("id_token").as_deref().and_then(claims_of);
    if let Some(claims) = &claims
        && claims.get("nonce").and_then(Value::as_str) != Some(&request.nonce)
    {
        return Err(Failure::new("the ID token has another nonce: it belongs to another request"));
    }
    let seconds = tokens.get("expires_in").map(|seconds| format!("{seconds} s"));
    let shown = pairs(&[
        ("access_token", or_dash(text("access_token"))),
        ("expires in", or_dash(seconds)),
        ("scope", or_dash(text("scope"))),
        ("refresh_token", or_dash(text("refresh_token"))),
        ("id_token", or_dash(text("id_token"))),
    ]);
    let claims = claims.map_or_else(String::new, |claims| {
        format!("\nThe ID token says:\n{}\n", serde_json::to_string_pretty(&claims).unwrap_or_default())
    });
    Ok(Report::new(format!("Signed in to {}.\n\n{shown}{claims}", args.client), tokens))
}

/// The claims of a token that came straight from the token endpoint (OpenID Connect Core §3.1.3.7, item 6: no need to
/// verify its signature then).
fn claims_of(token: &str) -> Option<Value> {
    serde_json::from_slice(&base64url_decode(token.split('.').nth(1)?)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> Authorization {
        Authorization {
            verifier: CodeVerifier::parse(&"v".repeat(43)).unwrap(),
            state: "s1".to_owned(),
            nonce: "n1".to_owned(),
        }
    }

    #[test]
    fn only_the_answer_to_this_request_from_this_issuer_has_a_code() {
        let issuer = Issuer::parse("http://localhost:8080").unwrap();
        let code = |query: &str| {
            let answer = Url::parse(&format!("{UNUSED_REDIRECT}?{query}")).unwrap();
            request().code_of(&answer, &issuer).map_err(|failure| failure.to_string())
        };
        let iss = "iss=http%3A%2F%2Flocalhost%3A8080";
        assert_eq!(code(&format!("code=sac_1&state=s1&{iss}")).unwrap(), "sac_1");
        assert!(code(&format!("code=sac_1&state=s2&{iss}")).is_err());
        assert!(code("code=sac_1&state=s1").is_err());
        assert!(code("code=sac_1&state=s1&iss=https%3A%2F%2Fevil.example").is_err());
        let refused = code(&format!("error=access_denied&error_description=No.&state=s1&{iss}"));
        assert_eq!(refused.unwrap_err(), "access_denied: No.");
    }

    #[test]
    fn the_loopback_listener_takes_only_its_own_answer() {
        let redirect = "http://127.0.0.1:4000/callback";
        let head = |target: &str| format!("GET {target} HTTP/1.1\r\nhost: 127.0.0.1:4000\r\n\r\n");
        assert!(callback(head("/callback?code=a&state=s1").as_bytes(), redirect, "s1").is_some());
        for target in
            ["/favicon.ico", "/callback", "/callback?code=a&state=s2", "//evil.example/callback?state=s1"]
        {
            assert!(callback(head(target).as_bytes(), redirect, "s1").is_none(), "{target}");
        }
    }
}
