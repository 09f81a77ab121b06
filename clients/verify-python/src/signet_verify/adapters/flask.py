"""A decorator for Flask's views."""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, Unpack

from ..challenge import Refusal
from ..verifier import Verifier
from . import Need

View = TypeVar("View", bound=Callable[..., Any])


def protect(verifier: Verifier, **need: Unpack[Need]) -> Callable[[View], View]:
    """Lets only requests with a good token reach the view, which finds it in `flask.g.token`."""
    import flask

    def decorate(view: View) -> View:
        @wraps(view)
        def protected(*args: Any, **kwargs: Any) -> Any:
            request = flask.request
            try:
                flask.g.token = verifier.authorize(request.method, request.base_url, request.headers, **need)
            except Refusal as refusal:
                return flask.jsonify(refusal.body), refusal.status, refusal.headers
            return flask.current_app.ensure_sync(view)(*args, **kwargs)

        return protected  # type: ignore[return-value]

    return decorate
