"""Where an issuer has its keys: OpenID Connect Discovery 1.0 §4, RFC 8414 §3."""

from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

from .encoding import Object
from .fetch import Fetcher, FetchError, check_address
from .reasons import ConfigurationError


@dataclass(frozen=True, slots=True)
class Provider:
    """What a resource server needs of the metadata."""

    jwks_uri: str
    introspection_endpoint: str | None


def discover(fetcher: Fetcher, issuer: str) -> Provider:
    """Reads the metadata, or raises `FetchError`."""
    errors: list[str] = []
    for address in addresses(issuer):
        try:
            return read(fetcher.get_json(address), issuer)
        except FetchError as error:
            errors.append(f"{urlsplit(address).path}: {error}")
    raise FetchError("; ".join(errors))


def addresses(issuer: str) -> tuple[str, str]:
    """Discovery appends its path to the issuer's, RFC 8414 §3.1 puts its own in front."""
    parts = urlsplit(issuer)
    path = parts.path.rstrip("/")
    oauth = f"/.well-known/oauth-authorization-server{path}"
    return (
        f"{issuer.rstrip('/')}/.well-known/openid-configuration",
        urlunsplit((parts.scheme, parts.netloc, oauth, "", "")),
    )


def read(document: Object, issuer: str) -> Provider:
    """RFC 8414 §3.3: metadata that names another issuer must not be used."""
    if document.get("issuer") != issuer:
        raise FetchError("the metadata names another issuer")
    introspection = document.get("introspection_endpoint")
    jwks_uri = document.get("jwks_uri")
    try:
        for url in (jwks_uri, introspection):
            if url is not None or url is jwks_uri:
                check_address(url if isinstance(url, str) else "", within=issuer)
    except ConfigurationError as error:
        raise FetchError(f"an address in the metadata: {error}") from error
    return Provider(str(jwks_uri), introspection)
