"""A dependency for FastAPI, which works in Starlette's endpoints as well."""

from collections.abc import Awaitable, Callable
from typing import Any, Unpack

from ..challenge import Refusal
from ..token import Token
from ..verifier import Verifier
from . import Need


def token(verifier: Verifier, **need: Unpack[Need]) -> Callable[[Any], Awaitable[Token]]:
    """For `Annotated[Token, Depends(token(verifier, scopes=["read"]))]`.

    A refusal becomes an `HTTPException` with status, challenge and body.
    """
    from starlette.exceptions import HTTPException
    from starlette.requests import HTTPConnection

    async def dependency(request: HTTPConnection) -> Token:
        method = request.scope.get("method", "GET")
        try:
            return await verifier.authorize_async(method, str(request.url), request.headers.raw, **need)
        except Refusal as refusal:
            raise HTTPException(refusal.status, detail=refusal.body, headers=refusal.headers) from None  # type: ignore[arg-type]

    return dependency
