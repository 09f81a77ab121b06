"""The verifier in web frameworks. Each module imports its framework when it is used, and none is a dependency."""

from collections.abc import Collection
from typing import TypedDict

from ..verifier import StalePolicy


class Need(TypedDict, total=False):
    """What a route asks of a token; see `Verifier.authorize`."""

    scopes: Collection[str]
    max_age: int | None
    acr: Collection[str]
    on_stale: StalePolicy | None
