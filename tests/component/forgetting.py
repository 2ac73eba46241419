"""Helpers of the tests that forget a user."""

from __future__ import annotations

from pathlib import Path

from cron.forgetting.request import forget
from cron.journal.dead_letters import DeadLetters
from tests.component.house import House


def forget_in(house: House, folder: Path, user_id: str = "ann") -> None:
    forget(
        house.ledger,
        house.histories,
        DeadLetters(folder / "dead-letters.jsonl"),
        user_id,
        asked_by="a test",
    )


def one_raw(user_id: str) -> dict[str, object]:
    return {"user_id": user_id, "item_id": "i", "type": "view", "at": "yesterday"}
