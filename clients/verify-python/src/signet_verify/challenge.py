"""Refusals and their challenges: RFC 6750 §3, RFC 9449 §7.1, RFC 9470 §3, RFC 9728 §5.1."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

DpopPolicy = Literal["off", "accept", "require"]


class Refusal(Exception):
    """The answer to send instead of the resource.

    `www_authenticate` holds the values of as many header fields, none for 503. The `body` never tells
    why a token was refused, and is empty where there was none.
    """

    def __init__(self, status: int, error: str | None, description: str, challenges: tuple[str, ...]) -> None:
        super().__init__(f"{status} {error or 'no token'}")
        self.status = status
        self.error = error
        self.challenges = challenges
        self.body: dict[str, str] = {"error": error, "error_description": description} if error else {}

    @property
    def www_authenticate(self) -> str | None:
        """The challenges as one field value (RFC 9110 §11.6.1), None where there is none."""
        return ", ".join(self.challenges) or None

    @property
    def headers(self) -> dict[str, str]:
        """The header fields of the answer, apart from its content type."""
        headers = {"Cache-Control": "no-store"}
        if self.challenges:
            headers["WWW-Authenticate"] = ", ".join(self.challenges)
        if self.status == 503:
            headers["Retry-After"] = "1"
        return headers


@dataclass(frozen=True, slots=True)
class Challenger:
    """Words the challenges of one resource."""

    realm: str
    resource_metadata: str | None = None
    dpop: DpopPolicy = "off"
    dpop_algorithms: str = "ES256 EdDSA PS256 RS256"

    def no_token(self, scopes: Iterable[str] = ()) -> Refusal:
        """RFC 6750 §3.1: who sent no authentication is told no error."""
        scope = " ".join(scopes)
        parameters = {"scope": scope} if scope else {}
        return self._refusal(401, None, "An access token is needed.", parameters)

    def invalid_request(self, description: str) -> Refusal:
        """The credentials are malformed or sent twice."""
        return self._refusal(400, "invalid_request", description)

    def invalid_token(self, scheme: str = "Bearer") -> Refusal:
        """Malformed, expired, revoked, foreign: to the caller all the same."""
        return self._refusal(401, "invalid_token", "The access token is not valid.", scheme=scheme)

    def invalid_proof(self) -> Refusal:
        """RFC 9449 §7.1: the proof of possession does not fit."""
        return self._refusal(401, "invalid_dpop_proof", "The DPoP proof is not valid.", scheme="DPoP")

    def insufficient_scope(self, scopes: Iterable[str]) -> Refusal:
        """RFC 6750 §3.1: the token is good and does not reach this far."""
        description = "The access token does not have the scope."
        return self._refusal(403, "insufficient_scope", description, {"scope": " ".join(scopes)})

    def step_up(self, max_age: int | None = None, acr: Iterable[str] = ()) -> Refusal:
        """RFC 9470 §3: sign in again, more recently or more strongly."""
        parameters: dict[str, str] = {}
        if acr_values := " ".join(acr):
            parameters["acr_values"] = acr_values
        if max_age is not None:
            parameters["max_age"] = str(max_age)
        description = "A more recent or a stronger sign-in is needed."
        return self._refusal(401, "insufficient_user_authentication", description, parameters)

    def unavailable(self) -> Refusal:
        """It cannot be known now whether the token is good."""
        return Refusal(503, "temporarily_unavailable", "The access token cannot be checked now.", ())

    def _refusal(
        self,
        status: int,
        error: str | None,
        description: str,
        parameters: dict[str, str] | None = None,
        scheme: str | None = None,
    ) -> Refusal:
        details: dict[str, str] = {"error": error, "error_description": description} if error else {}
        details |= parameters or {}
        schemes = {"off": ["Bearer"], "accept": ["Bearer", "DPoP"], "require": ["DPoP"]}[self.dpop]
        told = scheme if scheme in schemes else schemes[0]
        # The scheme that was used is told what was wrong, the other one only that it exists.
        challenges = [
            self._challenge(one, details if one == told or error is None else {}) for one in schemes
        ]
        return Refusal(status, error, description, tuple(challenges))

    def _challenge(self, scheme: str, details: dict[str, str]) -> str:
        parameters = {"realm": self.realm, **details}
        if scheme == "DPoP":
            parameters["algs"] = self.dpop_algorithms
        if self.resource_metadata is not None:
            parameters["resource_metadata"] = self.resource_metadata
        quoted = (f'{name}="{_quotable(value)}"' for name, value in parameters.items())
        return f"{scheme} {', '.join(quoted)}"


def _quotable(text: str) -> str:
    """RFC 9110 §5.6.4, without what could end the header."""
    visible = "".join(character for character in text if " " <= character <= "~")
    return visible.replace("\\", "\\\\").replace('"', '\\"')
