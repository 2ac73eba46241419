"""The policy gradient in a shop where what is clicked most today loses visitors.

Per seed: a stochastic policy serves visitors; the product's trainer learns from these logs, with
and without the policy gradient; and each result serves the same number of new visitors. What is
compared is the discounted number of clicks of a visitor, from their first list until they leave.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from bench.contestants.offline import train_bundle
from bench.decisions.clickbait_shop import (
    LIST_SIZE,
    NO_CLICK,
    NUM_ITEMS,
    DrawnLists,
    Floats,
    Ints,
    Policy,
    ServedVisit,
    ShopVisitors,
    best_lists,
    discounted_returns,
    draw_lists,
    item_groups,
    run_visits,
    with_random_slots,
)
from bench.decisions.visit_snapshots import write_visits
from bench.report.kept import code_digest, kept_part
from bench.report.rows import BenchMetric, is_quick, save
from recommender.bundle import Bundle
from recommender.config import EncoderConfig, ModelConfig
from recommender.ranking.history_columns import HistoryElement
from recommender.ranking.ranker import Ranker
from trainer.codec import decode, encode
from trainer.config import PolicyGradientConfig, TrainConfig
from trainer.report import read_report

BENCH = "decisions-planted"
DISCOUNT = PolicyGradientConfig().discount
EPSILON = 0.1
# chosen on the seed 100, which is not among those of the results; docs/log.md
WEIGHT = 3.0
CONFIG = TrainConfig(
    encoder=EncoderConfig(model="words"),
    model=ModelConfig(text_dim=16, dim=16, num_layers=1, max_history=35, dropout=0.1),
    full_epochs=6,
    full_lr=1e-2,
    batch_size=32,
    policy_gradient=PolicyGradientConfig(list_size=LIST_SIZE),
)
OTHER_WEIGHTS = (0.3, 1.0, 10.0)  # how near the model stays to the next click


def with_weight(weight: float) -> str:
    """Return the name of the training on later rewards with this weight."""
    return f"later rewards, weight {weight:g}"


# by the name of the training: weight and discount of the policy gradient
TRAININGS: Mapping[str, tuple[float, float]] = {
    "next click": (0.0, DISCOUNT),
    "immediate reward": (WEIGHT, 0.0),
    **{with_weight(weight): (weight, DISCOUNT) for weight in (WEIGHT, *OTHER_WEIGHTS)},
}
GREEDY = "greedy: cross-entropy on the next click"
BANDIT = "bandit: policy gradient on the immediate reward, epsilon .1"
IMMEDIATE = "the bandit's model, greedy"
LEARNED = "policy gradient with later rewards, weight 3, greedy"
RANDOM, ORACLE, CLICKBAIT = "random", "oracle: items of the visitor's group", "clickbait alone"
LOGGING = "the logging policy"
# 97.5 % quantiles of Student's t, by the degrees of freedom
STUDENT_T = {1: 12.706, 2: 4.303, 3: 3.182, 4: 2.776, 5: 2.571, 6: 2.447, 7: 2.365, 9: 2.262}

Scores = Callable[[ShopVisitors, Ints], Floats]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShopExtent:
    """How much is simulated."""

    num_surveyed: int  # visitors of random lists, by whose clicks the logging policy ranks
    num_logged: int
    num_served: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedResult:
    """The mean discounted return of each policy, and NDCG@10 of the next click of each training."""

    returns: Mapping[str, float]
    ndcg: Mapping[str, float]


def measure_planted(command: str) -> None:
    """Measure and write the page of results."""
    extent = ShopExtent(num_surveyed=300, num_logged=2_000, num_served=500)
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    if is_quick():
        extent, seeds = ShopExtent(num_surveyed=100, num_logged=500, num_served=200), (0, 1)
    results = []
    for seed in seeds:
        results.append(kept_result(seed, extent))
        values = ", ".join(f"{name} {value:.2f}" for name, value in results[-1].returns.items())
        print(f"seed {seed}: {values}", flush=True)
    save(BENCH, "planted shop with clickbait", rows_of(results), command=command)


def kept_result(seed: int, extent: ShopExtent) -> SeedResult:
    """Return the result of a seed, which is measured unless an earlier run has kept it."""
    code = code_digest("bench/decisions/clickbait*.py", "bench/decisions/visit_snapshots.py")
    kept = kept_part(
        f"{BENCH}/seed-{seed}",
        (code, extent, seed),
        lambda folder: asdict(measure_seed(seed, extent, folder)),
    )
    return decode(encode(kept), SeedResult)


def measure_seed(seed: int, extent: ShopExtent, folder: Path) -> SeedResult:
    """Log, train and serve with one seed; finished trainings in the folder are used again."""
    visitors, visits = logged_visits(seed, extent)
    shutil.rmtree(folder / "snapshot", ignore_errors=True)
    snapshot = write_visits(folder / "snapshot", visitors, visits)
    scores, ndcg = {}, {}
    for name, (weight, discount) in TRAININGS.items():
        policy_gradient = replace(CONFIG.policy_gradient, weight=weight, discount=discount)
        config = replace(CONFIG, policy_gradient=policy_gradient, seed=seed)
        out = folder / name.replace(" ", "-")
        bundle, _ = train_bundle(snapshot, config, out, text_cache=folder / "texts")
        scores[name] = scores_of(bundle)
        panel = read_report(out / "report.json").panel
        assert panel is not None
        ndcg[name] = float(np.average(panel.models["candidate"].ndcg, weights=panel.num_events))
    served = {
        GREEDY: value_of(scores["next click"], seed, extent),
        BANDIT: value_of(scores["immediate reward"], seed, extent, epsilon=EPSILON),
        IMMEDIATE: value_of(scores["immediate reward"], seed, extent),
        LEARNED: value_of(scores[with_weight(WEIGHT)], seed, extent),
        RANDOM: value_of(_equal_scores, seed, extent, epsilon=1.0),
        CLICKBAIT: value_of(_clickbait_scores, seed, extent),
        ORACLE: value_of(_group_scores, seed, extent),
    }
    for weight in OTHER_WEIGHTS:
        served[with_weight(weight)] = value_of(scores[with_weight(weight)], seed, extent)
    returns_V = discounted_returns(visits, num_visitors=extent.num_logged, discount=DISCOUNT)
    return SeedResult(returns={**served, LOGGING: float(returns_V.mean())}, ndcg=ndcg)


def logged_visits(seed: int, extent: ShopExtent) -> tuple[ShopVisitors, list[ServedVisit]]:
    """Return visitors and lists of a stochastic policy: Plackett–Luce on the items' click rates.

    The click rates are those of some earlier visitors, who were shown random lists.
    """
    generator = np.random.default_rng([seed, 0])
    surveyed = ShopVisitors.arrive(extent.num_surveyed, generator)
    equal_N = np.zeros(NUM_ITEMS)
    rate_N = _click_rates(run_visits(surveyed, _drawing(equal_N, generator), generator))
    visitors = ShopVisitors.arrive(extent.num_logged, generator)
    # five: an item that is clicked each fifth time is e times as likely as one that never is
    return visitors, run_visits(visitors, _drawing(5.0 * rate_N, generator), generator)


def scores_of(bundle: Bundle) -> Scores:
    """Return a trained model's scores of all items for visitors, from their clicks."""
    ranker = Ranker(bundle)
    rows = [ranker.catalogue.row(f"i{number}") for number in range(NUM_ITEMS)]
    known_rows = [row for row in rows if row is not None]
    assert len(known_rows) == NUM_ITEMS

    def scores(visitors: ShopVisitors, staying_V: Ints) -> Floats:
        histories = [
            [HistoryElement(row=known_rows[item], type="view") for item in visitors.clicks[one]]
            for one in staying_V
        ]
        found_VN = ranker.scores(ranker.user_states(histories)).numpy()[:, known_rows]
        return found_VN.astype(np.float64)

    return scores


