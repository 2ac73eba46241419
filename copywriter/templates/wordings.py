"""What the templates of all languages share: groups of wordings, and the choice by tone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from copywriter.brief import Kind, Tone
from copywriter.templates.material import Material

Group = Sequence[str]  # wordings of the same
# the groups of each kind, those that say most first
GroupsOfKinds = Mapping[Kind, Callable[[Material, Tone], Iterator[Group]]]


def in_tone(tone: Tone, *, plain: Group, warm: Group, lively: Group) -> Group:
    """Return the wordings in a tone."""
    return {"plain": plain, "warm": warm, "lively": lively}[tone]
