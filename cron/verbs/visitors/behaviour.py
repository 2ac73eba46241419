"""What a simulated visitor likes, looks at, clicks and buys.

Everything is the same for the same seed. A visitor likes some values of one attribute, such as two
genres. Which items of a list are looked at depends on the position alone, and a click also on the
item: a position-based click model (Craswell et al. 2008, "An experimental comparison of click
position-bias models").

    P(looks at position p) = p ** -POSITION_BIAS                (Joachims et al. 2017, eta)
    P(click | looks)       = INDIFFERENT + ATTRACTED * share of the liked values that the item has
    P(purchase | click)    = BUYS * the same share
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

POSITION_BIAS = 0.5  # of a row of tiles; results of a search have about 1
INDIFFERENT, ATTRACTED, BUYS = 0.02, 0.3, 0.25
NUM_LIKED = 2
MOST_VALUES = 200  # of an attribute that tastes are made of; more are names or numbers

Values = Mapping[str, frozenset[str]]  # of one attribute, by item id


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """What a visitor did with one item of a list."""

    item_id: str
    type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Visitor:
    """A visitor with a user id and the attribute's values that he or she likes."""

    user_id: str
    likes: frozenset[str]

    def liking(self, values: frozenset[str]) -> float:
        """Return the share of the liked values among an item's values, 0 to 1."""
        return len(self.likes & values) / len(self.likes)

    def acts(self, item_ids: Sequence[str], values: Values, draw: random.Random) -> list[Act]:
        """Return what the visitor does with a list: what is not looked at is left out."""
        acts = []
        for position, item_id in enumerate(item_ids, 1):
            if draw.random() >= position**-POSITION_BIAS:
                continue
            liking = self.liking(values.get(item_id, frozenset()))
            if draw.random() >= INDIFFERENT + ATTRACTED * liking:
                acts.append(Act(item_id=item_id, type="impression"))
                continue
            acts.append(Act(item_id=item_id, type="click"))
            if draw.random() < BUYS * liking:
                acts.append(Act(item_id=item_id, type="purchase"))
        return acts


@dataclass(frozen=True, slots=True, kw_only=True)
class Tastes:
    """What visitors may like: each value, and how many items have it."""

    num_items: Mapping[str, int]

    def visitor(self, number: int, *, seed: int) -> Visitor:
        """Return a visitor, who likes values that many items have more often.

        It is the same one for the same number and seed.
        """
        draw = random.Random(f"visitor {number} of {seed}")
        names, weights = list(self.num_items), list(self.num_items.values())
        likes: set[str] = set()
        while len(likes) < min(NUM_LIKED, len(names)):
            likes.update(draw.choices(names, weights))
        return Visitor(user_id=f"visitor-{seed}-{number}", likes=frozenset(likes))


def tastes_for(values: Values) -> Tastes:
    """Return the tastes that fit a shop's items."""
    return Tastes(num_items=dict(sorted(Counter(chain.from_iterable(values.values())).items())))


def telling_attribute(items: Sequence[Mapping[str, object]]) -> str | None:
    """Return the attribute that most items have, of those with 2 to MOST_VALUES texts as values.

    `items` are the attributes of each item. None if there is no such attribute. Of two that as
    many items have, it is the one with more values, then the first by name.
    """
    having = Counter[str]()
    found: dict[str, set[str]] = {}
    for attributes in items:
        for name, value in attributes.items():
            texts = texts_of(value)
            if texts:
                having[name] += 1
                found.setdefault(name, set()).update(texts)
    usable = [name for name, texts in found.items() if 2 <= len(texts) <= MOST_VALUES]
    return min(usable, key=lambda name: (-having[name], -len(found[name]), name), default=None)


def texts_of(value: object) -> frozenset[str]:
    """Return the texts of an attribute's value; none of a number."""
    if isinstance(value, str):
        return frozenset((value,))
    return frozenset(map(str, value)) if isinstance(value, Sequence) else frozenset()
