"""Random impressions and clicks of a shop, and the events that the join makes of them."""

from __future__ import annotations

import random
from datetime import UTC, datetime

from tests.services.clickstream import Clickstream, click, impression

WINDOW_S = 600.0
SKEW_S = 60.0


Traffic = tuple[list[dict[str, object]], list[dict[str, object]]]


def random_traffic(at: float, *, seed: int, num_impressions: int = 500) -> Traffic:
    """Return ten minutes of impressions, and clicks: some twice, too late, or never shown."""
    rng = random.Random(seed)
    shown = [
        impression(
            f"traffic {seed}.{one}",
            at + rng.randrange(600),
            user_id=f"u{one % 50}",
            item_id=f"i{rng.randrange(90)}",
        )
        for one in range(num_impressions)
    ]
    clicks = []
    for seen in rng.sample(shown, num_impressions // 3):
        who = {"user_id": str(seen["user_id"]), "item_id": str(seen["item_id"])}
        clicked_at = float(str(seen["at"])) + rng.choice(
            [-SKEW_S - 1, -SKEW_S, 0, 1, 30, WINDOW_S, WINDOW_S + 1]
        )
        clicks += [
            click(str(seen["impression_id"]), clicked_at, **who)
            for _ in range(rng.choice([1, 1, 2]))
        ]
    clicks += [click(f"traffic {seed}.never {one}", at + one) for one in range(20)]
    return sorted(shown + rng.sample(shown, 20), key=_at), sorted(clicks, key=_at)


def joined_events(
    shown: list[dict[str, object]], clicks: list[dict[str, object]]
) -> dict[str, dict[str, object]]:
    """Join as the SQL should: the events by their ids."""
    clicked = {str(one["impression_id"]): one for one in reversed(clicks)}
    events = {
        f"click:{impression_id}": _event("click", one) for impression_id, one in clicked.items()
    }
    for seen in shown:
        found = clicked.get(str(seen["impression_id"]))
        if found is None or not -SKEW_S <= _at(found) - _at(seen) <= WINDOW_S:
            events[f"impression:{seen['impression_id']}"] = _event("impression", seen)
    return events


def clicked_ids(traffic: Traffic) -> list[str]:
    """Return event ids of clicks that meet their impressions, due at the next checkpoint."""
    joined = joined_events(*traffic)
    ids = [str(seen["impression_id"]) for seen in traffic[0]]
    return [
        f"click:{one}"
        for one in ids
        if f"click:{one}" in joined and f"impression:{one}" not in joined
    ]


def _event(type_: str, message: dict[str, object]) -> dict[str, object]:
    return {
        "user_id": message["user_id"],
        "item_id": message["item_id"],
        "type": type_,
        "at": iso(_at(message)),
    }


def send_traffic(stream: Clickstream, traffic: Traffic) -> None:
    shown, clicks = traffic
    stream.send(stream.join.impressions, shown)
    stream.send(stream.join.clicks, clicks)


def _at(message: dict[str, object]) -> float:
    return float(str(message["at"]))


def iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")
