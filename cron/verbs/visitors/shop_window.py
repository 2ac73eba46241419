"""A shop as its visitors see it: items, lists, and the events of a visit."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime

from cron.settings.tree import GatewaySettings
from cron.verbs.gateway_calls import GatewayCalls, unexpected_answer
from cron.verbs.visitors.behaviour import Act

_JSON = "application/json"
_PAGE = "1000"


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownList:
    """A list as a visitor sees it. `shown_by` is the experiment's arm, else the policy."""

    recommendation_id: str
    item_ids: Sequence[str]
    shown_by: str


class ShopWindow:
    """Makes a visitor's calls to a gateway, waiting while it is down."""

    def __init__(
        self, url: str | None, gateway: GatewaySettings, *, say: Callable[[str], object]
    ) -> None:
        self._opened = ExitStack()

        def calls_of(path: str) -> GatewayCalls:
            return self._opened.enter_context(GatewayCalls(path, url, gateway, say=say))

        self._items = calls_of("/v1/items")
        self._lists = calls_of("/v1/recommendations")
        self._events = calls_of("/v1/events")

    def __enter__(self) -> ShopWindow:
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    def attributes(self, *, at_most: int) -> dict[str, Mapping[str, object]]:
        """Return the attributes of the shop's first items by id, hidden ones left out."""
        found: dict[str, Mapping[str, object]] = {}
        query = {"limit": _PAGE}
        while True:
            answer = self._items.get(query)
            if answer.status_code != 200:
                raise unexpected_answer(answer)
            page = answer.json()
            for item in page["items"]:
                if not item["hidden"]:
                    found[item["item_id"]] = item["attributes"]
            if page["next_cursor"] is None or len(found) >= at_most:
                return found
            query["cursor"] = page["next_cursor"]

    def show(self, user_id: str, *, placement: str | None, k: int) -> ShownList:
        """Return the list that a user is shown."""
        asked = {"user_id": user_id, "k": k, "placement": placement}
        answer = self._lists.post(json.dumps(asked).encode(), _JSON)
        if answer.status_code != 200:
            raise unexpected_answer(answer)
        found = answer.json()
        return ShownList(
            recommendation_id=found["recommendation_id"],
            item_ids=[item["id"] for item in found["items"]],
            shown_by=str(found.get("arm") or found.get("policy") or "model"),
        )

    def record(self, user_id: str, shown: ShownList, acts: Sequence[Act]) -> None:
        """Send what the visitor did as events; the same events again change nothing."""
        if not acts:
            return
        at = datetime.now(UTC).isoformat()
        events = [
            {
                "event_id": f"{shown.recommendation_id}:{act.type}:{act.item_id}",
                "user_id": user_id,
                "item_id": act.item_id,
                "type": act.type,
                "at": at,
                "recommendation_id": shown.recommendation_id,
            }
            for act in acts
        ]
        answer = self._events.post(json.dumps(events).encode(), _JSON)
        if answer.status_code != 202:
            raise unexpected_answer(answer)
