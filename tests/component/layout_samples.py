"""A data set to ingest with its expected result, and rows of well-known data sets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

AT = 1600000000
SHOP = "--user user --item item --at ts"


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSetCase:
    """Files, how they are ingested, and the expected result.

    The result is users and events by type, or words of a refusal.
    """

    files: Mapping[str, str | bytes]
    words: str = SHOP
    types: Mapping[str, int] = field(default_factory=dict)
    users: int = 0
    rejected: int = 0
    items: int = 0
    warns: str = ""
    refusal: str = ""


MIND = (
    "user_id:token\titem_id:token\tlabel:float\ttimestamp:float\nU1\tN1\t1\t1573463158\n"
    "U1\tN2\t0\t1573463158\nU2\tN2\t0\t1573463200\n"
)