def value_of(scores: Scores, seed: int, extent: ShopExtent, *, epsilon: float = 0.0) -> float:
    """Return the mean discounted return of new visitors, who are the same for every policy."""
    generator = np.random.default_rng([seed, 1])
    visitors = ShopVisitors.arrive(extent.num_served, generator)

    def policy(served: ShopVisitors, staying_V: Ints) -> DrawnLists:
        allowed_VN = served.unseen(staying_V)
        lists = best_lists(scores(served, staying_V), allowed_VN)
        return with_random_slots(lists, allowed_VN, epsilon=epsilon, generator=generator)

    visits = run_visits(visitors, policy, generator)
    returns_V = discounted_returns(visits, num_visitors=extent.num_served, discount=DISCOUNT)
    return float(returns_V.mean())


def rows_of(results: Sequence[SeedResult]) -> list[BenchMetric]:
    """Return the rows: each policy, the differences by seed, and the next-click quality."""
    by_seed = "discounted clicks of a visitor"
    rows = [
        _row(by_seed, name, [one.returns[name] for one in results], unit="1")
        for name in results[0].returns
    ]
    for name, other in (
        ("greedy", GREEDY),
        ("the bandit", BANDIT),
        ("the bandit's model", IMMEDIATE),
    ):
        gains = [one.returns[LEARNED] - one.returns[other] for one in results]
        rows.append(_row(f"gain over {name}", LEARNED, gains, unit="1"))
    rows += [
        _row("NDCG@10 of the next click", f"trained on {name}", [one.ndcg[name] for one in results])
        for name in results[0].ndcg
    ]
    return rows


def _row(metric: str, model: str, values: Sequence[float], *, unit: str = "1") -> BenchMetric:
    mean, num = float(np.mean(values)), len(values)
    half = STUDENT_T[num - 1] * float(np.std(values, ddof=1)) / num**0.5
    return BenchMetric(
        metric=metric,
        value=mean,
        unit=unit,
        model=model,
        set="planted shop",
        protocol="new visitors by seed",
        low=mean - half,
        high=mean + half,
        seeds=num,
    )


def _drawing(score_N: Floats, generator: np.random.Generator) -> Policy:
    return lambda visitors, staying_V: draw_lists(
        np.tile(score_N, (len(staying_V), 1)), visitors.unseen(staying_V), generator
    )


def _click_rates(visits: Sequence[ServedVisit]) -> Floats:
    shown_N, clicked_N = np.zeros(NUM_ITEMS), np.zeros(NUM_ITEMS)
    for visit in visits:
        shown_N[list(visit.items)] += 1
        if visit.clicked != NO_CLICK:
            clicked_N[visit.clicked] += 1
    rate_N: Floats = clicked_N / np.maximum(shown_N, 1)
    return rate_N


def _equal_scores(_visitors: ShopVisitors, staying_V: Ints) -> Floats:
    return np.zeros((len(staying_V), NUM_ITEMS))


def _clickbait_scores(_visitors: ShopVisitors, staying_V: Ints) -> Floats:
    return np.tile((item_groups() < 0).astype(np.float64), (len(staying_V), 1))


def _group_scores(visitors: ShopVisitors, staying_V: Ints) -> Floats:
    is_liked_VN = np.equal(item_groups()[None, :], visitors.group_V[staying_V][:, None])
    return np.where(is_liked_VN, 1.0, 0.0)
