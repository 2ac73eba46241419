"""Limits on the work in one batch, since all its requests wait for one another.

Two things are counted: JSON values, before the body is parsed; and elements, which are the entries
of a request's lists plus the items that it asks for, or that its rules or its policy choose from.
Nothing here validates a request.
"""

from __future__ import annotations

from recommender.requests.body import decode, num_values
from recommender.requests.list_rules import first_pool
from recommender.requests.wire import (
    DEFAULT_SIMILAR,
    MAX_K,
    MAX_VALUES,
    BadRequest,
    Busy,
)

# For one request, and for its batch. An element takes 4 µs to 8 µs of a slow core and about 100
# bytes while the batch is answered. The largest single body has 211,000 elements: a history of
# 100,000, as many to exclude, 10,000 candidates, and 1,000 to recommend.
MAX_ELEMENTS = 250_000
# A request of at most this size is answered whatever else is in its batch. Requests from the
# gateway have at most 2,100 elements, history included, where the client sends no long lists.
SMALL = 10_000
SLOT_WORK = 4  # a policy weighs its whole pool for each slot, so an item counts more than once
_LISTS = ("user_seq", "items", "exclude", "candidates")


class Work:
    """The work in a batch so far. Refused requests count too, since they were parsed."""

    def __init__(self) -> None:
        self._values = self._elements = 0

    def take(self, body: object) -> object:
        """Return a body's JSON value; raise BadRequest, or Busy when the batch is full.

        The bodies of a list are counted together.
        """
        values = num_values(body)
        if values > SMALL and self._values + values > MAX_VALUES:
            raise Busy("requests")
        self._values += values
        value = decode(body)
        elements = (
            sum(map(_num_elements, value)) if isinstance(value, list) else _num_elements(value)
        )
        if elements > MAX_ELEMENTS:
            found = (
                f"{elements:,} elements in user_seq, items, exclude, candidates and items asked "
                "for, all bodies together"
            )
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
    k = min(k, MAX_K) if isinstance(k, int) and k > 0 else 0
    num = sum(map(_num_listed, listed))
    if "policy" in body:
        return num + SLOT_WORK * first_pool(k) + _num_new(body["policy"])
    return num + (first_pool(k) if "rules" in body else k)


def _num_listed(value: object) -> int:
    """Return the length of a list, or of the longest column of a history in columns."""
    columns = value.values() if isinstance(value, dict) else [value]
    return max((len(one) for one in columns if isinstance(one, list)), default=0)


def _num_new(policy: object) -> int:
    new_items = policy.get("new_items") if isinstance(policy, dict) else None
    ids = new_items.get("ids") if isinstance(new_items, dict) else None
    return len(ids) if isinstance(ids, list) else 0
