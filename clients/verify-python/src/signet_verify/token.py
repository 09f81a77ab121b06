"""The typed view of a verified access token."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from .challenge import Challenger
from .claims import audiences, time
from .clock import Clock
from .encoding import Object


@dataclass(frozen=True, slots=True)
class Token:
    """An access token that passed every check. Times are Unix seconds."""

    subject: str | None
    """The user, or the client itself where no user stands behind the token."""
    client_id: str | None
    scopes: frozenset[str]
    audience: tuple[str, ...]
    expires_at: float | None
    issued_at: float | None
    token_id: str | None
    session: str | None
    """The login session the token goes back to."""
    auth_time: float | None
    """When the user signed in; not when the token was made."""
    acr: str | None
    amr: tuple[str, ...]
    roles: frozenset[str]
    confirmation: Mapping[str, Any] | None
    """What the token is bound to (RFC 7800)."""
    claims: Mapping[str, Any]
    """All claims, as received."""
    key_id: str | None
    """The key that signed the token; None for an opaque one."""
    _challenger: Challenger = field(repr=False, compare=False)
    _clock: Clock = field(repr=False, compare=False)

    def has_scope(self, scope: str) -> bool:
        """Whether the scope was granted."""
        return scope in self.scopes

    def require_scopes(self, *scopes: str) -> None:
        """Raises a `Refusal` (403) unless all of the scopes were granted."""
        if not self.scopes.issuperset(scopes):
            raise self._challenger.insufficient_scope(scopes)

    def require_fresh(self, max_age: int) -> None:
        """Raises a `Refusal` (RFC 9470) unless the user signed in at most that many seconds ago."""
        if self.auth_time is None or self._clock.millis() / 1000 - self.auth_time > max_age:
            raise self._challenger.step_up(max_age=max_age)

    def require_acr(self, *acr: str) -> None:
        """Raises a `Refusal` (RFC 9470) unless the sign-in was of one of these classes."""
        if self.acr not in acr:
            raise self._challenger.step_up(acr=acr)

    def require(self, scopes: Collection[str], max_age: int | None, acr: Collection[str]) -> None:
        """All three, as far as given. Both reasons to sign in again are told at once."""
        self.require_scopes(*scopes)
        old = max_age is not None and (
            self.auth_time is None or self._clock.millis() / 1000 - self.auth_time > max_age
        )
        if old or (acr and self.acr not in acr):
            raise self._challenger.step_up(max_age, acr)

    @classmethod
    def of(cls, claims: Object, key_id: str | None, challenger: Challenger, clock: Clock) -> "Token":
        """The view of claims whose types have been checked."""
        return cls(
            subject=claims.get("sub"),
            client_id=claims.get("client_id"),
            scopes=frozenset(claims.get("scope", "").split()),
            audience=audiences(claims),
            expires_at=_seconds(claims, "exp"),
            issued_at=_seconds(claims, "iat"),
            token_id=claims.get("jti"),
            session=claims.get("sid"),
            auth_time=_seconds(claims, "auth_time"),
            acr=claims.get("acr"),
            amr=tuple(claims.get("amr", ())),
            roles=frozenset(claims.get("roles", ())),
            confirmation=claims.get("cnf"),
            claims=MappingProxyType(claims),
            key_id=key_id,
            _challenger=challenger,
            _clock=clock,
        )


def _seconds(claims: Object, name: str) -> float | None:
    millis = time(claims, name)
    return None if millis is None else millis / 1000
