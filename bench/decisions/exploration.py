"""What exploring costs and finds, in a shop that is simulated from MovieLens 1M.

Ways of choosing lists are compared on the same visitors: the clicks that they bring, what they lose
against somebody who knows every probability (the regret), and how many impressions a good new film
needs until it has found its visitors. The product's policies draw the lists, and its posterior of
rewards lifts the films. Draws of the weights of each film are made here: they are Thompson's way
for a model that knows its own weights' posterior, which the product's does not.

The part "doubts" measures one way more beside greedy: a share of new items that is ruled by doubts.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import median

import numpy as np

from bench.data.sets import load_set
from bench.decisions.film_shop import Integers, make_shop
from bench.decisions.film_visits import Chooser, VisitsResult, simulate
from bench.report.rows import BenchMetric, is_quick, results_folder, save
from recommender.requests.list_policy import ListPolicy, NewItemsShare

BENCH, DOUBTS_BENCH = "decisions-exploration", "decisions-doubts"
NUM_VISITS, NUM_SEEDS = 20_000, 5
QUICK_VISITS, QUICK_SEEDS = 2_000, 2
_T_95 = {2: 12.71, 5: 2.78}  # Student's, by the number of values
GREEDY, ORACLE = "greedy", "knows every probability"
DOUBT = "new items .2 with a doubt of 3 until 1,000"
CHOOSERS = (
    Chooser(
        name="random",
        policy=ListPolicy(name="greedy"),
        score=lambda learner, _, draw: draw.random(learner.num_films),
    ),
    Chooser(name=GREEDY, policy=ListPolicy(name="greedy")),
    Chooser(name="epsilon .05", policy=ListPolicy(name="epsilon", epsilon=0.05)),
    Chooser(name="Plackett-Luce .1", policy=ListPolicy(name="plackett_luce", temperature=0.1)),
    Chooser(
        name="new items .05 until 300",
        policy=ListPolicy(name="greedy", new_items=NewItemsShare(share=0.05, ids=())),
        budget=300,
    ),
    Chooser(name="thompson", policy=ListPolicy(name="thompson")),
    Chooser(
        name="thompson, new items .05 until 100",
        policy=ListPolicy(name="thompson", new_items=NewItemsShare(share=0.05, ids=())),
        budget=100,
    ),
    Chooser(
        name="ucb 1, new items .05 until 100",
        policy=ListPolicy(name="ucb", width=1.0, new_items=NewItemsShare(share=0.05, ids=())),
        budget=100,
    ),
    Chooser(
        name="draws of all weights",
        policy=ListPolicy(name="greedy"),
        score=lambda learner, features_D, draw: learner.drawn_I(features_D, draw),
    ),
    Chooser(name=ORACLE, policy=ListPolicy(name="greedy"), knows_all=True),
)
WITH_DOUBTS = (
    Chooser(name=GREEDY, policy=ListPolicy(name="greedy")),
    Chooser(
        name=DOUBT,
        policy=ListPolicy(name="greedy", new_items=NewItemsShare(share=0.2, ids=())),
        budget=1_000,
        doubt=3.0,
    ),
)


def measure_exploration(command: str) -> None:
    """Simulate; write the page of results and the picture."""
    found = _measure(BENCH, CHOOSERS, command)
    _draw({name: [one.clicks_V for one in results] for name, results in found.items()})


def measure_doubts(command: str) -> None:
    """Simulate a share of new items that is ruled by doubts, beside greedy; write the page.

    What is compared was chosen on the seeds from 5 on, which are not reported.
    """
    _measure(DOUBTS_BENCH, WITH_DOUBTS, command)


def _measure(
    bench: str, choosers: Sequence[Chooser], command: str
) -> Mapping[str, Sequence[VisitsResult]]:
    num_visits = QUICK_VISITS if is_quick() else NUM_VISITS
    seeds = range(QUICK_SEEDS if is_quick() else NUM_SEEDS)
    ratings = load_set("ml-1m")
    found: dict[str, list[VisitsResult]] = {chooser.name: [] for chooser in choosers}
    for seed in seeds:
        shop = make_shop(ratings, num_visits=num_visits, seed=seed)
        for chooser in choosers:
            result = simulate(shop, chooser, num_visits=num_visits, seed=1000 + seed)
            found[chooser.name].append(result)
            print(f"seed {seed}, {chooser.name}: {result.clicks_V.mean():.4f} clicks a visit")
    rows = [row for name in found for row in _rows(name, found[name], found[GREEDY])]
    save(bench, f"{num_visits:,} visits to a shop of MovieLens 1M's films", rows, command=command)
    return found


def _rows(
    name: str, results: Sequence[VisitsResult], greedy: Sequence[VisitsResult]
) -> list[BenchMetric]:
    clicks = [float(one.clicks_V.mean()) for one in results]
    gains = [
        float(one.clicks_V.mean() / other.clicks_V.mean() - 1)
        for one, other in zip(results, greedy, strict=True)
    ]
    found = [one for result in results for one in result.impressions_until_found]
    needed = [one for one in found if one is not None]
    num_new = [result.impressions_of_new for result in results]
    num_left = [result.num_left for result in results]
    num_better = f"{sum(gain >= 0 for gain in gains)} of {len(gains)} seeds"
    each = ", ".join(f"{100 * gain:+.1f}" for gain in gains)
    rows = [
        BenchMetric(
            metric=f"{name}: clicks a visit",
            value=float(np.mean(clicks)),
            unit="1",
            note=f"± {_half_width(clicks):.3f} over {len(clicks)} seeds",
        ),
        BenchMetric(
            metric=f"{name}: clicks, more than greedy's",
            value=100 * float(np.mean(gains)),
            unit="%",
            note=f"± {100 * _half_width(gains):.2f}; not less in {num_better}: {each}",
        ),
        BenchMetric(metric=f"{name}: visitors who left", value=float(np.mean(num_left)), unit="1"),
        BenchMetric(
            metric=f"{name}: good new films that found their visitors",
            value=len(needed),
            unit="1",
            note=f"of {len(found)}; {np.mean(num_new):,.0f} impressions of all new films a seed",
        ),
    ]
    if needed:
        metric = f"{name}: impressions until found, median"
        note = f"{min(needed):,} to {max(needed):,}, of those that were found"
        rows.append(BenchMetric(metric=metric, value=median(needed), unit="1", note=note))
    return rows


def _half_width(values: Sequence[float]) -> float:
    """Return half of a 95 % interval of the mean (Student's t)."""
    return _T_95[len(values)] * float(np.std(values, ddof=1)) / math.sqrt(len(values))


def _draw(clicks: Mapping[str, Sequence[Integers]]) -> None:
    """Draw the clicks that each way has lost against the one that knows, over the visits."""
    from matplotlib.figure import Figure

    picture = Figure(figsize=(9, 4.5), layout="constrained")
    axes = picture.add_subplot()
    for name, of_seeds in clicks.items():
        if name in (ORACLE, "random"):
            continue
        lost_SV = np.stack(clicks[ORACLE]).cumsum(1) - np.stack(of_seeds).cumsum(1)
        mean_V, visits_V = lost_SV.mean(0), np.arange(lost_SV.shape[1])
        axes.plot(visits_V, mean_V, label=name, linewidth=2.5 if name == GREEDY else 1.3)
        axes.fill_between(visits_V, lost_SV.min(0), lost_SV.max(0), alpha=0.12)
    axes.set(
        title="Clicks lost against one who knows every probability",
        xlabel="visits",
        ylabel="clicks (mean, least and most of the seeds)",
    )
    axes.grid(alpha=0.3)
    axes.legend()
    path = results_folder() / f"{BENCH}.png"
    picture.savefig(path, dpi=120, metadata={"Software": None})
