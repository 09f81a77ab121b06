"""WSGI middleware, for Flask, Django, Bottle, Pyramid and what else speaks WSGI."""

import json
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any, Unpack
from wsgiref.util import request_uri

from ..challenge import Refusal
from ..verifier import Verifier
from . import Need

App = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class TokenMiddleware:
    """Lets only requests with a good token pass. The application finds it in `environ["signet.token"]`."""

    def __init__(self, app: App, verifier: Verifier, **need: Unpack[Need]) -> None:
        self._app = app
        self._verifier = verifier
        self._need = need

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        names = {"HTTP_AUTHORIZATION": "Authorization", "HTTP_DPOP": "DPoP"}
        headers = [(name, environ[key]) for key, name in names.items() if key in environ]
        address = request_uri(environ, include_query=False)
        try:
            token = self._verifier.authorize(environ["REQUEST_METHOD"], address, headers, **self._need)
        except Refusal as refusal:
            body = json.dumps(refusal.body).encode()
            own = {"Content-Type": "application/json", "Content-Length": str(len(body))}
            status = f"{refusal.status} {HTTPStatus(refusal.status).phrase}"
            start_response(status, list({**refusal.headers, **own}.items()))
            return [body]
        environ["signet.token"] = token
        return self._app(environ, start_response)
