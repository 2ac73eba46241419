"""The network: no state depends on later events, and an item without events is its text."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from recommender.config import ModelConfig
from recommender.network.model import (
    Baseline,
    HistoryBatch,
    ItemBlock,
    ItemFacts,
    Recommender,
    TwoTowers,
    event_type_code,
    new_model,
)
from recommender.network.towers import NUM_TIME_BUCKETS, time_buckets

NUM_ITEMS = 12
TOWERS = ("transformer", "lstm", "sketch", "baseline")


def config(tower: str) -> ModelConfig:
    return ModelConfig(
        tower=tower,  # type: ignore[arg-type]
        text_dim=8,
        dim=16,
        num_layers=2,
        num_heads=2,
        max_history=10,
        dropout=0.0,
    )


def facts() -> ItemFacts:
    generator = torch.Generator().manual_seed(1)
    texts_NT = torch.nn.functional.normalize(torch.randn(NUM_ITEMS, 8, generator=generator), dim=1)
    return ItemFacts(
        texts_NT=texts_NT,
        has_text_N=torch.ones(NUM_ITEMS, dtype=torch.bool),
        counts_N=torch.arange(NUM_ITEMS).float(),
        rating_sum_N=torch.linspace(-6.0, 6.0, NUM_ITEMS),
        rating_count_N=torch.full((NUM_ITEMS,), 5.0),
    )


def batch(
    rows: list[list[int]], ratings: list[list[float]], at_s: list[list[float]]
) -> HistoryBatch:
    return HistoryBatch(
        rows_BL=torch.tensor(rows, dtype=torch.long),
        types_BL=torch.ones(len(rows), len(rows[0]), dtype=torch.long),
        ratings_BL=torch.tensor(ratings),
        at_s_BL=torch.tensor(at_s, dtype=torch.float64),
        length_B=torch.tensor([len(row) for row in rows]),
    )


def random_model(tower: str) -> Recommender:
    torch.manual_seed(0)
    model = new_model(config(tower), NUM_ITEMS).eval()
    if not isinstance(model, Baseline):
        for weight in model.parameters():
            torch.nn.init.normal_(weight, std=0.2)
    model.rating_mean.fill_(3.0)
    return model


def states(model: Recommender, histories: HistoryBatch) -> Tensor:
    with torch.inference_mode():
        return model.states(model.item_side(facts()), histories)


@pytest.mark.parametrize("tower", TOWERS)
def test_no_state_depends_on_later_events(tower: str) -> None:
    model = random_model(tower)
    one = batch([[1, 2, 3, 4]], [[5.0, 1.0, math.nan, 2.0]], [[1e9, 1e9 + 60, 1e9 + 9999, 2e9]])
    other = batch([[1, 2, 7, 9]], [[5.0, 1.0, 4.0, 1.0]], [[1e9, 1e9 + 60, 1e9 + 60, 1e9 + 70]])
    state_BSD, changed_BSD = states(model, one), states(model, other)
    assert torch.allclose(state_BSD[:, :3], changed_BSD[:, :3], atol=1e-6)
    assert not torch.allclose(state_BSD[:, 3:], changed_BSD[:, 3:], atol=1e-4)


@pytest.mark.parametrize("tower", ["transformer", "lstm"])
@pytest.mark.parametrize("what", ["time", "rating", "order", "type"])
def test_the_tower_uses_times_ratings_types_and_order(tower: str, what: str) -> None:
    model = random_model(tower)
    one = batch([[1, 2, 3]], [[5.0, 3.0, 1.0]], [[1e9, 1e9 + 60, 1e9 + 120]])
    other = {
        "time": batch([[1, 2, 3]], [[5.0, 3.0, 1.0]], [[1e9, 1e9 + 60, 1.1e9]]),
        "rating": batch([[1, 2, 3]], [[5.0, 3.0, 4.0]], [[1e9, 1e9 + 60, 1e9 + 120]]),
        "order": batch([[2, 1, 3]], [[3.0, 5.0, 1.0]], [[1e9, 1e9 + 60, 1e9 + 120]]),
        "type": batch([[1, 2, 3]], [[5.0, 3.0, 1.0]], [[1e9, 1e9 + 60, 1e9 + 120]]),
    }[what]
    if what == "type":
        other.types_BL[0, 1] = event_type_code("click")
    assert not torch.allclose(states(model, one)[:, -1], states(model, other)[:, -1], atol=1e-4)


@pytest.mark.parametrize("tower", TOWERS)
def test_unknown_times_give_finite_states(tower: str) -> None:
    state_BSD = states(random_model(tower), batch([[1, 2]], [[math.nan] * 2], [[math.nan] * 2]))
    assert state_BSD.isfinite().all()


@pytest.mark.parametrize("tower", TOWERS)
def test_states_have_the_models_width_even_without_history(
    tower: str,
) -> None:
    model = random_model(tower)
    assert states(model, batch([[], []], [[], []], [[], []])).shape == (2, 1, model.state_dim)


@pytest.mark.parametrize("tower", TOWERS)
def test_free_texts_may_follow_the_catalogue(tower: str) -> None:
    model = random_model(tower)
    side = model.item_side(facts())
    texts = model.text_side(facts().texts_NT[:2])
    longer = side.concat(texts)
    assert (
        len(longer.vectors_ND) == len(longer.bias_N) == len(longer.rating_bias_N) == NUM_ITEMS + 2
    )
    assert torch.equal(longer.vectors_ND[NUM_ITEMS:], texts.vectors_ND)


def test_an_id_without_residual_has_its_texts_vector() -> None:
    model = TwoTowers(config("transformer"), NUM_ITEMS)
    side = model.item_side(facts())
    with_text = side.concat(model.text_side(facts().texts_NT[:1]))
    assert torch.allclose(with_text.vectors_ND[-1], side.vectors_ND[0], atol=1e-6)


def test_an_item_without_text_has_its_residual_as_vector() -> None:
    model = random_model("transformer")
    assert isinstance(model, TwoTowers)
    known = facts()
    known.has_text_N[3] = False
    assert torch.equal(model.item_side(known).vectors_ND[3], model.table[3, :-2])


@pytest.mark.parametrize("tower", ["transformer", "baseline"])
def test_without_keys_ratings_are_shrunk_biases(tower: str) -> None:
    model = new_model(config(tower), NUM_ITEMS)
    if isinstance(model, TwoTowers):
        torch.nn.init.zeros_(model.rating_key.weight)
        torch.nn.init.zeros_(model.rating_key.bias)
    model.rating_mean.fill_(3.0)
    side = model.item_side(facts())
    state_BSD = model.states(side, batch([[0, 11]], [[4.0, 5.0]], [[1e9, 2e9]]))
    # Items: sums −6 and 6 over 5 + 5 ratings. User: (4 − 2.4) + (5 − 3.6) over 2 + 3.
    assert state_BSD[0, :, -1].tolist() == pytest.approx([0.0, 1.6 / 4, 3.0 / 5], abs=1e-5)
    predicted_BK = model.ratings(side, state_BSD[:, -1], torch.tensor([[0, 11]]))
    assert predicted_BK[0].tolist() == pytest.approx([2.4 + 0.6, 3.6 + 0.6], abs=1e-5)


def test_the_baseline_prefers_popular_and_similar_items() -> None:
    model, known = random_model("baseline"), facts()
    side = model.item_side(known)
    state_BSD = model.states(side, batch([[5]], [[math.nan]], [[math.nan]]))
    cold_N, warm_N = model.logits(side, state_BSD[0])
    assert cold_N.argsort(descending=True)[0] == NUM_ITEMS - 1
    assert (warm_N - cold_N).argmax() == 5


def test_time_buckets_double_and_end() -> None:
    gaps = torch.tensor([math.nan, -5.0, 0.0, 1.0, 60.0, 3600.0, 86_400.0, 1e12])
    buckets = time_buckets(gaps).tolist()
    assert buckets[:4] == [0, 1, 1, 2]
    assert buckets == sorted(buckets)
    assert buckets[-1] == NUM_TIME_BUCKETS - 1


def test_an_unknown_event_type_is_other() -> None:
    assert event_type_code("teleported") == event_type_code("other") == 0


def test_an_item_marked_unknown_counts_as_brand_new() -> None:
    torch.manual_seed(0)
    model = TwoTowers(ModelConfig(text_dim=8, dim=16, num_layers=1), 4)
    torch.nn.init.normal_(model.table)
    torch.nn.init.normal_(model.expected_log_count.weight)
    texts_NT = torch.nn.functional.normalize(torch.randn(4, 8), dim=1)
    texts_NT[1] = texts_NT[0]
    counts_N = torch.tensor([90.0, 0.0, 7.0, 3.0])
    facts = ItemFacts(
        texts_NT=texts_NT,
        has_text_N=torch.ones(4, dtype=torch.bool),
        counts_N=counts_N,
        rating_sum_N=torch.zeros(4),
        rating_count_N=torch.zeros(4),
    )
    with torch.no_grad():
        model.table[1] = 0.0  # a brand new item with the text of item 0
        known, forgotten = (
            model.item_side(facts),
            model.block_side(
                replace(
                    ItemBlock.whole(facts, model.table), known_X=torch.tensor([0.0, 1.0, 1.0, 1.0])
                )
            ),
        )
    assert torch.equal(forgotten.vectors_ND[0], known.vectors_ND[1])
    assert torch.equal(forgotten.bias_N[0], known.bias_N[1])
    assert torch.equal(forgotten.bias_N[1:], known.bias_N[1:])
    assert not torch.equal(known.vectors_ND[0], known.vectors_ND[1])


def test_a_new_item_gets_the_mean_popularity() -> None:
    model = TwoTowers(ModelConfig(text_dim=8, dim=16, num_layers=1), 3)
    facts = ItemFacts(
        texts_NT=torch.zeros(3, 8),
        has_text_N=torch.zeros(3, dtype=torch.bool),
        counts_N=torch.tensor([50.0, 50.0, 0.0]),
        rating_sum_N=torch.zeros(3),
        rating_count_N=torch.zeros(3),
    )
    before_N = model.item_side(facts).bias_N
    model.expect(facts)
    after_N = model.item_side(facts).bias_N
    assert after_N[0] - after_N[2] < before_N[0] - before_N[2] - 1.0
    assert after_N[0] > after_N[2]


def test_a_taste_is_a_ridge_regression_of_the_ratings_so_far() -> None:
    model = random_model("transformer")
    assert isinstance(model, TwoTowers)
    rows, ratings = [1, 2, 3, 4], [5.0, math.nan, 1.0, 4.0]
    with torch.inference_mode():
        side = model.item_side(facts())
        state_SD = states(model, batch([rows], [ratings], [[1.0, 2.0, 3.0, 4.0]]))[0]
        taste_SF = state_SD[:, model.config.dim :].numpy()
        key_LF = np.column_stack([model.rating_key(side.vectors_ND[rows]).numpy(), np.ones(4)])
        off_L = np.array(ratings) - 3.0 - side.rating_bias_N[rows].numpy()
        ridge_FF = np.diag(model.log_ridge_F.exp().numpy())
        prior_SF = model.taste_prior(state_SD[:, : model.config.dim]).numpy()
        for state in range(5):
            rated = [event for event in range(state) if not math.isnan(ratings[event])]
            key_RF, off_R = key_LF[rated], off_L[rated]
            expected_F = np.linalg.solve(
                key_RF.T @ key_RF + ridge_FF, key_RF.T @ off_R + ridge_FF @ prior_SF[state]
            )
            assert taste_SF[state] == pytest.approx(expected_F, abs=1e-4), state
        predicted = model.ratings(side, state_SD[-1:], torch.tensor([[9]]))
        key_F = np.append(model.rating_key(side.vectors_ND[9]).numpy(), 1.0)
    assert predicted.item() == pytest.approx(
        3.0 + float(side.rating_bias_N[9]) + float(expected_F @ key_F), abs=1e-4
    )


def test_gradients_reach_the_keys_through_the_regression() -> None:
    model = random_model("transformer")
    assert isinstance(model, TwoTowers)
    side = model.item_side(facts())
    state_BSD = model.states(side, batch([[1, 2]], [[5.0, 1.0]], [[1.0, 2.0]]))
    rating = model.ratings(side, state_BSD[:, -1], torch.tensor([[3]])).sum()
    rating.backward()  # type: ignore[no-untyped-call]
    for weight in (
        model.rating_key.weight,
        model.taste_prior.weight,
        model.log_ridge_F,
        model.table,
    ):
        assert weight.grad is not None
        assert weight.grad.any()


@pytest.mark.parametrize("tower", ["transformer", "lstm"])
def test_a_history_without_ratings_changes_predictions(tower: str) -> None:
    model = random_model(tower)
    side = model.item_side(facts()).concat(model.text_side(facts().texts_NT[:2]))
    bare = batch([[1, 2], [3, 4]], [[math.nan] * 2] * 2, [[1.0, 2.0]] * 2)
    texts_BK = torch.tensor([[NUM_ITEMS, NUM_ITEMS + 1]] * 2)
    with torch.inference_mode():
        one_K, other_K = model.ratings(side, states(model, bare)[:, -1], texts_BK)
    assert not torch.allclose(one_K, other_K, atol=1e-3)
    assert abs(one_K[0] - one_K[1]) > 1e-3, "and unseen texts get different ratings"
