"""Protected-resource metadata (RFC 9728)."""

from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from .challenge import DpopPolicy

_WELL_KNOWN = "/.well-known/oauth-protected-resource"


def address(resource: str) -> str:
    """RFC 9728 §3.1: where the metadata of a resource is found."""
    parts = urlsplit(resource)
    path = _WELL_KNOWN + ("" if parts.path == "/" else parts.path)
    return urlunsplit((parts.scheme, parts.netloc, path, parts.query, ""))


def document(
    resource: str, issuer: str, scopes: Iterable[str] = (), dpop: DpopPolicy = "off", **more: Any
) -> dict[str, Any]:
    """RFC 9728 §2: the document to serve there as `application/json`."""
    members: dict[str, Any] = {
        "resource": resource,
        "authorization_servers": [issuer],
        "bearer_methods_supported": ["header"],
    }
    if scopes := sorted(scopes):
        members["scopes_supported"] = scopes
    if dpop != "off":
        members["dpop_signing_alg_values_supported"] = ["ES256", "EdDSA", "PS256", "RS256"]
    if dpop == "require":
        members["dpop_bound_access_tokens_required"] = True
    return members | more
