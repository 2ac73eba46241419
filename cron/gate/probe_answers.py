"""The comparison of two answers of the endpoint, up to the arithmetic of another machine.

Scores may differ by a thousandth, and items whose scores are that close may swap places or fall off
the end of the list.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeGuard

from recommender.records.excerpt import shorten

RELATIVE = 1e-3
ABSOLUTE = 1e-3  # scores near zero; half-precision text vectors differ by about 5e-4


@dataclass(frozen=True, slots=True, kw_only=True)
class _ScoredItem:
    id: str
    score: float
    values: Mapping[str, object]


def difference(expected: object, found: object, *, where: str = "answer") -> str | None:
    """Return a description of the first difference, or None. `model_version` is not compared."""
    if _is_number(expected):
        is_same = _is_number(found) and _is_close(expected, found)
        return None if is_same else _mismatch(where, expected, found)
    if isinstance(expected, Mapping):
        return _object_difference(expected, found, where)
    if isinstance(expected, Sequence) and not isinstance(expected, str):
        return _list_difference(expected, found, where)
    return None if expected == found else _mismatch(where, expected, found)


def _object_difference(expected: Mapping[str, object], found: object, where: str) -> str | None:
    if not isinstance(found, Mapping):
        return _mismatch(where, expected, found)
    for name in {**expected, **found}:
        if name == "model_version":
            continue
        if name not in expected or name not in found:
            return f"{where}.{name}: {'missing' if name in expected else 'not expected'}"
        at = f"{where}.{name}"
        ranking = _ranking(expected[name])
        if ranking:
            text = _ranking_difference(ranking, found[name], at)
        else:
            text = difference(expected[name], found[name], where=at)
        if text is not None:
            return text
    return None


def _list_difference(expected: Sequence[object], found: object, where: str) -> str | None:
    if not isinstance(found, Sequence) or isinstance(found, str) or len(expected) != len(found):
        return _mismatch(where, expected, found)
    for place, (one, other) in enumerate(zip(expected, found, strict=True)):
        text = difference(one, other, where=f"{where}[{place}]")
        if text is not None:
            return text
    return None


def _ranking_difference(expected: list[_ScoredItem], raw: object, where: str) -> str | None:
    """Compare two rankings place by place.

    Another item in a place must have had the same score, or the score of the last place, from
    which it may have been cut off.
    """
    found = _ranking(raw)
    if found is None or len(expected) != len(found):
        return _mismatch(where, f"{len(expected)} items", raw)
    by_id = {item.id: item for item in expected}
    if len({item.id for item in found}) != len(found):
        return f"{where}: an item appears twice"
    for place, (wanted, got) in enumerate(zip(expected, found, strict=True)):
        at = f"{where}[{place}]"
        twin = by_id.get(got.id)
        if not _is_close(wanted.score, got.score):
            return _mismatch(f"{at}.score", wanted.score, got.score)
        if twin is None and not _is_close(expected[-1].score, got.score):
            return _mismatch(f"{at}.id", wanted.id, got.id)
        text = difference(twin.values, got.values, where=at) if twin is not None else None
        if text is not None:
            return text
    return None


def _ranking(value: object) -> list[_ScoredItem] | None:
    """Read a list of ranked items; None when it is something else."""
    if not isinstance(value, list):
        return None
    items = []
    for item in value:
        if not isinstance(item, dict) or "id" not in item or not _is_number(item.get("score")):
            return None
        items.append(_ScoredItem(id=item["id"], score=item["score"], values=item))
    return items


def _is_number(value: object) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_close(one: float, other: float) -> bool:
    return math.isclose(one, other, rel_tol=RELATIVE, abs_tol=ABSOLUTE)


def _mismatch(where: str, expected: object, found: object) -> str:
    return f"{where}: expected {shorten(repr(expected))}, found {shorten(repr(found))}"
