"""A resource server with PyJWT and a relying party with Authlib, against a running server (scripts/interop)."""

import base64
import os
import re
import sys
import traceback
import urllib.parse

import jwt
import requests
from authlib.integrations.requests_client import OAuth2Session

ISSUER = os.environ["INTEROP_ISSUER"]
AUDIENCE = "https://api.example.com"
CALLBACK = "http://127.0.0.1:45872/callback"
SCOPE = "openid profile email offline_access read"
# Authlib wants https everywhere but is told that this server is on loopback.
os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"


def authorize(url, username, password):
    """Signs in and consents like a browser without scripts; returns the address with the answer."""
    browser = requests.Session()
    response = browser.get(url, allow_redirects=False)
    for _ in range(10):
        if "location" in response.headers:
            target = urllib.parse.urljoin(ISSUER, response.headers["location"])
            if not target.startswith(ISSUER + "/"):
                return target
            response = browser.get(target, allow_redirects=False)
            continue
        assert response.status_code == 200, response.text
        form = re.search(r'<form id="(login|consent)-form"', response.text)[1]
        fields = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', response.text))
        if form == "login":
            fields |= {"username": username, "password": password, "action": "login"}
        else:
            fields |= {"action": "approve"}
        response = browser.post(f"{ISSUER}/{form}", data=fields, allow_redirects=False)
    raise AssertionError("the sign-in does not end")


def sign_in(username="bob", password="hunter2-hunter2-hunter2"):
    """Authlib's code flow with PKCE."""
    client = OAuth2Session(
        "demo-spa",
        scope=SCOPE,
        redirect_uri=CALLBACK,
        code_challenge_method="S256",
        token_endpoint_auth_method="none",
        token_endpoint=f"{ISSUER}/token",
    )
    verifier = base64.urlsafe_b64encode(os.urandom(32)).rstrip(b"=").decode()
    url, state = client.create_authorization_url(f"{ISSUER}/authorize", code_verifier=verifier, nonce="n-1")
    answer = authorize(url, username, password)
    client.fetch_token(f"{ISSUER}/token", authorization_response=answer, state=state, code_verifier=verifier)
    return client


def introspect(token):
    response = requests.post(f"{ISSUER}/introspect", data={"token": token}, auth=("demo-api", "demo-api-secret"))
    assert response.status_code == 200, response.text
    return response.json()


def verify(token, audience, algorithm, **more):
    """PyJWT with the key set alone."""
    key = jwt.PyJWKClient(f"{ISSUER}/.well-known/jwks.json").get_signing_key_from_jwt(token)
    required = {"require": ["exp", "iat", "iss", "aud", "sub"]}
    return jwt.decode(token, key, [algorithm], audience=audience, issuer=ISSUER, options=required, **more)


def refused(error, function, *args):
    try:
        function(*args)
    except error as refusal:
        return refusal
    raise AssertionError(f"{error.__name__} was expected")


def test_pyjwt_verifies_access_and_id_tokens():
    token = sign_in().token
    access = verify(token["access_token"], AUDIENCE, "ES256")
    assert jwt.get_unverified_header(token["access_token"])["typ"] == "at+jwt"
    identity = verify(token["id_token"], "demo-spa", "RS256")
    assert identity["nonce"] == "n-1"
    assert identity["sub"] == access["sub"]
    assert access["client_id"] == "demo-spa"


def test_pyjwt_refuses_a_wrong_audience_issuer_and_algorithm():
    token = sign_in().token["access_token"]
    refused(jwt.InvalidAudienceError, verify, token, "https://other.example.com", "ES256")
    refused(jwt.InvalidAlgorithmError, verify, token, AUDIENCE, "RS256")
    key = jwt.PyJWKClient(f"{ISSUER}/.well-known/jwks.json").get_signing_key_from_jwt(token)
    refused(
        jwt.InvalidIssuerError,
        lambda: jwt.decode(token, key, ["ES256"], audience=AUDIENCE, issuer="https://other.example.com"),
    )


def test_pyjwt_refuses_an_unsigned_copy():
    token = sign_in().token["access_token"]
    header = base64.urlsafe_b64encode(b'{"alg":"none","typ":"at+jwt"}').rstrip(b"=").decode()
    forged = f"{header}.{token.split('.')[1]}."
    response = requests.get(f"{ISSUER}/demo/api/me", headers={"Authorization": f"Bearer {forged}"})
    assert response.status_code == 401, response.text
    assert introspect(forged) == {"active": False}


def test_authlib_reads_userinfo_and_refreshes():
    client = sign_in()
    person = client.get(f"{ISSUER}/userinfo").json()
    assert person["preferred_username"] == "bob", person
    first = client.token["refresh_token"]
    client.refresh_token(f"{ISSUER}/token", refresh_token=first)
    assert client.token["refresh_token"] != first
    assert client.get(f"{ISSUER}/userinfo").status_code == 200


def test_authlib_gets_a_token_for_a_service():
    client = OAuth2Session("demo-service", "demo-service-secret", scope="read")
    token = client.fetch_token(f"{ISSUER}/token", grant_type="client_credentials")
    assert verify(token["access_token"], AUDIENCE, "ES256")["sub"] == "demo-service"


def test_after_logging_out_all_devices_every_token_is_dead():
    clients = [sign_in() for _ in range(3)]
    assert all(introspect(client.token["access_token"])["active"] for client in clients)
    response = clients[0].post(f"{ISSUER}/demo/api/logout-all")
    assert response.status_code == 200, response.text
    for client in clients:
        assert introspect(client.token["access_token"]) == {"active": False}
        assert introspect(client.token["refresh_token"]) == {"active": False}
        answer = requests.post(
            f"{ISSUER}/token",
            data={
                "grant_type": "refresh_token",
                "refresh_token": client.token["refresh_token"],
                "client_id": "demo-spa",
            },
        )
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant"), answer.text
    assert sign_in().get(f"{ISSUER}/userinfo").status_code == 200


def run(module):
    """Runs the tests of a module, given as its globals."""
    passed = failed = 0
    for name, test in list(module.items()):
        if not name.startswith("test_"):
            continue
        try:
            test()
        except Exception:
            failed += 1
            print(f"✖ {name}")
            traceback.print_exc(file=sys.stdout)
        else:
            passed += 1
            print(f"✔ {name}")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(run(globals()))
