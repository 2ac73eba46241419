"""Lists of panel users in a snapshot, and the verdicts that they decide."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from bench.contestants.offline import train_bundle
from bench.decisions.clickbait import CONFIG, ShopExtent, logged_visits
from bench.decisions.clickbait_shop import ServedVisit, ShopVisitors
from bench.decisions.visit_snapshots import write_judged_lists, write_visits
from cron.cycle.list_evaluation import list_evidence
from cron.gate.offline_verdict import offline_verdict
from cron.gate.verdict import Verdict
from cron.gate.wording import Against
from cron.placement import Placement
from cron.placement_policy import PlacementPolicy
from cron.ports import Cursor
from cron.settings.tree import GateSettings, OffPolicySettings, RewardSettings
from cron.snapshot.request import JudgedLists, SnapshotRequest
from cron.snapshot.snapshot import build_snapshot
from recommender.records.slates import Slate
from tests.component.house import House
from tests.component.snapshots import EVENTS, PANEL, REQUEST
from tests.component.training import report
from tests.contracts.records import START_AT, slate
from trainer.config import TrainConfig

LUCE = PlacementPolicy(name="plackett_luce", temperature=1.0)
ASKED = replace(
    REQUEST,
    judged_lists=JudgedLists(
        since=START_AT,
        max_lists=1_000,
        reward=RewardSettings(),
        placements={"home": Placement(k=3)},
    ),
)
MEMBER = min(PANEL)


def list_of_choice(number: int, **changes: object) -> Slate:
    """Return the list that an event is chosen from: a pin, the event's item, and another."""
    chosen = EVENTS[number - 1]
    one = replace(
        slate(number, user_id=chosen.user_id, at=chosen.at - timedelta(milliseconds=1)),
        items=("pinned", chosen.item_id, "never chosen"),
    )
    return replace(one, **changes)  # type: ignore[arg-type]


def rows_of(
    house: House, folder: Path, slates: list[Slate], asked: SnapshotRequest = ASKED
) -> tuple[list[dict[str, object]], dict[str, dict[str, object]]]:
    """Return the rows of the lists, and the questions by list."""
    house.journal.accept(EVENTS, Cursor("0"), house.lease, slates=slates)
    info = build_snapshot(house.journal, asked, folder)
    rows: list[dict[str, object]] = pq.read_table(folder / "judged_slates.parquet").to_pylist()
    questions = pq.read_table(folder / "list_questions.parquet").to_pylist()
    assert info.num_list_questions == len(questions)
    return rows, {one["recommendation_id"]: json.loads(one["question"]) for one in questions}


def test_panel_lists_have_rewards_and_questions(house: House, tmp_path: Path) -> None:
    numbers = [number for number in range(200, 600) if EVENTS[number - 1].user_id == MEMBER]
    number = numbers[5]
    rows, questions = rows_of(house, tmp_path / "snapshot", [list_of_choice(number)])
    assert [(row["position"], row["propensity"], row["reward"]) for row in rows] == [
        (0, None, 0.0),
        (1, 0.25, 1.0),
        (2, 1.0, 0.0),
    ]
    (question,) = questions.values()
    before = [one for one in EVENTS[: number - 1] if one.user_id == MEMBER]
    history = question["user_seq"]
    assert isinstance(history, list)
    assert [one["at"] for one in history] == [one.at.timestamp() for one in before][-5:]
    assert question["propensities_of"] == [EVENTS[number - 1].item_id, "never chosen"]
    assert question["policy"] == {"name": "greedy"}
    assert question["rules"] == {"pinned": ["pinned"]}


def test_lists_that_judge_nothing_are_left_out(house: House, tmp_path: Path) -> None:
    """Those of others, fallbacks, of nobody, old ones; certain ones are kept without a question."""
    number = next(one for one in range(300, 600) if EVENTS[one - 1].user_id == MEMBER)
    kept = [
        list_of_choice(number),
        list_of_choice(number, event_id="sure", propensities=(1.0,) * 3),
    ]
    slates = [
        *kept,
        *(list_of_choice(one, event_id=f"o{one}") for one in range(300, 330)),
        list_of_choice(number, event_id="fallback", fallback=True),
        list_of_choice(number, event_id="nobody", user_id=None),
        list_of_choice(number, event_id="old", at=START_AT - timedelta(days=1)),
    ]
    rows, questions = rows_of(house, tmp_path / "snapshot", slates)
    assert {row["user_id"] for row in rows} <= PANEL
    ids = {row["recommendation_id"] for row in rows}
    assert {one.event_id for one in kept} <= ids
    assert not ids & {"fallback", "nobody", "old"}
    assert questions.keys() == {one for one in ids if one != "sure"}


