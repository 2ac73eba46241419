"""Are two answers of the endpoint the same, as far as arithmetic on another machine lets them be?

Scores may differ by a thousandth, and items whose scores are that close may swap places or fall off
the end of the list.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

RELATIVE = 1e-3
ABSOLUTE = 1e-3  # scores near zero; half-precision text vectors differ by about 5e-4


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ranked:
    id: str
    score: float
    values: Mapping[str, object]


def difference(expected: object, found: object, *, where: str = "answer") -> str | None:
    """Return the first difference in words, None when there is none. `model_version` is not compared."""
    if (
        isinstance(expected, bool)
        or isinstance(found, bool)
        or expected is None
        or isinstance(expected, str)
    ):
        return None if expected == found else _told(where, expected, found)
    if isinstance(expected, int | float):
        return (
            None
            if isinstance(found, int | float) and _close(expected, found)
            else _told(where, expected, found)
        )
    if isinstance(expected, Mapping):
        return _in_objects(expected, found, where)
    if isinstance(expected, Sequence):
        return _in_lists(expected, found, where)
    return _told(where, expected, found)


def _in_objects(expected: Mapping[str, object], found: object, where: str) -> str | None:
    if not isinstance(found, Mapping):
        return _told(where, expected, found)
    names = [name for name in {**expected, **found} if name != "model_version"]
    for name in names:
        if name not in expected or name not in found:
            return f"{where}.{name}: {'missing' if name in expected else 'not expected'}"
        at = f"{where}.{name}"
        ranking = _ranking(expected[name])
        told = (
            _in_ranking(ranking, found[name], at)
            if ranking
            else difference(expected[name], found[name], where=at)
        )
        if told is not None:
            return told
    return None


def _in_lists(expected: Sequence[object], found: object, where: str) -> str | None:
    if not isinstance(found, Sequence) or isinstance(found, str) or len(expected) != len(found):
        return _told(where, expected, found)
    told = (
        difference(one, other, where=f"{where}[{place}]")
        for place, (one, other) in enumerate(zip(expected, found, strict=True))
    )
    return next((text for text in told if text is not None), None)


def _in_ranking(expected: list[_Ranked], raw: object, where: str) -> str | None:
    """Compare place by place; another item in a place must have had the same score, or have been next after the last."""
    found = _ranking(raw)
    if found is None or len(expected) != len(found):
        return _told(where, f"{len(expected)} items", raw)
    known = {item.id: item for item in expected}
    if len({item.id for item in found}) != len(found):
        return f"{where}: an item is there twice"
    for place, (wanted, got) in enumerate(zip(expected, found, strict=True)):
        at = f"{where}[{place}]"
        twin = known.get(got.id)
        if not _close(wanted.score, got.score):
            return _told(f"{at}.score", wanted.score, got.score)
        if twin is None and not _close(expected[-1].score, got.score):
            return _told(f"{at}.id", wanted.id, got.id)
        told = difference(twin.values, got.values, where=at) if twin is not None else None
        if told is not None:
            return told
    return None


def _ranking(value: object) -> list[_Ranked] | None:
    """Read a list of ranked items; None when it is something else."""
    if not isinstance(value, list) or not all(
        isinstance(item, dict) and "id" in item and _is_number(item.get("score")) for item in value
    ):
        return None
    return [_Ranked(id=item["id"], score=item["score"], values=item) for item in value]


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _close(one: float, other: float) -> bool:
    return math.isclose(one, other, rel_tol=RELATIVE, abs_tol=ABSOLUTE)


def _told(where: str, expected: object, found: object) -> str:
    return f"{where}: expected {_short(expected)}, found {_short(found)}"


def _short(value: object) -> str:
    shown = repr(value)
    return shown if len(shown) <= 80 else shown[:77] + "..."
