"""Why a token was refused."""


class Rejected(Exception):
    """A token that does not pass. The reason is for the log and for metrics: a caller that tells the reasons
    apart on the wire helps who probes.
    """

    def __init__(self, reason: str, claim: str | None = None) -> None:
        super().__init__(reason if claim is None else f"{reason} ({claim})")
        self.reason = reason
        self.claim = claim


class Unavailable(Exception):
    """The question cannot be answered now: no keys, no introspection, or a feed that is stale where the policy
    is `closed`. Nothing is said about the token.
    """


class WouldBlock(Exception):
    """An answer needs the network, and the caller cannot wait."""


class ConfigurationError(ValueError):
    """The verifier was given something it cannot work with."""


TOO_LONG = "the token is too long"
PARTS = "the token has not three parts"
ENCODING = "a part is not unpadded base64url"
HEADER_FORM = "the header is not an acceptable JSON object"
HEADER_MEMBER = "the header has a forbidden member"
KID_MISSING = "the header names no key"
KID_UNKNOWN = "the key is unknown"
ALGORITHM = "alg is not the algorithm of the key"
TYP = "typ is not the expected type"
SIGNATURE_FORM = "the signature has the wrong form"
SIGNATURE = "the signature does not verify"
PAYLOAD_FORM = "the payload is not an acceptable JSON object"
CLAIM_MISSING = "a required claim is missing"
CLAIM_TYPE = "a claim has the wrong type"
ISSUER = "iss is another issuer"
AUDIENCE = "aud names others"
EXPIRED = "the token has expired"
NOT_YET_VALID = "nbf lies ahead"
ISSUED_AHEAD = "iat lies ahead"
REVOKED = "the token has been revoked"
INACTIVE = "introspection calls the token inactive"
BINDING = "the token is bound to a key that was not proven"
OTHER_USE = "the token is no access token"
PROOF = "the DPoP proof does not fit"
