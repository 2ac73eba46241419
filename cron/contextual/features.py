"""Features of contexts and actions as hashes with values, and their interactions.

A feature is a name with its path (`user^device^type`). A text, a truth value or nothing is part of
the feature's hash, which then has the value 1; a number is the feature's value. So numbers that
mean nothing as a quantity, such as codes, belong in texts. Features themselves are never stored.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

MAX_DEPTH = 8
MAX_FEATURES = 256  # of a context, and of an action
Hashes = NDArray[np.uint64]
Values = NDArray[np.float32]
# odd numbers with well-mixed bits (from the golden ratio and splitmix64), to combine two hashes
_FIRST, _SECOND = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9)
_SHIFT = np.uint64(32)


class WrongFeatures(ValueError):
    """Features that are nested too deeply, too many, or not finite."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureVector:
    """Hashes and values of the same length, in the order in which the features were given."""

    hashes: Hashes
    values: Values


def hash_features(space: str, groups: Sequence[Mapping[str, object]]) -> FeatureVector:
    """Return the features of JSON objects; raise WrongFeatures.

    `space` keeps the features of contexts and of actions apart. It is a feature itself, so that
    each action and each context has one.
    """
    found: dict[int, float] = {_hash(space): 1.0}
    for group in groups:
        for name, value in _flat(space, group, 0):
            key = _hash(name)
            found[key] = found.get(key, 0.0) + value
            if len(found) > MAX_FEATURES:
                raise WrongFeatures(f"found more than {MAX_FEATURES - 1} features")
    return FeatureVector(
        hashes=np.fromiter(found.keys(), np.uint64, len(found)),
        values=np.fromiter(found.values(), np.float32, len(found)),
    )


def interactions(context: FeatureVector, action: FeatureVector) -> FeatureVector:
    """Return the product of each feature of the context with each of the action.

    The features that every vector has (see `hash_features`) make the plain features of either part
    of the products. The length of the vector is 1, so that a step of learning moves the prediction
    equally far whatever the number of features.
    """
    mixed = (context.hashes[:, None] * _FIRST) ^ (action.hashes[None, :] * _SECOND)
    mixed = (mixed ^ (mixed >> _SHIFT)) * _FIRST
    values = (context.values[:, None] * action.values[None, :]).ravel()
    length = float(np.sqrt(np.dot(values, values)))
    return FeatureVector(hashes=mixed.ravel() >> _SHIFT, values=values / np.float32(length))


def _flat(path: str, value: object, depth: int) -> Iterator[tuple[str, float]]:
    """Yield the features under a path. Elements of a list share its path, numbers by position."""
    if depth > MAX_DEPTH:
        raise WrongFeatures(f"found values nested deeper than {MAX_DEPTH} levels")
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _flat(f"{path}^{name}", inner, depth + 1)
    elif isinstance(value, list | tuple):
        for place, inner in enumerate(value):
            is_number = isinstance(inner, int | float) and not isinstance(inner, bool)
            yield from _flat(f"{path}^{place}" if is_number else path, inner, depth + 1)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield path, _bounded_number(value, path)
    else:
        yield f"{path}={value}", 1.0


def _bounded_number(value: float, path: str) -> float:
    """Return a number between -1 and 1, so that no price drowns a flag: 1 is .41, 1,000 is .87."""
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise WrongFeatures(f"found a number that is not finite at {path[:80]}")
    size = math.log1p(abs(number))
    return math.copysign(size / (1 + size), number)


def _hash(text: str) -> int:
    digest = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big")
