"""Verifies OAuth 2 access tokens in a resource server, and refuses revoked ones within a second."""

from . import metadata
from .challenge import Refusal
from .reasons import ConfigurationError, Rejected, Unavailable
from .token import Token
from .verifier import Options, StalePolicy, Stats, Verifier

__all__ = [
    "ConfigurationError",
    "Options",
    "Refusal",
    "Rejected",
    "StalePolicy",
    "Stats",
    "Token",
    "Unavailable",
    "Verifier",
    "metadata",
]
