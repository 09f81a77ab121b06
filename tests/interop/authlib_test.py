"""Authlib as a relying party with keys: private_key_jwt, client_secret_jwt, and what it reads of the answers."""

import json
import os
import subprocess
import sys
import tempfile
import urllib.parse

import requests
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc7523 import ClientSecretJWT, PrivateKeyJWT
from authlib.oidc.core import CodeIDToken
from authlib.oidc.discovery import OpenIDProviderMetadata
from cryptography.hazmat.primitives.asymmetric import rsa
from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey

from verify_test import CALLBACK, ISSUER, SCOPE, authorize, refused, run

os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"
BASE = {
    "redirect_uris": ["http://127.0.0.1/callback"],
    "grant_types": ["authorization_code", "refresh_token"],
    "scope": SCOPE,
    "audience": ["https://api.example.com"],
}


def register(**metadata):
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(BASE | metadata, file)
        file.flush()
        command = [os.environ["INTEROP_BINARY"], "client", "create", "--metadata", file.name, "--json"]
        return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def sign_in(client):
    """The code flow with PKCE, by a client that can authenticate."""
    verifier = "v" * 43
    url, state = client.create_authorization_url(f"{ISSUER}/authorize", code_verifier=verifier, nonce="n-2")
    answer = authorize(url, "bob", "hunter2-hunter2-hunter2")
    client.fetch_token(f"{ISSUER}/token", authorization_response=answer, state=state, code_verifier=verifier)
    return client.token


def session(client_id, secret, method):
    client = OAuth2Session(
        client_id,
        secret,
        scope=SCOPE,
        redirect_uri=CALLBACK,
        code_challenge_method="S256",
        token_endpoint_auth_method=method.name,
        revocation_endpoint_auth_method=method.name,
        token_endpoint=f"{ISSUER}/token",
    )
    client.register_client_auth_method(method)
    return client


def rsa_key():
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return RSAKey.import_key(key, {"kid": "rp", "use": "sig", "alg": "RS256"})


def test_the_metadata_are_valid():
    document = requests.get(f"{ISSUER}/.well-known/openid-configuration").json()
    metadata = OpenIDProviderMetadata(document)
    assert metadata.issuer == ISSUER
    for endpoint in ["end_session_endpoint", "jwks_uri", "userinfo_endpoint"]:
        assert urllib.parse.urlparse(document[endpoint]).path, endpoint


def test_private_key_jwt_and_the_id_token():
    key = rsa_key()
    registered = register(
        token_endpoint_auth_method="private_key_jwt", jwks={"keys": [key.as_dict(private=False)]}
    )
    client_id = registered["client_id"]
    client = session(client_id, key, PrivateKeyJWT(f"{ISSUER}/token", headers={"kid": "rp"}))
    token = sign_in(client)
    keys = KeySet.import_key_set(requests.get(f"{ISSUER}/.well-known/jwks.json").json())
    verified = jwt.decode(token["id_token"], keys, algorithms=["RS256"])
    options = {"iss": {"values": [ISSUER]}, "aud": {"values": [client_id]}}
    claims = CodeIDToken(verified.claims, verified.header, options, {"nonce": "n-2", "client_id": client_id})
    claims.validate()
    client.refresh_token(f"{ISSUER}/token", refresh_token=token["refresh_token"])
    assert client.get(f"{ISSUER}/userinfo").json()["sub"] == claims["sub"]


def test_private_key_jwt_of_another_key_is_refused():
    registered = register(
        token_endpoint_auth_method="private_key_jwt", jwks={"keys": [rsa_key().as_dict(private=False)]}
    )
    client = session(registered["client_id"], rsa_key(), PrivateKeyJWT(f"{ISSUER}/token", headers={"kid": "rp"}))
    problem = refused(Exception, sign_in, client)
    assert "invalid_client" in str(problem), problem


def test_client_secret_jwt():
    registered = register(token_endpoint_auth_method="client_secret_jwt")
    method = ClientSecretJWT(f"{ISSUER}/token")
    client = session(registered["client_id"], registered["client_secret"], method)
    token = sign_in(client)
    assert token["refresh_token"]
    client.revoke_token(f"{ISSUER}/revoke", token=token["refresh_token"], token_type_hint="refresh_token")
    refused(Exception, lambda: client.refresh_token(f"{ISSUER}/token", refresh_token=token["refresh_token"]))


if __name__ == "__main__":
    sys.exit(run(globals()))
