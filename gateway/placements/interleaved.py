"""Interleaved lists: the lists of two arms, drafted into one by team draft."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from random import Random

from cron.experiments.interleaving import draft_teams
from cron.list_ids import draw_list_id
from cron.placement import Placement
from gateway.bodies.recommendations import RankedAnswer, RankedItem


@dataclass(frozen=True, slots=True, kw_only=True)
class TeamList:
    """The list of an arm, without pins."""

    arm: str
    answer: RankedAnswer


def of_the_list(in_arm: Placement | None, placement: Placement | None) -> Placement | None:
    """Return an arm's placement with the length and the pins of the list's own."""
    if in_arm is None or in_arm is placement:
        return in_arm
    own = placement if placement is not None else Placement()
    return replace(in_arm, k=own.k, pins=own.pins)


def interleave(first: TeamList, second: TeamList, *, experiment: str, k: int) -> RankedAnswer:
    """Draft two lists into one of at most k items. The coins are new for each list.

    The answer's release is that of the first list.
    """
    by_arm = {one.arm: _items(one.answer) for one in (first, second)}
    draft = draft_teams(
        list(by_arm[first.arm]),
        list(by_arm[second.arm]),
        k=k,
        coin=Random(secrets.randbits(64)),  # fair, and no secret
    )
    arms = {"a": first.arm, "b": second.arm}
    items = []
    for rank, (item_id, team) in enumerate(zip(draft.items, draft.teams, strict=True), 1):
        arm = arms[team]
        item = by_arm[arm][item_id]
        items.append(replace(item, rank=rank, team=arm, propensity=None, greedy_rank=None))
    one, other = first.answer, second.answer
    is_of_one_release = one.model_version == other.model_version
    return replace(
        one,
        recommendation_id=one.recommendation_id if is_of_one_release else draw_list_id(None),
        policy="interleaved",
        items=tuple(items),
        unknown=_both(one.unknown, other.unknown),
        not_applied=_both(one.not_applied, other.not_applied),
        experiment=experiment,
    )


def _items(answer: RankedAnswer) -> dict[str, RankedItem]:
    return {item.id: item for item in answer.items if isinstance(item, RankedItem)}


def _both(one: tuple[str, ...], other: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys([*one, *other]))
