"""What is stored of a choice until its reward is known: hashed features and probabilities.

Neither names nor values of features can be read from it; a hash can only be compared with that of a
guess.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
import numpy as np

from cron.contextual.features import FeatureVector


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """A choice without its reward. The policy of the model is the greedy one at that moment.

    `learned_share` is the probability of the shown action under the model's policy, `agreement`
    that of the baseline action, and `supported_share` that of all actions that could be shown.
    """

    context: FeatureVector
    shown: FeatureVector
    others: tuple[FeatureVector, ...]  # those that the existing logic skipped; else empty
    probability: float
    num_actions: int
    learned_share: float
    supported_share: float
    is_baseline: bool
    has_baseline: bool  # the baseline action could be shown
    agreement: float


class _StoredExample(msgspec.Struct, array_like=True):
    context: tuple[bytes, bytes]
    shown: tuple[bytes, bytes]
    others: list[tuple[bytes, bytes]]
    probability: float
    num_actions: int
    learned_share: float
    supported_share: float
    is_baseline: bool
    has_baseline: bool
    agreement: float


def to_bytes(example: Example) -> bytes:
    """Return an example as bytes."""
    kept = _StoredExample(
        context=_columns(example.context),
        shown=_columns(example.shown),
        others=[_columns(one) for one in example.others],
        probability=example.probability,
        num_actions=example.num_actions,
        learned_share=example.learned_share,
        supported_share=example.supported_share,
        is_baseline=example.is_baseline,
        has_baseline=example.has_baseline,
        agreement=example.agreement,
    )
    return msgspec.msgpack.encode(kept)


def from_bytes(content: bytes) -> Example:
    """Return the example of `to_bytes`."""
    kept = msgspec.msgpack.decode(content, type=_StoredExample)
    return Example(
        context=_vector(kept.context),
        shown=_vector(kept.shown),
        others=tuple(_vector(one) for one in kept.others),
        probability=kept.probability,
        num_actions=kept.num_actions,
        learned_share=kept.learned_share,
        supported_share=kept.supported_share,
        is_baseline=kept.is_baseline,
        has_baseline=kept.has_baseline,
        agreement=kept.agreement,
    )


def _columns(vector: FeatureVector) -> tuple[bytes, bytes]:
    return vector.hashes.astype("<u8").tobytes(), vector.values.astype("<f4").tobytes()


def _vector(columns: tuple[bytes, bytes]) -> FeatureVector:
    hashes, values = columns
    return FeatureVector(hashes=np.frombuffer(hashes, "<u8"), values=np.frombuffer(values, "<f4"))
