"""The sums over the users of an arm from which all estimates are computed.

A user is the unit that was assigned, so a user's lists and rewards are never treated as independent
of each other. Sums of two parts of an arm are added.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields


@dataclass(frozen=True, slots=True, kw_only=True)
class UserTotals:
    """One user: the reward, what it is counted per, and the reward before the experiment.

    `exposure` is 1 for a mean over users, the user's days for a mean per user and day, and the
    number of lists for a mean per list. `before` is a rate: the reward per unit of the same
    exposure before the user's first list; 0 for a user without a history.
    """

    reward: float
    exposure: float = 1.0
    before: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class UserSums:
    """Sums over users: r is the reward, n the exposure, b the rate before times the exposure."""

    num_users: int = 0
    r: float = 0.0
    n: float = 0.0
    b: float = 0.0
    rr: float = 0.0
    nn: float = 0.0
    bb: float = 0.0
    rn: float = 0.0
    rb: float = 0.0
    nb: float = 0.0

    def __add__(self, other: UserSums) -> UserSums:
        names = [field.name for field in fields(self)]
        return UserSums(**{name: getattr(self, name) + getattr(other, name) for name in names})


def sum_users(users: Iterable[UserTotals]) -> UserSums:
    """Return the sums over users; the sums of no users are zeros."""
    num_users, r, n, b = 0, 0.0, 0.0, 0.0
    rr, nn, bb, rn, rb, nb = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for user in users:
        before = user.before * user.exposure
        num_users += 1
        r += user.reward
        n += user.exposure
        b += before
        rr += user.reward * user.reward
        nn += user.exposure * user.exposure
        bb += before * before
        rn += user.reward * user.exposure
        rb += user.reward * before
        nb += user.exposure * before
    return UserSums(num_users=num_users, r=r, n=n, b=b, rr=rr, nn=nn, bb=bb, rn=rn, rb=rb, nb=nb)
