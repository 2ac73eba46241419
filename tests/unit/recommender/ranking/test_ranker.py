"""The ranker: rules of top-k, cold users, independence of batches, broken weights."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from recommender.bundle import Bundle
from recommender.catalogue.item_columns import CatalogueItem
from recommender.ranking.history_columns import HistoryElement
from recommender.ranking.ranker import Ranker
from tests.planted import planted_bundle, planted_items, towers_of

TOWERS = ("transformer", "lstm", "sketch", "baseline")


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Bundle]:
    folder = tmp_path_factory.mktemp("bundles")
    return {
        tower: planted_bundle(folder / tower, tower=tower)  # type: ignore[arg-type]
        for tower in TOWERS
    }


@pytest.fixture(params=TOWERS)
def ranker(request: pytest.FixtureRequest, bundles: dict[str, Bundle]) -> Ranker:
    return Ranker(bundles[request.param])


HISTORIES: list[list[HistoryElement]] = [
    [],
    [HistoryElement(row=3, type="rating", rating=5.0, at_s=1e9)],
    [HistoryElement(row=row % 40, type="view") for row in range(50)],
    [HistoryElement(row=1), HistoryElement(row=2, rating=1.0), HistoryElement(text_row=0)],
]
TEXTS_MT = torch.nn.functional.normalize(torch.arange(16.0).unsqueeze(0), dim=1)


def test_a_users_scores_do_not_depend_on_the_batch(ranker: Ranker) -> None:
    together = ranker.user_states(HISTORIES, TEXTS_MT)
    rows_BK = torch.tensor([[0, 7]])
    for number, history in enumerate(HISTORIES):
        alone = ranker.user_states([history], TEXTS_MT)
        assert torch.allclose(ranker.scores(alone)[0], ranker.scores(together)[number], atol=1e-5)
        assert torch.allclose(
            ranker.ratings(alone, rows_BK),
            ranker.ratings(together, rows_BK.expand(4, 2))[number],
            atol=1e-5,
        )


def test_users_keep_their_order_across_batches(ranker: Ranker) -> None:
    many = [[HistoryElement(row=number % 40)] * (number % 7) for number in range(150)]
    scores_BN = ranker.scores(ranker.user_states(many))
    for number in (0, 63, 64, 149):
        assert torch.allclose(
            scores_BN[number], ranker.scores(ranker.user_states([many[number]]))[0], atol=1e-5
        )


def test_short_and_long_histories_keep_their_order(ranker: Ranker) -> None:
    """They are read in groups of like lengths."""
    elements = [HistoryElement(row=row % 40, at_s=1e9 + row) for row in range(50)]
    many = [elements[: 50 if number % 3 else 1 + number] for number in range(30)]
    scores_BN = ranker.scores(ranker.user_states(many))
    for history, score_N in zip(many, scores_BN, strict=True):
        assert torch.allclose(score_N, ranker.scores(ranker.user_states([history]))[0], atol=1e-5)


def test_states_along_a_history_equal_those_of_its_prefixes(ranker: Ranker) -> None:
    """One pass over a history gives the states after each of its events.

    Each equals the state of the shorter history alone.
    """
    longer = [
        HistoryElement(row=(7 * place) % 40, rating=1.0 + place % 5, at_s=1e9 + 3600.0 * place)
        for place in range(20)
    ]
    lengths = [[0, 1, 4], [3, 20, 12]]
    along = ranker.states_along([HISTORIES[2][:20], longer], lengths)
    prefixes = [HISTORIES[2][:length] for length in lengths[0]] + [
        longer[:length] for length in lengths[1]
    ]
    alone = ranker.user_states(prefixes)
    assert torch.allclose(along, alone, atol=1e-5)


def test_only_the_newest_events_are_read(ranker: Ranker) -> None:
    limit = ranker.bundle.manifest.model.max_history
    long = [HistoryElement(row=row % 40, rating=3.0) for row in range(90)]
    assert torch.equal(
        ranker.scores(ranker.user_states([long])),
        ranker.scores(ranker.user_states([long[-limit:]])),
    )


def test_no_users_give_no_scores(ranker: Ranker) -> None:
    assert ranker.scores(ranker.user_states([])).shape == (0, 40)


def test_ratings_stay_on_the_scale(ranker: Ranker) -> None:
    users = ranker.user_states(
        [[HistoryElement(row=0, rating=5000.0)], [HistoryElement(row=0, rating=-5000.0)]]
    )
    ratings_BK = ranker.ratings(users, torch.arange(40).expand(2, 40))
    assert ratings_BK.min() >= 1.0
    assert ratings_BK.max() <= 5.0
    texts_BK = ranker.text_ratings(users, TEXTS_MT.expand(2, 3, 16))
    assert texts_BK.shape == (2, 3)
    assert texts_BK.min() >= 1.0


def test_ratings_raise_when_the_data_has_none(tmp_path: Path) -> None:
    ranker = Ranker(planted_bundle(tmp_path / "bundle", ratings=False))
    assert not ranker.has_ratings
    with pytest.raises(ValueError, match="the training data has no ratings"):
        ranker.ratings(ranker.user_states([[]]), torch.tensor([[0]]))


def test_a_free_text_is_rated_like_an_unrated_item(bundles: dict[str, Bundle]) -> None:
    bundle = bundles["baseline"]
    unrated = Ranker(
        replace(
            bundle,
            facts=replace(bundle.facts, rating_sum_N=torch.zeros_like(bundle.facts.rating_sum_N)),
        )
    )
    users = unrated.user_states([[HistoryElement(row=4, rating=5.0)], []])
    by_text_BK = unrated.text_ratings(users, bundle.texts_NT[:3].expand(2, -1, -1))
    assert torch.allclose(
        by_text_BK, unrated.ratings(users, torch.arange(3).expand(2, -1)), atol=1e-5
    )
    assert (by_text_BK[0] > by_text_BK[1]).all()  # a generous user


def test_top_k_leaves_out_hidden_excluded_and_filtered_items(tmp_path: Path) -> None:
    items = [replace(item, hidden=number == 1) for number, item in enumerate(planted_items(6))]
    ranker = Ranker(planted_bundle(tmp_path / "bundle", items=items))
    scores_BN = torch.tensor([[6.0, 5.0, 4.0, 3.0, 2.0, 1.0]] * 4)
    allowed = np.array([True, True, False, True, True, True])
    tops = ranker.top_k(
        scores_BN,
        [2, 10, 0, 10],
        [None, allowed, None, np.zeros(6, dtype=np.bool_)],
        [[], [0, 5], [], []],
    )
    assert [rows.tolist() for rows, _ in tops] == [[0, 2], [3, 4], [], []]
    assert tops[0][1].tolist() == [6.0, 4.0]
    assert 1 not in ranker.popular_rows(6)
    assert 1 not in ranker.similar(row=0, k=6)[0]


@given(
    scores=st.lists(st.sampled_from([0.0, 1.0, 2.0, float("-inf")]), min_size=40, max_size=40),
    k=st.integers(0, 45),
)
def test_top_k_equals_a_stable_sort(scores: list[float], k: int) -> None:
    ranker = _shared_ranker()
    rows, values = ranker.top_k(torch.tensor([scores]), [k], [None], [()])[0]
    expected = sorted(range(40), key=lambda row: (-scores[row], row))[:k]
    assert rows.tolist() == expected
    assert values.tolist() == [scores[row] for row in expected]


_cached: list[Ranker] = []


def _shared_ranker() -> Ranker:
    if not _cached:
        import tempfile

        with tempfile.TemporaryDirectory() as folder:
            _cached.append(Ranker(planted_bundle(Path(folder) / "bundle")))
    return _cached[0]


def test_similar_ranks_by_cosine_without_the_item_itself(ranker: Ranker) -> None:
    rows, cosines = ranker.similar(row=4, k=40)
    assert len(rows) == 39
    assert 4 not in rows
    assert list(cosines) == sorted(cosines, reverse=True)
    assert cosines.max() <= 1.0 + 1e-5
    nearest, _ = (
        ranker.similar(text_T=ranker.bundle.texts_NT[4], k=1)
        if ranker.bundle.manifest.model.tower == "baseline"
        else (np.array([4]), None)
    )
    assert nearest.tolist() == [4]


def test_small_catalogues_tell_items_that_differ_little(tmp_path: Path) -> None:
    bundle = planted_bundle(tmp_path / "bundle", tower="transformer")
    with torch.no_grad():
        towers_of(bundle).table[:, :-2] = 20.0 + 0.05 * torch.arange(40 * 16).view(40, 16).sin()
        vectors_ND = bundle.model.item_side(bundle.facts).vectors_ND.double()
    unit_ND = torch.nn.functional.normalize(vectors_ND, dim=1)
    nearest = (unit_ND @ unit_ND[3]).argsort(descending=True)[1:6]
    assert set(Ranker(bundle).similar(row=3, k=5)[0].tolist()) == set(nearest.tolist())


def test_similar_needs_exactly_one_of_row_and_text(ranker: Ranker) -> None:
    with pytest.raises(ValueError, match="either a row or a text"):
        ranker.similar(k=3)


def test_popular_rows_have_the_most_interactions(ranker: Ranker) -> None:
    assert ranker.popular_rows(3).tolist() == [0, 1, 2]
    assert ranker.popular_rows(3, [1, 39]).tolist() == [0, 2, 3]


def test_the_encoder_is_loaded_with_the_first_free_text(tmp_path: Path) -> None:
    ranker = Ranker(replace(planted_bundle(tmp_path / "bundle", encoder="tiny"), encoder=None))
    assert ranker._encoder is None
    assert ranker.text_vectors([]).shape == (0, 16)
    assert ranker._encoder is None
    item = ranker.catalogue.text(3)
    assert item is not None
    assert torch.allclose(ranker.text_vectors([item])[0], ranker.bundle.texts_NT[3], atol=1e-3)
    assert ranker.similar(text_T=ranker.text_vectors([item])[0], k=1)[0].tolist() == [3]


@pytest.mark.parametrize("tower", TOWERS)
def test_a_large_catalogue_gives_the_answers_of_a_small_one(
    bundles: dict[str, Bundle], tower: str
) -> None:
    """Lists come from a scan, and vectors are computed when asked for."""
    small = Ranker(bundles[tower])
    large = Ranker(bundles[tower], scanned_items=0, held_items=0)
    states = [ranker.user_states(HISTORIES, TEXTS_MT) for ranker in (small, large)]
    assert torch.allclose(states[0], states[1], atol=1e-5)
    rows_BK = torch.tensor([[7, 0, 7]] * len(HISTORIES))
    assert torch.allclose(
        small.ratings(states[0], rows_BK), large.ratings(states[0], rows_BK), atol=1e-5
    )
    some = np.arange(40) % 3 == 0
    wanted = ([5, 3, 0, 40], [None, some, None, some], [[1], [0, 3], [], [9]])
    for ours, theirs in zip(
        large.top_lists(states[0], *wanted), small.top_lists(states[0], *wanted), strict=True
    ):
        assert ours[0].tolist() == theirs[0].tolist()
        assert np.allclose(ours[1], theirs[1], atol=1e-5)
    ours, theirs = (ranker.similar(row=4, k=6) for ranker in (large, small))
    assert ours[0].tolist() == theirs[0].tolist()


Damage = Callable[[torch.nn.Module], None]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("tower", ["transformer", "lstm", "sketch"])
def test_broken_weights_raise_nothing(
    bundles: dict[str, Bundle], tmp_path: Path, tower: str, value: float
) -> None:
    bundle = planted_bundle(tmp_path / "bundle", tower=tower)  # type: ignore[arg-type]
    with torch.no_grad():
        for weight in bundle.model.parameters():
            weight.fill_(value)
    ranker = Ranker(bundle)
    users = ranker.user_states(HISTORIES, TEXTS_MT)
    for one in (ranker, Ranker(bundle, scanned_items=0, held_items=0)):
        one.top_lists(users, [3] * 4, [None] * 4, [()] * 4)
        one.similar(row=0, k=3)
    ranker.ratings(users, torch.zeros(4, 1, dtype=torch.long))


def test_an_empty_and_a_one_item_catalogue_work(tmp_path: Path) -> None:
    one = Ranker(
        planted_bundle(tmp_path / "one", tower="transformer", items=[CatalogueItem(item_id="only")])
    )
    users = one.user_states([[], [HistoryElement(row=0)]])
    assert [
        rows.tolist() for rows, _ in one.top_k(one.scores(users), [5, 5], [None] * 2, [(), [0]])
    ] == [[0], []]
    assert one.similar(row=0, k=3)[0].tolist() == []
    none = Ranker(planted_bundle(tmp_path / "none", tower="transformer", items=[]))
    assert none.top_k(none.scores(none.user_states([[]])), [5], [None], [()])[0][0].tolist() == []
