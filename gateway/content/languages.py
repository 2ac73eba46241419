"""The language of texts, from what a browser accepts."""

from __future__ import annotations

from typing import get_args

from copywriter.brief import Language
from recommender.requests.body_fields import describe
from recommender.requests.wire import BadRequest

_LANGUAGES: tuple[Language, ...] = get_args(Language)
MAX_RANGES = 20  # of one header


def accepted_language(header: str | None) -> Language | None:
    """Return the language of texts that an `Accept-Language` prefers; None if it has none.

    `zh-CN` and `zh-TW` are `zh`. Of equal weights the first counts; one of 0 is refused.
    """
    best, best_weight = None, 0.0
    for part in (header or "").split(",")[:MAX_RANGES]:
        name, _, parameters = part.partition(";")
        primary = name.strip().split("-")[0].lower()
        weight = _weight(parameters)
        if primary in _LANGUAGES and weight > best_weight:
            best, best_weight = primary, weight
    return best


def read_language(raw: object, field: str = "language") -> Language:
    """Return a language that a client names; raise BadRequest."""
    if raw not in _LANGUAGES:
        raise BadRequest(field, found=describe(raw), expected=" or ".join(_LANGUAGES))
    return raw


def _weight(parameters: str) -> float:
    for part in parameters.split(";"):
        name, _, value = part.partition("=")
        if name.strip().lower() == "q":
            try:
                return float(value)
            except ValueError:
                return 0.0
    return 1.0
