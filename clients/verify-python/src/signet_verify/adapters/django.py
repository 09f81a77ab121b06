"""A decorator for Django's views, synchronous and asynchronous ones."""

from collections.abc import Callable
from functools import wraps
from inspect import iscoroutinefunction
from typing import Any, TypeVar, Unpack

from ..challenge import Refusal
from ..verifier import Verifier
from . import Need

View = TypeVar("View", bound=Callable[..., Any])


def protect(verifier: Verifier, **need: Unpack[Need]) -> Callable[[View], View]:
    """Lets only requests with a good token reach the view, which finds it in `request.token`.

    The view is exempt from the check against forged forms: nobody's browser adds a token by itself.
    """
    from django.http import JsonResponse
    from django.views.decorators.csrf import csrf_exempt

    def refused(refusal: Refusal) -> Any:
        return JsonResponse(refusal.body, status=refusal.status, headers=refusal.headers)

    def question(request: Any) -> tuple[str, str, list[tuple[str, str]]]:
        return request.method, request.build_absolute_uri(request.path), list(request.headers.items())

    def decorate(view: View) -> View:
        @wraps(view)
        def protected(request: Any, *args: Any, **kwargs: Any) -> Any:
            try:
                request.token = verifier.authorize(*question(request), **need)
            except Refusal as refusal:
                return refused(refusal)
            return view(request, *args, **kwargs)

        @wraps(view)
        async def protected_async(request: Any, *args: Any, **kwargs: Any) -> Any:
            try:
                request.token = await verifier.authorize_async(*question(request), **need)
            except Refusal as refusal:
                return refused(refusal)
            return await view(request, *args, **kwargs)

        chosen = protected_async if iscoroutinefunction(view) else protected
        return csrf_exempt(chosen)  # type: ignore[no-any-return]

    return decorate
