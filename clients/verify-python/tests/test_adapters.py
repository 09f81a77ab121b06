"""The verifier in ASGI, WSGI, FastAPI, Starlette, Flask and Django."""

import asyncio
import importlib.util
import json
import os
import unittest
from typing import Annotated

from signet_verify import Token, Verifier
from signet_verify.adapters import asgi, wsgi
from signet_verify.testing import TestIssuer
from support import AUDIENCE


def needs(*modules):
    """Frameworks are no dependency; where all tests are to run they must be there."""
    missing = [name for name in modules if importlib.util.find_spec(name) is None]
    return unittest.skipIf(missing and "CI" not in os.environ, f"not installed: {missing}")


class Base(unittest.TestCase):
    def setUp(self):
        self.issuer = self.enterContext(TestIssuer())
        self.verifier = Verifier(self.issuer.issuer, AUDIENCE, realm="api")
        self.addCleanup(self.verifier.close)
        good, poor = self.issuer.mint(AUDIENCE), self.issuer.mint(AUDIENCE, scope="write")
        self.cases = (
            ({"Authorization": f"Bearer {good}"}, 200, None),
            ({}, 401, 'Bearer realm="api", scope="read"'),
            ({"Authorization": f"Bearer {good}A"}, 401, 'error="invalid_token"'),
            ({"Authorization": f"Bearer {poor}"}, 403, 'error="insufficient_scope"'),
            ({"Authorization": "Bearer a b"}, 400, 'error="invalid_request"'),
        )

    def check(self, ask):
        """`ask` sends headers and gives status, headers and body."""
        for headers, status, challenge in self.cases:
            answer, fields, body = ask(headers)
            fields = {name.lower(): value for name, value in dict(fields).items()}
            self.assertEqual(answer, status)
            if challenge is None:
                self.assertEqual(json.loads(body), {"subject": "alice"})
            else:
                self.assertIn(challenge, fields["www-authenticate"])
                self.assertEqual(fields["cache-control"], "no-store")
                said = json.loads(body)
                said = said.get("detail", said)
                self.assertEqual("error_description" in said, bool(headers))


class Middleware(Base):
    def test_asgi(self):
        async def app(scope, receive, send):
            body = json.dumps({"subject": scope["state"]["token"].subject}).encode()
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": body})

        guarded = asgi.TokenMiddleware(app, self.verifier, scopes=["read"])

        def ask(headers, kind="http"):
            sent = []
            raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
            scope = {"type": kind, "method": "GET", "path": "/x", "scheme": "http", "headers": raw}

            async def send(message):
                sent.append(message)

            asyncio.run(guarded(scope, None, send))
            if kind == "websocket":
                return sent
            fields = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
            return sent[0]["status"], fields, sent[1]["body"]

        self.check(ask)
        self.assertEqual(ask({}, "websocket"), [{"type": "websocket.close", "code": 1008}])

    def test_wsgi(self):
        def app(environ, start_response):
            start_response("200 OK", [])
            return [json.dumps({"subject": environ["signet.token"].subject}).encode()]

        guarded = wsgi.TokenMiddleware(app, self.verifier, scopes=["read"])

        def ask(headers):
            said = []
            environ = {
                "REQUEST_METHOD": "GET", "SCRIPT_NAME": "", "PATH_INFO": "/x", "wsgi.url_scheme": "http",
                "HTTP_HOST": "api", **{f"HTTP_{name.upper()}": value for name, value in headers.items()},
            }  # fmt: skip
            body = b"".join(guarded(environ, lambda status, fields: said.extend((status, fields))))
            return int(said[0].split()[0]), said[1], body

        self.check(ask)

    def test_an_asgi_address_is_absolute_and_without_the_query(self):
        scope = {"type": "http", "scheme": "https", "path": "/a b", "raw_path": b"/a%20b", "query_string": b"x=y",
                 "headers": [(b"host", b"api.example.com")]}  # fmt: skip
        self.assertEqual(asgi.address(scope), "https://api.example.com/a%20b")


class Frameworks(Base):
    @needs("fastapi", "httpx")
    def test_fastapi(self):
        from fastapi import Depends, FastAPI
        from fastapi.testclient import TestClient

        from signet_verify.adapters import fastapi

        app = FastAPI()
        reader = fastapi.token(self.verifier, scopes=["read"])

        @app.get("/x")
        async def read(token: Annotated[Token, Depends(reader)]):
            return {"subject": token.subject}

        with TestClient(app) as client:

            def ask(headers):
                answer = client.get("/x", headers=headers)
                return answer.status_code, answer.headers, answer.content

            self.check(ask)
            self.assertEqual(client.get("/openapi.json").status_code, 200)

    @needs("starlette", "httpx")
    def test_starlette(self):
        from starlette.applications import Starlette
        from starlette.middleware import Middleware as Layer
        from starlette.responses import JSONResponse
        from starlette.routing import Route
        from starlette.testclient import TestClient

        def read(request):
            return JSONResponse({"subject": request.state.token.subject})

        layer = Layer(asgi.TokenMiddleware, verifier=self.verifier, scopes=["read"])
        with TestClient(Starlette(routes=[Route("/x", read)], middleware=[layer])) as client:

            def ask(headers):
                answer = client.get("/x", headers=headers)
                return answer.status_code, answer.headers, answer.content

            self.check(ask)

    @needs("flask")
    def test_flask(self):
        import flask

        from signet_verify.adapters.flask import protect

        app = flask.Flask("test")

        @app.get("/x")
        @protect(self.verifier, scopes=["read"])
        def read():
            return {"subject": flask.g.token.subject}

        def ask(headers):
            answer = app.test_client().get("/x", headers=headers)
            return answer.status_code, answer.headers, answer.data

        self.check(ask)

    @needs("django")
    def test_django(self):
        from django.conf import settings

        if not settings.configured:
            settings.configure(ALLOWED_HOSTS=["*"])
        from django.http import JsonResponse
        from django.test import AsyncRequestFactory, RequestFactory

        from signet_verify.adapters.django import protect

        @protect(self.verifier, scopes=["read"])
        def read(request):
            return JsonResponse({"subject": request.token.subject})

        @protect(self.verifier, scopes=["read"])
        async def read_async(request):
            return JsonResponse({"subject": request.token.subject})

        def ask(headers):
            answer = read(RequestFactory().post("/x", headers=headers))
            return answer.status_code, answer.headers, answer.content

        def ask_async(headers):
            answer = asyncio.run(read_async(AsyncRequestFactory().get("/x", headers=headers)))
            return answer.status_code, answer.headers, answer.content

        self.check(ask)
        self.check(ask_async)
        self.assertTrue(read.csrf_exempt)


if __name__ == "__main__":
    unittest.main()
