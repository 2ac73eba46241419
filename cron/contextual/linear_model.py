"""A linear model of rewards over hashed features, which learns one example after the other.

The step of an example is the one of Karampatziakis and Langford, "Online Importance Weight Aware
Updates" (2011), for the squared loss, with AdaGrad's rate for each weight: an example of any weight
moves the prediction towards the reward, and never beyond it.
"""

from __future__ import annotations

import zlib

import numpy as np
from numpy.typing import NDArray

from cron.contextual.features import FeatureVector, Values

NUM_WEIGHTS = 1 << 18  # Vowpal Wabbit's default; 2 MiB of memory with the sums of gradients
RATE = 0.1  # docs/log.md
# an example is worth at most this many: an unlikely action must not decide alone
MAX_WEIGHT = 20.0
_SMALLEST = 1e-6
_MASK = np.uint64(NUM_WEIGHTS - 1)


class LinearModel:
    """Weights, and the sum of squared gradients of each, which sets its rate. Not thread-safe."""

    def __init__(self) -> None:
        self._weights: Values = np.zeros(NUM_WEIGHTS, np.float32)
        self._squares: Values = np.zeros(NUM_WEIGHTS, np.float32)

    def predict(self, features: FeatureVector) -> float:
        """Return the expected reward."""
        return float(np.dot(self._weights[_places(features)], features.values))

    def learn(self, features: FeatureVector, reward: float, *, weight: float) -> None:
        """Move the prediction towards a reward, as far as that many equal examples would."""
        places, values, weight = _places(features), features.values, min(weight, MAX_WEIGHT)
        error = reward - float(np.dot(self._weights[places], values))
        np.add.at(self._squares, places, np.float32(weight * error * error) * values * values)
        rates = np.float32(RATE) / np.sqrt(self._squares[places] + np.float32(_SMALLEST))
        speed = float(np.dot(rates, values * values))
        step = error * -np.expm1(-weight * speed) / speed
        np.add.at(self._weights, places, np.float32(step) * rates * values)

    def copy(self) -> LinearModel:
        """Return a model that learns on its own."""
        other = LinearModel()
        other._weights, other._squares = self._weights.copy(), self._squares.copy()
        return other

    def to_bytes(self) -> bytes:
        """Return the weights that have learned something, compressed."""
        (used,) = np.nonzero(self._squares)
        parts = (used.astype("<u4"), self._weights[used].astype("<f4"), self._squares[used])
        return zlib.compress(b"".join(part.tobytes() for part in parts), 1)

    @classmethod
    def from_bytes(cls, content: bytes) -> LinearModel:
        """Return the model of `to_bytes`."""
        columns = np.frombuffer(zlib.decompress(content), "<u4").reshape(3, -1)
        model, used = cls(), columns[0]
        model._weights[used] = columns[1].view("<f4")
        model._squares[used] = columns[2].view("<f4")
        return model


def _places(features: FeatureVector) -> NDArray[np.uint64]:
    places: NDArray[np.uint64] = features.hashes & _MASK
    return places