def test_the_newest_lists_are_asked_about(house: House, tmp_path: Path) -> None:
    assert ASKED.judged_lists is not None
    few = replace(ASKED, judged_lists=replace(ASKED.judged_lists, max_lists=3))
    slates = [list_of_choice(number) for number in range(1, 601)]
    rows, questions = rows_of(house, tmp_path / "snapshot", slates, few)
    newest = sorted({str(row["recommendation_id"]) for row in rows})[-3:]
    assert sorted(questions) == newest


@dataclass(frozen=True, slots=True, kw_only=True)
class PlantedShop:
    """What a stochastic policy showed and earned where clickbait loses visitors."""

    folder: Path
    visitors: ShopVisitors
    visits: list[ServedVisit]

    def candidate(
        self, name: str, config: TrainConfig, live: Path | None, *, is_ruined: bool = False
    ) -> Path:
        """Train on every other visitor; the lists of the others judge it."""
        folder = self.folder / name
        snapshot = write_visits(folder / "snapshot", self.visitors, self.visits, panel_every=2)
        if live is not None:
            write_judged_lists(
                snapshot, self.visitors, self.visits, live=live, policy=LUCE, panel_every=2
            )
        if is_ruined:
            rows = pq.read_table(snapshot / "slates.parquet")
            place = rows.schema.get_field_index("reward")
            turned = rows.set_column(place, "reward", pc.negate(rows["reward"]))
            pq.write_table(turned, snapshot / "slates.parquet")
        out = folder / "candidate"
        train_bundle(snapshot, config, out, text_cache=folder / "texts")
        return out

    def verdict(self, name: str, *, mode: str = "judge", learners: tuple[str, ...] = ()) -> Verdict:
        """Judge a candidate that was trained."""
        folder = self.folder / name
        settings = GateSettings(
            off_policy=OffPolicySettings(mode="judge" if mode == "judge" else "report")
        )
        made = report(folder / "candidate")
        lists = list_evidence(folder / "snapshot", folder / "candidate", made)
        against = Against(live=1, anchor=None, list_learners=frozenset(learners))
        return offline_verdict(made, settings, against, lists=lists)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> PlantedShop:
    """Train on the next click, then on later rewards, then on the opposite of rewards."""
    extent = ShopExtent(num_surveyed=200, num_logged=1_200, num_served=0)
    visitors, visits = logged_visits(0, extent)
    planted = PlantedShop(
        folder=tmp_path_factory.mktemp("planted"), visitors=visitors, visits=visits
    )
    clicks = replace(CONFIG, full_epochs=4)
    later = replace(clicks, policy_gradient=replace(CONFIG.policy_gradient, weight=3.0))
    live = planted.candidate("next-click", clicks, None)
    learned = planted.candidate("later-rewards", later, live / "bundle")
    planted.candidate("ruined", later, learned / "bundle", is_ruined=True)
    return planted


def refusals_of(verdict: Verdict) -> set[str]:
    return {reason.name for reason in verdict.reasons if not reason.ok}


def values(verdict: Verdict) -> Mapping[str, float | None]:
    return {reason.name: reason.value for reason in verdict.reasons}


def test_what_keeps_visitors_goes_live_though_they_click_less(shop: PlantedShop) -> None:
    """Its next-click quality is a fraction of live's, which alone would refuse it."""
    verdict = shop.verdict("later-rewards")
    assert verdict.is_accepted, refusals_of(verdict)
    assert verdict.metrics["ndcg_candidate"] < 0.4 * verdict.metrics["ndcg_live"]
    assert "ndcg_floor" in values(verdict)
    assert "with later rewards" in verdict.reasons[1].text
    assert {"ndcg_live", "ndcg_popularity"} & refusals_of(
        shop.verdict("later-rewards", mode="report")
    )


def test_a_ruined_candidate_is_refused_by_lists(shop: PlantedShop) -> None:
    """Next clicks would not: the live release is hardly better at them than chance."""
    names = {"lists_interaction_snips", "lists_doubly_robust"}
    found = refusals_of(shop.verdict("ruined", learners=("live",)))
    assert names <= found
    assert not [name for name in found if "ndcg" in name]
    assert shop.verdict("ruined", mode="report", learners=("live",)).reasons[1].ok
