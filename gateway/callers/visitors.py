"""What a browser key may send and ask for: what one visitor of the shop does, and no more.

Everybody who reads a shop's page has its browser key, so the key proves nothing about a visitor.
Who knows a user's id may add to that user's history and ask for that user's recommendations, which
say something about it. Therefore ids that can be guessed are refused.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence

from cron.errors import WrongUserId
from gateway.callers.flood_limits import FloodLimits
from gateway.callers.keyring import Caller
from recommender.records.events import Event, Record
from recommender.records.excerpt import excerpt
from recommender.records.record_fields import InvalidRecord
from recommender.requests.wire import BadRequest, Element

# what browsers send when a page is left (`sendBeacon`, `keepalive`)
MAX_BODY_BYTES = 64 * 1024
# of texts in a session. The encoder reads 20,000 characters a second on a slow core, and all
# visitors wait for it.
MAX_SESSION_CHARS = 2_000
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


class WrongSite(Exception):
    """A page of a site that a browser key is not for."""

    def __init__(self, caller: Caller, origin: str) -> None:
        super().__init__(
            f"Origin is {ascii(origin)[:80]}, and the key {caller.name!r} is for pages of "
            f"{', '.join(sorted(caller.origins))}"
        )


class VisitorRules:
    """The rules, with the types of events, the length of ids and the attributes of a shop."""

    def __init__(
        self,
        *,
        types: Collection[str],
        id_chars: int,
        private_attributes: Collection[str],
        floods: FloodLimits,
    ) -> None:
        self._types = frozenset(types)
        self._private_attributes = frozenset(private_attributes)
        self._id_chars = id_chars
        self._floods = floods

    def check_origin(self, caller: Caller, origin: str | None) -> None:
        """Raise WrongSite for a page of another site. A program may leave `Origin` out."""
        if origin is not None and origin not in caller.origins:
            raise WrongSite(caller, origin)

    def check_user_id(self, user_id: str) -> None:
        """Raise WrongUserId for an id that can be guessed."""
        if len(user_id) < self._id_chars:
            raise WrongUserId(user_id, expected=self._long_id())

    def check_record(self, record: Record) -> None:
        """Raise InvalidRecord for an event that a visitor can't send, or not so often."""
        if not isinstance(record, Event):
            return
        if record.type not in self._types:
            types = ", ".join(sorted(self._types))
            raise InvalidRecord(
                "type", found=record.type, expected=f"one that a browser key may send: {types}"
            )
        if len(record.user_id) < self._id_chars:
            raise InvalidRecord("user_id", found=record.user_id, expected=self._long_id())
        if _UUID.fullmatch(record.event_id) is None:
            # whoever sends `order-7313` first makes the shop's own event of that id a duplicate
            raise InvalidRecord(
                "event_id", found=record.event_id, expected="a UUID with a browser key, or none"
            )
        self._floods.check(record)

    def check_session(self, history: Sequence[Element]) -> None:
        """Raise BadRequest for a session with much text, which takes the time of all visitors."""
        num_chars = sum(len(one.name.value) for one in history if one.name.kind != "id")
        if num_chars > MAX_SESSION_CHARS:
            raise BadRequest(
                "history",
                found=f"{num_chars:,} characters of names and texts",
                expected=f"at most {MAX_SESSION_CHARS:,} with a browser key; name items by id, as "
                '{"id": "50"}',
            )

    def check_attributes(self, names: Iterable[str], field: str) -> None:
        """Raise BadRequest for an attribute of a field that the shop keeps to itself."""
        private = [name for name in names if name in self._private_attributes]
        if private:
            expected = "attributes that a browser key may read (gateway.private_attributes)"
            raise BadRequest(field, found=excerpt(private[0]), expected=expected)

    def _long_id(self) -> str:
        return (
            f"with a browser key an id that can't be guessed, of {self._id_chars} characters or "
            "more, such as a UUID or a keyed hash of the account's number"
        )
