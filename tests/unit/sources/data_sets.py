"""Helpers that write small data sets and read their events."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from sources.source import Source

SECONDS = 1472688000


def review(user: str, item: str, rating: object, at: object) -> dict[str, object]:
    return {
        "reviewerID": user,
        "asin": item,
        "overall": rating,
        "unixReviewTime": at,
        "reviewText": "Äh, 'gut'",
        "helpful": [0, 0],
    }


ROWS = (
    ("A3CIUOJXQ5VDQ2", "B0000530HU", 5.0, SECONDS + 1),
    ("A2UEO5XR3598GI", "7806397051", 1.0, SECONDS),
)


def csv_lines(rows: Sequence[Sequence[object]]) -> bytes:
    return "".join(",".join(map(str, row)) + "\n" for row in rows).encode()


def json_lines(rows: Sequence[Mapping[str, object]]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def write(folder: Path, content: Mapping[str, bytes]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, one in content.items():
        (folder / name).write_bytes(one)
    return folder


def events_of(source: Source) -> list[tuple[object, ...]]:
    return [
        (raw["user_id"], raw["item_id"], raw["type"], raw.get("rating"), raw["at"])
        for raw in source.events
    ]
