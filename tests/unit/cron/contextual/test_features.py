"""Features are hashed by name and value; numbers count, texts are words."""

from __future__ import annotations

import numpy as np
import pytest

from cron.contextual.features import (
    MAX_DEPTH,
    MAX_FEATURES,
    FeatureVector,
    WrongFeatures,
    hash_features,
    interactions,
)


def features(*groups: dict[str, object]) -> dict[int, float]:
    """Return features by hash, without the one that every vector has."""
    vector = hash_features("context", groups)
    return dict(list(zip(vector.hashes.tolist(), vector.values.tolist(), strict=True))[1:])


def test_a_feature_is_its_name_and_its_value() -> None:
    assert features({"day": "Monday"}) == features({"day": "Monday"})
    assert features({"day": "Monday"}) != features({"day": "Sunday"})
    assert features({"day": "Monday"}) != features({"night": "Monday"})
    assert features({"user": {"day": "Monday"}}) != features({"day": "Monday"})
    assert features({"a": True}) != features({"a": False}) != features({"a": None})
    assert features({"a": 1}, {"b": 2}) == features({"a": 1, "b": 2})
    assert features({"tags": ["x", "y"]}) == features({"tags": ["y", "x"]})


def test_a_number_is_one_feature_whatever_its_value() -> None:
    (small,), (large,) = features({"price": 10}).items(), features({"price": 1_000}).items()
    assert small[0] == large[0]
    assert 0 < small[1] < large[1] < 1
    (negative,) = features({"price": -10}).values()
    assert negative == -small[1]
    assert len(features({"place": [47.6, -122.1]})) == 2


def test_contexts_and_actions_do_not_share_features() -> None:
    context = hash_features("context", [{"a": "b"}])
    action = hash_features("action", [{"a": "b"}])
    assert not set(context.hashes.tolist()) & set(action.hashes.tolist())


def test_interactions_pair_each_with_each() -> None:
    context = hash_features("context", [{"day": "Monday", "hour": 8}])
    action = hash_features("action", [{"kind": "news"}])
    crossed = interactions(context, action)
    assert len(set(crossed.hashes.tolist())) == 3 * 2
    assert float(np.linalg.norm(crossed.values)) == pytest.approx(1)
    turned = FeatureVector(hashes=action.hashes, values=action.values)
    assert set(interactions(turned, context).hashes.tolist()) != set(crossed.hashes.tolist())


def test_features_that_cannot_be_learned_are_refused() -> None:
    deep: object = 1
    for _ in range(MAX_DEPTH + 1):
        deep = {"in": deep}
    with pytest.raises(WrongFeatures, match="nested"):
        features({"a": deep})
    with pytest.raises(WrongFeatures, match="more than"):
        features({str(number): "x" for number in range(MAX_FEATURES)})
    for number in (float("nan"), float("inf"), 10**400):
        with pytest.raises(WrongFeatures, match="not finite at context\\^a"):
            features({"a": number})
