"""Team-draft interleaving: two lists become one, and clicks say which list was preferred.

Radlinski, Kurup, Joachims (2008), "How does clickthrough data reflect retrieval quality?". In each
round a coin decides which team picks first; a team picks its best item that is not in the list yet.
The reward of an item is credited to the team that picked it. Each visitor compares both lists, so
far fewer of them are needed than for an A/B test, but the result is a preference and not the size
of an effect.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Literal

from cron.experiments.user_sums import UserTotals

Team = Literal["a", "b"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TeamDraft:
    """The list, and the team that picked each of its items."""

    items: tuple[str, ...]
    teams: tuple[Team, ...]


def draft_teams(a: Sequence[str], b: Sequence[str], *, k: int, coin: Random) -> TeamDraft:
    """Draft a list of at most k items from two lists, best first.

    When one list is used up, the other one goes on alone.
    """
    left: dict[Team, list[str]] = {"a": list(reversed(a)), "b": list(reversed(b))}
    items: list[str] = []
    teams: list[Team] = []
    taken: set[str] = set()
    while len(items) < k:
        order: tuple[Team, Team] = ("a", "b") if coin.random() < 0.5 else ("b", "a")
        picked = [(team, item) for team in order if (item := _pick(left[team], taken)) is not None]
        if not picked:
            break
        for team, item in picked[: k - len(items)]:
            items.append(item)
            teams.append(team)
    return TeamDraft(items=tuple(items), teams=tuple(teams))


def credit(draft: TeamDraft, rewards: Mapping[str, float]) -> float:
    """Return the reward of b's items minus that of a's; above 0 if b is preferred."""
    signs = {"a": -1.0, "b": 1.0}
    pairs = zip(draft.items, draft.teams, strict=True)
    return sum(signs[team] * rewards.get(item, 0.0) for item, team in pairs)


def preference_of_user(credits: Sequence[float]) -> UserTotals:
    """Return a user's preference over their lists: its mean is 0 if no list is preferred."""
    return UserTotals(reward=sum(credits), exposure=float(len(credits)))


def _pick(left: list[str], taken: set[str]) -> str | None:
    """Take the best item that is not in the list yet from the end of `left`; None for nothing."""
    while left:
        item = left.pop()
        if item not in taken:
            taken.add(item)
            return item
    return None
