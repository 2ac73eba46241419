"""The demo's facts: linked to films by title and year, never by the ids of another edition."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy.machine.demo_graph import (
    LINK,
    UNUSED_IDS,
    DatedFilm,
    demo_graph,
    link_films,
    new_links,
    read_films,
    with_ids,
)


def film(film_id: str, title: str, year: int | None = 1977) -> DatedFilm:
    return DatedFilm(film_id=film_id, title=title, year=year)


@pytest.mark.parametrize(
    ("own", "later"),
    [
        ("Star Wars", "Star Wars: Episode IV - A New Hope"),
        ("Empire Strikes Back, The", "Star Wars: Episode V - The Empire Strikes Back"),
        ("Manon of the Spring (Manon des sources)", "Manon of the Spring"),
        ("Batman & Robin", "Batman and Robin"),
    ],
)
def test_a_film_is_found_under_its_other_title(own: str, later: str) -> None:
    assert link_films([film("50", own)], [film("260", later)]) == {"260": "50"}


def test_a_title_of_another_year_or_of_two_films_is_not_linked() -> None:
    later = [film("1", "Boys", 1996), film("2", "Boys", 1997), film("3", "Fear", 1990)]
    assert link_films([film("8", "Boys", 1996), film("9", "Fear", 1996)], later) == {}
    assert link_films([film("8", "Fear", None), film("9", "Fear", 1991)], later) == {"3": "9"}


def test_unused_ids_are_left_out_of_the_numbering() -> None:
    films = with_ids([film("", f"Film {number}") for number in range(1, 3884)])
    assert [one.film_id for one in films[:2]] == ["1", "2"]
    assert (films[90].film_id, films[-1].film_id) == ("92", "3952")
    assert not {int(one.film_id) for one in films} & UNUSED_IDS


def test_links_name_our_ids_and_no_other_film() -> None:
    old = "item_id:token\tentity_id:token\n50\tm.usual\n260\tm.star\n"
    assert new_links(old, {"260": "50"}) == "item_id:token\tentity_id:token\n50\tm.star\n"


def test_a_film_without_a_year_is_read(tmp_path: Path) -> None:
    (tmp_path / "x.item").write_text(
        "item_id:token\tmovie_title:token_seq\trelease_year:token\n1\tA\t1995.0\n2\tB\tunkonwn\n"
    )
    found = [(one.title, one.year) for one in read_films(tmp_path / "x.item")]
    assert found == [("A", 1995), ("B", None)]


def test_a_graph_that_was_made_needs_no_network(tmp_path: Path) -> None:
    folder = tmp_path / "data" / "ml-100k-graph"
    folder.mkdir(parents=True)
    (folder / LINK).write_text("")
    assert demo_graph(tmp_path) == folder
