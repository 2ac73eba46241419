"""The ranker that the tests of answers share."""

from __future__ import annotations

import pytest

from recommender.catalogue.item_columns import CatalogueItem
from recommender.ranking.ranker import Ranker
from tests.planted import planted_bundle, planted_items


@pytest.fixture(scope="session")
def ranker(tmp_path_factory: pytest.TempPathFactory) -> Ranker:
    special = [
        CatalogueItem(item_id="17", title="Numbered"),
        CatalogueItem(item_id="hidden", title="Hidden Thing", hidden=True),
        CatalogueItem(item_id="Thing 1 (1990)", title="An id that is another's title"),
        CatalogueItem(item_id="untitled"),
    ]
    folder = tmp_path_factory.mktemp("answer") / "bundle"
    return Ranker(
        planted_bundle(
            folder, tower="transformer", encoder="tiny", items=[*planted_items(), *special]
        )
    )
