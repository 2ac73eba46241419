"""What the candidate and the live model think of lists that panel users were served.

The snapshot has a question for each list: how probable it is under its placement's policy. The
answers, with the likeliest alternatives, are kept beside the report, for `cron` to estimate what
each model's lists would have earned. What the lists earned is not known here, except to a model
that learned from lists: then each choice has the credit that it would have been learned with.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from recommender.lists.answer import answer_batch
from recommender.ranking.ranker import Ranker
from trainer.config import PolicyGradientConfig
from trainer.data.dataset import SnapshotError, read_items
from trainer.data.slates import choice_credits, read_slates, slate_order

QUESTIONS, SLATES = "list_questions.parquet", "judged_slates.parquet"
ANSWERS, CREDITS = "list_answers.parquet", "list_credits.parquet"
_AT_ONCE = 64


def write_list_answers(
    rankers: Mapping[str, Ranker], snapshot: Path, out: Path, check: Callable[[], None]
) -> None:
    """Write the answers of the candidate and the live model, if both and questions are there.

    A question that one of the two refuses has no answer by it. Items that are hidden now are left
    out of both models' lists. `check` is called often, and raises when the work should stop.
    """
    if "live" not in rankers or not (snapshot / QUESTIONS).exists():
        return
    ids, questions = _questions(snapshot / QUESTIONS)
    hidden = {one.item_id for one in read_items(snapshot / "items.parquet") if one.hidden}
    asked = [_without(one, hidden) for one in questions]
    table = pa.table(
        {
            "recommendation_id": pa.array(ids, pa.string()),
            **{
                name: pa.array(_answers(rankers[name], asked, check), pa.string())
                for name in ("candidate", "live")
            },
        }
    )
    pq.write_table(table, out / ANSWERS)


def write_list_credits(snapshot: Path, out: Path, config: PolicyGradientConfig) -> None:
    """Write what each choice is worth with its session's later rewards, if lists were learned."""
    path = snapshot / SLATES
    if config.weight <= 0 or not path.exists():
        return
    rows = slate_order(pq.read_table(path))
    credit_I = choice_credits(read_slates(path), config)
    columns = {name: rows[name] for name in ("recommendation_id", "position")}
    pq.write_table(pa.table({**columns, "credit": credit_I}), out / CREDITS)


def _questions(path: Path) -> tuple[list[str], list[dict[str, object]]]:
    try:
        rows = pq.read_table(path)
        ids: list[str] = rows["recommendation_id"].to_pylist()
        return ids, [json.loads(text) for text in rows["question"].to_pylist()]
    except (OSError, pa.ArrowException, KeyError, ValueError) as error:
        raise SnapshotError(f"{path}: not a valid file of questions ({error})") from error


def _without(question: Mapping[str, object], hidden: Set[str]) -> Mapping[str, object]:
    excluded = question.get("exclude", [])
    assert isinstance(excluded, list)
    return {**question, "exclude": sorted({*hidden, *excluded})}


def _answers(
    ranker: Ranker, questions: Sequence[Mapping[str, object]], check: Callable[[], None]
) -> Iterator[str | None]:
    for start in range(0, len(questions), _AT_ONCE):
        check()
        for answer in answer_batch(ranker, questions[start : start + _AT_ONCE]):
            yield json.dumps(answer) if isinstance(answer, dict) else None
