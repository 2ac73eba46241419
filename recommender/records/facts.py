"""Facts: what is known about items and other entities, as head, relation and tail.

An entity is what a head or a tail names: a director, a brand, a category. An item is the entity
that has the item's id. The tail of an entity's fact `name` is the entity's name.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from recommender.records.record_fields import InvalidRecord, encodable, id_field, object_of
from recommender.records.record_times import parse_time

MAX_RELATION_CHARS = 256
NAME = "name"  # the relation of an entity's name
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One fact, or its withdrawal.

    Records with the same head, relation and tail are about the same fact, and the one with the
    greatest (at, event_id) counts. `at` is aware UTC.
    """

    event_id: str
    head: str
    relation: str
    tail: str
    at: datetime
    withdrawn: bool = False


FACT_FIELDS = frozenset(Fact.__dataclass_fields__)
FACT_TEXTS = ("event_id", "head", "relation", "tail")
FactKey = tuple[str, str, str]


def key_of(fact: Fact) -> FactKey:
    """Return what a fact says: its head, relation and tail."""
    return fact.head, fact.relation, fact.tail


def parse_fact(raw: object, *, now: datetime, new_id: Callable[[], str]) -> Fact:
    """Parse a fact from JSON values; raise InvalidRecord. Defaults are those of events."""
    fields = object_of(raw, FACT_FIELDS)
    return Fact(
        event_id=id_field(fields, "event_id") if fields.get("event_id") is not None else new_id(),
        head=id_field(fields, "head"),
        relation=_relation(id_field(fields, "relation")),
        tail=id_field(fields, "tail"),
        at=parse_time(fields["at"], now=now) if fields.get("at") is not None else now,
        withdrawn=_withdrawn(fields),
    )


def fact_json(fact: Fact) -> str:
    """Serialise a fact to one line of JSON."""
    values: dict[str, object] = {"kind": "fact"}
    values |= {name: getattr(fact, name) for name in FACT_TEXTS}
    values["at"] = fact.at.isoformat()
    if fact.withdrawn:
        values["withdrawn"] = True
    return _encode(values)


def fact_of(fields: Mapping[str, object], *, at: datetime) -> Fact:
    """Return the fact of a JSON object whose ids were checked; raise InvalidRecord."""
    texts = {name: encodable(name, str(fields[name])) for name in FACT_TEXTS}
    return Fact(
        event_id=texts["event_id"],
        head=texts["head"],
        relation=_relation(texts["relation"]),
        tail=texts["tail"],
        at=at,
        withdrawn=_withdrawn(fields),
    )


def _relation(relation: str) -> str:
    if len(relation) > MAX_RELATION_CHARS:
        raise InvalidRecord(
            "relation",
            found=relation,
            expected=f"a non-empty string of at most {MAX_RELATION_CHARS} characters",
        )
    return relation


def _withdrawn(fields: Mapping[str, object]) -> bool:
    withdrawn = fields.get("withdrawn", False)
    if not isinstance(withdrawn, bool):
        raise InvalidRecord("withdrawn", found=withdrawn, expected="true or false")
    return withdrawn
