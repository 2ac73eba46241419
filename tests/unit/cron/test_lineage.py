"""Manifests and ranges as values."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from cron.lineage import (
    Manifest,
    manifest_from_json,
    manifest_to_json,
    merge_ranges,
    reasons_from_json,
    reasons_to_json,
    trained_ranges,
)
from tests.releases import manifest, reason
from trainer.report import PopularItem


def test_a_manifest_comes_back_equal_from_its_json() -> None:
    whole = manifest(
        7,
        mode="update",
        parent=6,
        anchor=3,
        target_range=(101, 200),
        excluded=((5, 9), (50, 60)),
        rating_scale=(1.0, 5.0),
        popular=(PopularItem(item_id="ä", title=None), PopularItem(item_id="b", title="B 🎬")),
        created_at=datetime(2026, 2, 3, 4, 5, 6, 789, tzinfo=UTC),
        metrics={"ndcg_candidate": 0.1},
    )
    assert manifest_from_json(manifest_to_json(whole)) == whole


def test_equal_manifests_give_equal_bytes_and_others_other_bytes() -> None:
    assert manifest_to_json(manifest(1)) == manifest_to_json(manifest(1))
    assert manifest_to_json(manifest(1)) != manifest_to_json(manifest(1, archive="rec-1-other.mar"))


def test_a_manifest_of_another_format_is_refused() -> None:
    with pytest.raises(ValueError, match="format 1"):
        manifest_from_json('{"format": 2}')


def test_reasons_come_back_equal_from_their_json() -> None:
    reasons = (reason("a", ok=False), reason("b", ok=True))
    assert reasons_from_json(reasons_to_json(reasons)) == reasons


def test_the_ranges_of_a_lineage_end_at_its_full_retrain() -> None:
    lineage: dict[int, Manifest] = {
        1: manifest(1, target_range=(1, 10)),
        2: manifest(2, mode="full", target_range=(1, 30)),
        3: manifest(3, mode="update", parent=2, target_range=(31, 40)),
        4: manifest(4, mode="items", parent=3, target_range=None),
        5: manifest(5, mode="update", parent=4, target_range=(41, 45)),
    }
    assert trained_ranges(lineage, 5) == ((1, 30), (31, 40), (41, 45))
    assert trained_ranges(lineage, 1) == ((1, 10),)


@pytest.mark.parametrize(
    ("ranges", "expected"),
    [
        ([], ()),
        ([(5, 9), (1, 3)], ((1, 3), (5, 9))),
        ([(1, 4), (5, 6)], ((1, 6),)),
        ([(1, 9), (2, 3), (9, 12)], ((1, 12),)),
    ],
)
def test_ranges_merge_into_disjoint_ascending_ones(
    ranges: list[tuple[int, int]], expected: tuple[tuple[int, int], ...]
) -> None:
    assert merge_ranges(ranges) == expected
