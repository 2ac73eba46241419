"""The gate's verdicts by lists of the past, in a shop where clickbait loses visitors.

Per seed, a stochastic policy serves visitors. Half of them are trained on, the lists of the others
judge: what learned from later rewards beside what learned from next clicks, what learned the
opposite of rewards beside what learned from them, and an equal training beside its own like.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq

from bench.contestants.offline import train_bundle
from bench.decisions.clickbait import CONFIG, ShopExtent, logged_visits
from bench.decisions.visit_snapshots import write_judged_lists, write_visits
from bench.report.kept import code_digest, kept_part
from bench.report.rows import BenchMetric, is_quick, save
from cron.cycle.list_evaluation import list_evidence
from cron.evaluation.comparison import ESTIMATORS
from cron.gate.list_estimates import ListEvidence
from cron.gate.offline_verdict import offline_verdict
from cron.gate.verdict import Verdict
from cron.gate.wording import Against
from cron.placement_policy import PlacementPolicy
from cron.settings.tree import GateSettings, OffPolicySettings
from recommender.bundle import load_bundle
from recommender.ranking.ranker import Ranker
from trainer.codec import decode, encode
from trainer.config import TrainConfig
from trainer.evaluation.judged_lists import write_list_answers
from trainer.report import read_report

BENCH = "decisions-list-verdicts"
POLICY = PlacementPolicy(name="plackett_luce", temperature=1.0)
PANEL_EVERY = 2
SETTINGS = GateSettings(off_policy=OffPolicySettings(mode="judge"))
CLICKS = replace(CONFIG, full_epochs=4)
LATER = replace(CLICKS, policy_gradient=replace(CONFIG.policy_gradient, weight=3.0))
# by name: its training, the live release, and whether its rewards are turned round
CASES: Mapping[str, tuple[TrainConfig, str | None, bool]] = {
    "next clicks": (CLICKS, None, False),
    "later rewards, live: next clicks": (LATER, "next clicks", False),
    "the opposite of rewards, live: later rewards": (
        LATER,
        "later rewards, live: next clicks",
        True,
    ),
    "next clicks with another seed, live: next clicks": (
        replace(CLICKS, seed=1),
        "next clicks",
        False,
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseResult:
    """A candidate's verdict: by all tests, by lists, and its differences by estimator."""

    is_accepted: bool
    lists_refuse: bool
    num_lists: int
    num_places: int
    differences: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedVerdicts:
    """The results by case, and the processor milliseconds of a question to a model."""

    cases: Mapping[str, CaseResult]
    question_ms: float


def measure_list_verdicts(command: str) -> None:
    """Measure and write the page of results."""
    extent = ShopExtent(num_surveyed=200, num_logged=1_200, num_served=0)
    seeds: tuple[int, ...] = (0,) if is_quick() else (0, 1, 2, 3, 4)
    results = []
    for seed in seeds:
        results.append(_kept_result(seed, extent))
        print(f"seed {seed}: {results[-1]}", flush=True)
    save(BENCH, "planted shop with clickbait", _rows_of(results), command=command)


def _kept_result(seed: int, extent: ShopExtent) -> SeedVerdicts:
    code = code_digest("bench/decisions/list_verdicts.py", "bench/decisions/visit_snapshots.py")
    kept = kept_part(
        f"{BENCH}/seed-{seed}",
        (code, extent, seed),
        lambda folder: asdict(_measure_seed(seed, extent, folder)),
    )
    return decode(encode(kept), SeedVerdicts)


def _measure_seed(seed: int, extent: ShopExtent, folder: Path) -> SeedVerdicts:
    visitors, visits = logged_visits(seed, extent)
    cases, candidates = dict[str, CaseResult](), dict[str, Path]()
    for number, (name, (config, live, is_turned)) in enumerate(CASES.items()):
        at = folder / f"case-{number}"
        snapshot = write_visits(at / "snapshot", visitors, visits, panel_every=PANEL_EVERY)
        if is_turned:
            _turn_rewards(snapshot / "slates.parquet")
        if live is not None:
            bundle = candidates[live] / "bundle"
            write_judged_lists(
                snapshot, visitors, visits, live=bundle, policy=POLICY, panel_every=PANEL_EVERY
            )
        candidates[name] = at / "candidate"
        train_bundle(snapshot, config, candidates[name], text_cache=folder / "texts")
        if live is not None:
            cases[name] = _judge(snapshot, candidates[name], learners=CASES[live][0] is LATER)
    return SeedVerdicts(cases=cases, question_ms=_question_ms(snapshot, candidates[name], folder))


def _judge(snapshot: Path, candidate: Path, *, learners: bool) -> CaseResult:
    report = read_report(candidate / "report.json")
    lists = list_evidence(snapshot, candidate, report)
    assert lists is not None
    against = Against(live=1, anchor=None, list_learners=frozenset({"live"} if learners else set()))
    verdict = offline_verdict(report, SETTINGS, against, lists=lists)
    return CaseResult(
        is_accepted=verdict.is_accepted,
        lists_refuse=_lists_refuse(verdict),
        num_lists=lists.num_lists,
        num_places=lists.num_places,
        differences=_differences(lists),
    )


def _lists_refuse(verdict: Verdict) -> bool:
    return any(reason.name.startswith("lists_") and not reason.ok for reason in verdict.reasons)


def _differences(lists: ListEvidence) -> Mapping[str, float]:
    return {
        one.estimator: one.difference.value for one in lists.estimates if one.difference is not None
    }


def _turn_rewards(path: Path) -> None:
    rows = pq.read_table(path)
    place = rows.schema.get_field_index("reward")
    pq.write_table(rows.set_column(place, "reward", pc.negate(rows["reward"])), path)


def _question_ms(snapshot: Path, candidate: Path, folder: Path) -> float:
    """Return the processor time of a question to one model, with its answer written."""
    ranker = Ranker(load_bundle(candidate / "bundle"))
    num = pq.read_metadata(snapshot / "list_questions.parquet").num_rows
    began = time.process_time()
    write_list_answers({"candidate": ranker, "live": ranker}, snapshot, folder, lambda: None)
    return float(1_000 * (time.process_time() - began) / (2 * num))


def _rows_of(results: Sequence[SeedVerdicts]) -> list[BenchMetric]:
    rows = []
    for name in results[0].cases:
        found = [one.cases[name] for one in results]
        shares = (
            ("share of seeds accepted by all tests", [one.is_accepted for one in found]),
            ("share of seeds refused by lists", [one.lists_refuse for one in found]),
        )
        for metric, values in shares:
            rows.append(_row(metric, name, [float(value) for value in values]))
        places = sorted({one.num_places for one in found})
        note = f"lists {min(one.num_lists for one in found):,} or more, first places {places}"
        for estimator in ESTIMATORS:
            known = [one.differences[estimator] for one in found if estimator in one.differences]
            if known:
                row = _row(f"difference by {estimator}", name, known)
                span = f"{min(known):+.3f} to {max(known):+.3f} by seed"
                rows.append(replace(row, note=f"{span}; {note}"))
    cost = _row(
        "processor time of a question", "either model", [one.question_ms for one in results]
    )
    return [*rows, replace(cost, unit="ms")]


def _row(metric: str, model: str, values: Sequence[float]) -> BenchMetric:
    return BenchMetric(
        metric=metric,
        value=sum(values) / len(values),
        unit="1",
        model=model,
        set="planted shop",
        protocol="lists of visitors not trained on",
        seeds=len(values),
    )
