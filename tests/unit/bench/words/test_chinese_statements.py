"""The program that looks up a Chinese line finds what the data does not have."""

from __future__ import annotations

import pytest

from bench.words.chinese_statements import chinese_statements
from bench.words.film_facts import FilmFacts

FILM = FilmFacts(
    film_id="1",
    title="Heat (1995)",
    genres=("Action", "Crime"),
    year=1995,
    people={"director": ("Ann Lee",), "actor": ("Ben Ortega",)},
)
NEAR = FilmFacts(
    film_id="2",
    title="Alien (1979)",
    genres=("Action", "Sci-Fi"),
    year=1979,
    people={"director": ("Ann Lee",)},
)


@pytest.mark.parametrize(
    ("text", "num", "wrong"),
    [
        ("《Heat》和《Alien》一样，都属于动作。", 3, ()),
        ("《Heat》和《Alien》一样，都属于犯罪。", 3, ("犯罪",)),
        ("看过《Alien》，不妨看看犯罪片《Heat》。", 3, ()),
        ("《Heat》是一部1995年的科幻片。", 3, ("科幻",)),
        ("《Heat》和《Alien》都由Ann Lee执导。", 3, ()),
        ("《Heat》和《Alien》都由Ben Ortega主演。", 3, ("Ben Ortega",)),
        ("犯罪片《Alien》之后。", 2, ("犯罪",)),
        ("动作、犯罪题材的《Alien》之后，试试《Heat》。", 4, ("犯罪",)),
        ("看过科幻片《Alien》，不妨看看1995年的犯罪片《Heat》。", 5, ()),
        ("看过1995年的《Alien》。", 2, ("1995",)),
        ("看过Ben Ortega主演的《Alien》，试试Ben Ortega主演的《Heat》。", 4, ("Ben Ortega",)),
        ("看过《Alien》，同为动作题材的《Heat》也值得一看。", 3, ()),
        ("看过《Alien》，同为犯罪题材的《Heat》也值得一看。", 3, ("犯罪",)),
        ("想看犯罪和《Alien》？", 2, ()),
        ("《Heat 2》，1996年上映。", 2, ("Heat 2", "1996")),
        ("《Heat》不是犯罪片。", 3, ("《Heat》不是犯罪片。",)),
    ],
)
def test_a_statement_is_looked_up(text: str, num: int, wrong: tuple[str, ...]) -> None:
    read = chinese_statements(text, FILM, NEAR)
    assert (read.num, read.wrong) == (num, wrong)
