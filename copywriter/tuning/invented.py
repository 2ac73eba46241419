"""Invented items to phrase briefs about: their titles, genres, years and people.

They are many and differ in form, so that a model learns to copy a title and not to know it.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from copywriter.brief import BriefAttribute, BriefFact, BriefItem

_FIRST_WORDS = """
Amber Blue Broken Burning Cold Copper Crooked Dark Distant Early Empty Fallen Final Flying Frozen
Golden Green Hidden Hollow Iron Last Little Lonely Long Lost Midnight Narrow New Northern Old Open
Painted Pale Perfect Private Quick Quiet Red Rising Royal Sacred Secret Seven Silent Silver Simple
Sleeping Small Stolen Strange Sudden Summer Third Twelve Velvet White Wild Winter Wooden Young
"""
_LAST_WORDS = """
Affair Arrow Bay Bell Bird Bride Bridge Candle Castle City Clock Coast Corner Country Crown Dance
Daughter Desert Door Dream Engine Eye Family Farm Fever Field Fire Flower Forest Game Garden Gate
Ghost Harbour Heart Hero Highway Hill Horse Hotel Hour House Hunter Island Journey Judge Key King
Kingdom Lake Letter Lights Lion Machine Man Map Market Mask Mile Mirror Moon Mountain Night Ocean
Orchard Palace Party Piano Planet Promise Queen Rain Ranch River Road Room Rose Sailor Season Shadow
Shore Sister Sky Soldier Song Spring Stage Star Station Stone Storm Story Stranger Street Summer
Sword Table Theatre Thief Tower Town Train Tree Valley Voice Wall Watch Water Wedding Widow Wind
Window Winner Witness Wolf Woman Year
"""
_NAMES = """
Abe Alice Anton Bella Carl Clyde Daisy Delia Emma Ernest Fanny Frank Gloria Grace Harry Hugo Irma
Jack Jane Jerry Julia Kate Laura Leo Louise Lucy Martin Max Mona Nell Nora Oliver Otto Pam Paul
Polly Rita Roy Ruby Sally Sam Stella Tom Vera Victor Walter
"""
_FAMILIES = """
Adler Barnes Bauer Bishop Blake Bloom Brady Burke Castle Chen Cohen Costa Cross Diaz Doyle Drake
Duval Evans Fischer Flynn Fox Garcia Grant Green Hart Hayes Hill Holm Hughes Hunt Ito Keane Kim
King Kraus Lang Larsen Lee Lopez Marsh Meyer Moss Nash Novak Ortiz Page Park Perez Pope Quinn Ray
Reyes Rhodes Roth Sato Shaw Silva Stone Swan Tan Vega Wade Walsh Webb Weiss West Wong Wood Young
"""
_GENRES = """
Action Adventure Animation Children's Comedy Crime Documentary Drama Fantasy Film-Noir Horror
Musical Mystery Romance Sci-Fi Thriller War Western
"""
_WEIGHTS = (8, 5, 2, 3, 10, 4, 2, 12, 2, 2, 4, 3, 3, 7, 5, 7, 3, 2)  # as films have them
MAX_GENRES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class InventedItem:
    """An item, and its director and leading actor."""

    title: str
    genres: tuple[str, ...]
    year: int
    director: str
    actor: str

    def brief_item(self, *, has_people: bool) -> BriefItem:
        """Return the item as briefs have it."""
        facts = (
            BriefFact(relation="cast", name=self.actor),
            BriefFact(relation="director", name=self.director),
        )
        return BriefItem(
            title=f"{self.title} ({self.year})",
            attributes=(
                BriefAttribute(name="genre", values=self.genres),
                BriefAttribute(name="year", values=(self.year,)),
            ),
            facts=facts if has_people else (),
        )


def invent_item(draw: Random) -> InventedItem:
    """Return an item that nobody has made."""
    num_genres = draw.choice((1, 1, 2, 2, MAX_GENRES))
    found = dict.fromkeys(draw.choices(_GENRES.split(), _WEIGHTS, k=num_genres))
    return InventedItem(
        title=_title(draw),
        genres=tuple(sorted(found)),
        year=draw.randint(1932, 2024),
        director=invent_person(draw),
        actor=invent_person(draw),
    )


def invent_person(draw: Random) -> str:
    """Return a name of two words."""
    return f"{draw.choice(_NAMES.split())} {draw.choice(_FAMILIES.split())}"


def _title(draw: Random) -> str:
    first, last, other = (
        draw.choice(words.split()) for words in (_FIRST_WORDS, _LAST_WORDS, _LAST_WORDS)
    )
    forms = (
        f"{first} {last}",
        f"{first} {last}",
        f"The {last}",
        f"The {first} {last}",
        f"{last} of the {other}",
        f"{last} and {other}",
        f"{draw.choice(_NAMES.split())}'s {last}",
        f"{first} {last} {draw.randint(2, 4)}",
        f"{draw.choice(_NAMES.split())}: {first} {last}",
        f"{first}",
        f"A {first} {last}" if first[0] not in "AEIOU" else f"An {first} {last}",
    )
    return draw.choice(forms)
