"""Why a call is refused, where several rooms refuse for the same reason.

Each is answered by a status of its own in `gateway.http.problems`.
"""

from __future__ import annotations

from recommender.records.excerpt import excerpt
from recommender.records.facts import FactKey


class BadQuery(ValueError):
    """A query parameter that is refused: its name and the reason."""

    def __init__(self, field: str, reason: str) -> None:
        self.field = field
        super().__init__(reason)


class UnknownFact(Exception):
    """No record states this fact, or it was withdrawn."""

    def __init__(self, key: FactKey) -> None:
        found = ", ".join(map(excerpt, key))
        super().__init__(f"tail: found {found}, expected the head, relation and tail of a fact")


class UnknownItem(Exception):
    """No record of an item with this id has come, or it was deleted."""

    def __init__(self, item_id: str, *, field: str = "item_id") -> None:
        self.field = field
        super().__init__(
            f"{field}: found {excerpt(item_id)}, expected the id of an item that has a record"
        )
