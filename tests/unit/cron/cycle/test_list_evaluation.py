"""What the files of a snapshot and a candidate say about lists."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cron.cycle.list_evaluation import list_evidence
from cron.epoch import micros
from cron.evaluation.answered_slates import RewardedSlate, TargetSlate
from cron.evaluation.evaluate import EvaluationOptions
from cron.evaluation.intervals import Resampling
from cron.snapshot.served_lists import SCHEMA
from tests.unit.cron.evaluation.served_lists import BETTER_I, WORSE_I, asked_about, drawn_slates
from tests.unit.cron.gate.reports import candidate
from trainer.report import PolicyGradientReport

OPTIONS = EvaluationOptions(resampling=Resampling(resamples=200))
REPORT = candidate()
Answers = Sequence[str | None]


def write_lists(folder: Path, slates: Sequence[RewardedSlate]) -> None:
    rows = [
        {
            "recommendation_id": f"s{number}",
            "user_id": one.user_id,
            "at_us": micros(one.at),
            "position": place,
            "item_id": item_id,
            "propensity": one.propensities[place],
            "reward": one.rewards[place],
            "version": one.version,
        }
        for number, one in enumerate(slates)
        for place, item_id in enumerate(one.items)
    ]
    pq.write_table(pa.Table.from_pylist(rows, SCHEMA), folder / "judged_slates.parquet")


def write_answers(folder: Path, mine: Answers, theirs: Answers) -> None:
    ids = [f"s{number}" for number in range(len(mine))]
    columns = {"recommendation_id": ids, "candidate": mine, "live": theirs}
    arrays = {name: pa.array(values, pa.string()) for name, values in columns.items()}
    pq.write_table(pa.table(arrays), folder / "list_answers.parquet")


def answer_text(target: TargetSlate) -> str:
    alternatives = [
        [{"id": one.id, "score": one.score, "propensity": one.propensity} for one in likely]
        for likely in target.alternatives
    ]
    return json.dumps(
        {
            "policy": target.policy,
            "propensities": target.propensities,
            "alternatives": alternatives,
            "resolved": [],
        }
    )


@pytest.fixture
def write(tmp_path: Path) -> Callable[[int], None]:
    """Return a function that writes 800 lists; the live model refuses the first so many."""

    def write_all(num_refused: int) -> None:
        slates = drawn_slates(800, 2)
        write_lists(tmp_path, slates)
        mine = [answer_text(one) for one in asked_about(slates, BETTER_I)]
        theirs = [answer_text(one) for one in asked_about(slates, WORSE_I)]
        write_answers(tmp_path, mine, [*[None] * num_refused, *theirs[num_refused:]])

    return write_all


def test_files_say_which_lists_earn_more(tmp_path: Path, write: Callable[[int], None]) -> None:
    write(0)
    found = list_evidence(tmp_path, tmp_path, REPORT, OPTIONS)
    assert found is not None
    assert (found.num_lists, found.num_users, found.num_places) == (800, 400, 2)
    assert not found.has_later_rewards
    for one in found.estimates:
        assert one.difference is not None
        assert one.difference.low > 0


def test_a_list_that_one_model_refused_counts_for_none(
    tmp_path: Path, write: Callable[[int], None]
) -> None:
    write(30)
    found = list_evidence(tmp_path, tmp_path, REPORT, OPTIONS)
    assert found is not None
    assert found.num_lists == 770


def test_refused_questions_are_the_reason_of_unknown(
    tmp_path: Path, write: Callable[[int], None]
) -> None:
    write(800)
    found = list_evidence(tmp_path, tmp_path, REPORT, OPTIONS)
    assert found is not None
    reasons = {one.reason for one in found.estimates}
    assert reasons == {"none of 800 questions about lists was answered by both models"}


def test_credits_take_the_place_of_rewards(tmp_path: Path, write: Callable[[int], None]) -> None:
    """Turned round, the other model's lists are the better ones."""
    write(0)
    rows = pq.read_table(tmp_path / "judged_slates.parquet")
    columns = {name: rows[name] for name in ("recommendation_id", "position")}
    credit = [-reward for reward in rows["reward"].to_pylist()]
    pq.write_table(pa.table({**columns, "credit": credit}), tmp_path / "list_credits.parquet")
    found = list_evidence(tmp_path, tmp_path, REPORT, OPTIONS)
    assert found is not None
    assert found.has_later_rewards
    assert found.estimates[0].difference is not None
    assert found.estimates[0].difference.high < 0


def test_without_answers_there_is_no_evidence(tmp_path: Path) -> None:
    assert list_evidence(tmp_path, tmp_path, REPORT) is None
    write_answers(tmp_path, [], [])
    write_lists(tmp_path, [])
    assert list_evidence(tmp_path, tmp_path, REPORT) is None


@pytest.mark.parametrize(("size", "learned"), [(10.0, False), (500.0, True)])
def test_only_epochs_with_enough_choices_learned_from_lists(
    tmp_path: Path, write: Callable[[int], None], size: float, learned: bool
) -> None:
    write(0)
    term = PolicyGradientReport(
        num_slates=9, num_learned=9, min_effective_size=200.0, effective_sizes=(size,)
    )
    report = replace(REPORT, policy_gradient=term)
    found = list_evidence(tmp_path, tmp_path, report, OPTIONS)
    assert found is not None
    assert found.learned_lists == learned
