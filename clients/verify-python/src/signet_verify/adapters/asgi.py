"""ASGI middleware, for Starlette, FastAPI, Quart, Django and what else speaks ASGI."""

import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Unpack

from ..challenge import Refusal
from ..verifier import Verifier
from . import Need

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


class TokenMiddleware:
    """Lets only requests with a good token pass. The application finds it in `scope["state"]["token"]`, which
    Starlette calls `request.state.token`.
    """

    def __init__(self, app: App, verifier: Verifier, **need: Unpack[Need]) -> None:
        self._app = app
        self._verifier = verifier
        self._need = need

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            # The server is starting: the feed can be there before the first request.
            self._verifier.start()
            return await self._app(scope, receive, send)
        try:
            method = scope.get("method", "GET")
            token = await self._verifier.authorize_async(
                method, address(scope), scope["headers"], **self._need
            )
        except Refusal as refusal:
            return await refuse(refusal, scope, send)
        scope.setdefault("state", {})["token"] = token
        return await self._app(scope, receive, send)


def address(scope: Scope) -> str:
    """The absolute address of a request, as far as the server knows it (behind a proxy: as far as it was told)."""
    host = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"host"), "localhost")
    scheme = {"ws": "http", "wss": "https"}.get(scope.get("scheme", "http"), scope.get("scheme", "http"))
    path = scope.get("raw_path") or scope["path"].encode()
    return f"{scheme}://{host}{path.decode('latin-1')}"


async def refuse(refusal: Refusal, scope: Scope, send: Send) -> None:
    """Sends the refusal."""
    if scope["type"] == "websocket":
        # Before it is accepted, this is an HTTP 403.
        return await send({"type": "websocket.close", "code": 1008})
    headers = {**refusal.headers, "Content-Type": "application/json"}
    encoded = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": refusal.status, "headers": encoded})
    await send({"type": "http.response.body", "body": json.dumps(refusal.body).encode()})
