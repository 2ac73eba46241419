"""How much the requests of one batch may bring, since all of them wait for one another.

Two things are counted: values of JSON, before they are read, and elements: what stands in the lists
of a request, and the items that it asks for. Knows the raw shape of a request; does not know
whether it is right.
"""

from __future__ import annotations

from recommender.wire import (
    DEFAULT_SIMILAR,
    MAX_K,
    MAX_VALUES,
    BadRequest,
    Busy,
    decode,
    num_values,
)

# Of one request, and of its batch. An element takes a slow core 4 µs to 8 µs and about 100 bytes
# while the batch is answered. The largest single body has 201,000: 100,000 of history, as many to
# exclude, and 1,000 to recommend.
MAX_ELEMENTS = 250_000
# A request that brings no more than this is answered whatever it came with: the gateway's bring
# 2,100 at most, with their history.
SMALL = 10_000
_LISTS = ("user_seq", "items", "exclude")


class Work:
    """What a batch has brought so far. Refused requests count too: they were read."""

    def __init__(self) -> None:
        self._values = self._elements = 0

    def read(self, body: object) -> object:
        """Return a body's JSON value; raise BadRequest, or Busy when the batch has brought enough. A list is counted in all its bodies."""
        values = num_values(body)
        if values > SMALL and self._values + values > MAX_VALUES:
            raise Busy("requests")
        self._values += values
        value = decode(body)
        elements = (
            sum(map(_num_elements, value)) if isinstance(value, list) else _num_elements(value)
        )
        if elements > MAX_ELEMENTS:
            found = f"{elements:,} elements of user_seq, items and exclude and items asked for, all bodies together"
            raise BadRequest(
                "body", found=found, expected=f"at most {MAX_ELEMENTS:,} in one request"
            )
        if elements > SMALL and self._elements + elements > MAX_ELEMENTS:
            raise Busy("requests")
        self._elements += elements
        return value


def _num_elements(body: object) -> int:
    if not isinstance(body, dict):
        return 0
    listed = [body[name] for name in _LISTS if name in body]
    k = body.get("k", DEFAULT_SIMILAR)
    return sum(len(one) for one in listed if isinstance(one, list)) + (
        min(k, MAX_K) if isinstance(k, int) and k > 0 else 0
    )
