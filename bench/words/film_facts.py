"""The films of MovieLens 100K: their genres and years, and people of RecBole's graph.

The entities of the graph have ids without names. The people get made-up names here, the same for
the same entity, so that texts can name them; everything else is the data's.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from bench.data.sets import RatingsSet
from bench.ranking.graph import Triple
from copywriter.brief import BriefFact, BriefItem
from copywriter.list_briefs import describe_item
from recommender.records.events import AttributeValue

RELATIONS = {
    "film.film.directed_by": "director",
    "film.film.actor": "actor",
    "film.film.written_by": "writer",
}
BRIEF_RELATIONS = {"director": "directed_by", "actor": "actor", "writer": "written_by"}
MAX_PEOPLE = 3  # of a relation and a film
_FIRST = """
Ada Alma Amos Anders Anita Aron Astrid Basil Beate Bruno Carla Cedric Clara Conrad Dora Edgar
Edith Elias Elsa Emil Erika Fabian Felix Flora Gideon Greta Gustav Hanna Harold Hilda Ines Ivan
Jonas Judith Klara Konrad Leona Linus Lorna Magnus Marta Milo Nadia Oskar Petra Quentin Rosa
Rufus Selma Silas Tessa Theo Ulla Viktor Wanda Xenia Yvonne Zara
"""
_LAST = """
Abbot Albrecht Amsel Barlow Becker Brandt Calloway Carver Dahl Dorset Eklund Ellery Falk
Fenwick Garrick Grieg Hadley Halloran Ibsen Ingram Jansen Jarvis Keller Kendrick Lambert
Lindqvist Mercer Moreau Nilsson Norwood Okafor Osborne Palmer Petrov Quimby Radcliffe Rossi
Sandoval Stark Tanaka Thorne Ullman Underhill Vance Verne Wexler Whitlock Yamada Yates Zeller
Zimmer
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class FilmFacts:
    """A film; `people` are names by relation."""

    film_id: str
    title: str
    year: int | None
    genres: tuple[str, ...]
    people: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def films_of(ratings: RatingsSet, triples: Sequence[Triple]) -> Mapping[str, FilmFacts]:
    """Return the films by id, with the people that the graph relates to them."""
    people: dict[str, dict[str, list[str]]] = {}
    for head, relation, tail in triples:
        if relation in RELATIONS:
            of_film = people.setdefault(head, {}).setdefault(RELATIONS[relation], [])
            of_film.append(person_name(tail))
    found = {}
    for item in ratings.items:
        if item is None:
            continue
        attributes = item["attributes"]
        assert isinstance(attributes, Mapping)
        film_id = str(item["item_id"])
        known = people.get(film_id, {})
        found[film_id] = FilmFacts(
            film_id=film_id,
            title=str(item["title"]),
            year=attributes.get("year"),
            genres=tuple(attributes.get("genre", ())),
            people={
                relation: tuple(dict.fromkeys(names))[:MAX_PEOPLE]
                for relation, names in known.items()
            },
        )
    return found


def brief_item_of(film: FilmFacts) -> BriefItem:
    """Return a film as a brief has it, with its people."""
    attributes: dict[str, AttributeValue] = {"genre": film.genres}
    if film.year is not None:
        attributes["year"] = float(film.year)
    facts = [
        BriefFact(relation=BRIEF_RELATIONS[role], name=name)
        for role, names in film.people.items()
        for name in names
    ]
    return describe_item(film.title, attributes, facts)


def person_name(entity: str) -> str:
    """Return a made-up name, always the same for an entity."""
    number = int.from_bytes(hashlib.sha256(entity.encode()).digest()[:6], "big")
    firsts, lasts = _FIRST.split(), _LAST.split()
    rest, first = divmod(number, len(firsts))
    return f"{firsts[first]} {lasts[rest % len(lasts)]}"
