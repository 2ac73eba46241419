"""MovieLens in each of its forms, as small files; all forms give the same records."""

from __future__ import annotations

import gzip
import hashlib
import zipfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest

from recommender.records.events import parse_event, parse_item
from sources.formats import open_source as read
from sources.source import Source, SourceError

NOW = datetime(2026, 11, 25, tzinfo=UTC)
FLAGS_TOY_STORY = "0|0|0|1|1|1|0|0|0|0|0|0|0|0|0|0|0|0|0"
FLAGS_NOIR = "0|0|0|0|0|0|0|0|0|0|1|0|0|0|0|1|0|0|0"
FILMS_DAT = (
    "1::Toy Story (1995)::Animation|Children's|Comedy\n2::Café Noir (1946)::Film-Noir|Sci-Fi\n"
)
FLAGS_UNKNOWN = "1" + "|0" * 18

# Two ratings have the same second, so they keep the file's order.
FORMS: dict[str, dict[str, bytes]] = {
    "ml-100k": {
        "u.data": b"7\t2\t4\t881250950\n9\t1\t5\t881250949\n7\t1\t3\t881250949\n",
        "u.item": (
            f"1|Toy Story (1995)|01-Jan-1995|||{FLAGS_TOY_STORY}\n"
            f"2|Café Noir (1946)|01-Jan-1946|||{FLAGS_NOIR}\n"
            f"3|unknown||||{FLAGS_UNKNOWN}\n"
        ).encode("latin-1"),
    },
    "ml-1m": {
        "ratings.dat": b"7::2::4::881250950\n9::1::5::881250949\n7::1::3::881250949\n",
        "movies.dat": f"{FILMS_DAT}3::unknown::unknown\n".encode("latin-1"),
    },
    "ml-10m": {
        "ratings.dat": b"7::2::4.0::881250950\n9::1::5.0::881250949\n7::1::3.0::881250949\n",
        "movies.dat": f"{FILMS_DAT}3::unknown::(no genres listed)\n".encode(),
    },
    "ml-latest": {
        "ratings.csv": (
            b"userId,movieId,rating,timestamp\r\n7,2,4.0,881250950\r\n9,1,5.0,881250949\r\n"
            b"7,1,3.0,881250949\r\n"
        ),
        "movies.csv": (
            "movieId,title,genres\r\n1,Toy Story (1995),Animation|Children's|Comedy\r\n"
            '2,"Café Noir (1946)",Film-Noir|Sci-Fi\r\n3,unknown,(no genres listed)\r\n'
        ).encode(),
        "tags.csv": b"userId,movieId,tag,timestamp\n",
    },
    "recbole": {
        "ml-100k.inter": (
            b"user_id:token\titem_id:token\trating:float\ttimestamp:float\n"
            b"7\t2\t4\t881250950\n9\t1\t5\t881250949\n7\t1\t3\t881250949\n"
        ),
        "ml-100k.item": (
            "item_id:token\tmovie_title:token_seq\trelease_year:token\t"
            "class:token_seq\n"
            "1\tToy Story\t1995\tAnimation Children's Comedy\n"
            "2\tCafé Noir\t1946\tFilm-Noir Sci-Fi\n3\tunknown\t\tunknown\n"
        ).encode(),
    },
}


def write(folder: Path, files: Mapping[str, bytes]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


def zip_of(path: Path, files: Mapping[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def without_ids(source: Source) -> tuple[list[dict[str, object]], list[dict[str, object]]]:
    items, events = list(source.items), list(source.events)
    for raw in items + events:
        del raw["event_id"]
    return items, events


def reasons(source: Source) -> list[tuple[str, int]]:
    return [(reject.file, reject.line) for reject in source.rejects]


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_records(form: str, tmp_path: Path) -> None:
    source = read(write(tmp_path, FORMS[form]))
    assert (source.num_items, len(source.events), source.rejects) == (3, 3, ())
    assert [raw["at"] for raw in source.events][::2] == [881250949, 881250950]
    items, events = without_ids(source)
    assert items == [
        {
            "item_id": "1",
            "title": "Toy Story (1995)",
            "text": "Toy Story (1995). Animation, Children's, Comedy",
            "attributes": {"genre": ["Animation", "Children's", "Comedy"], "year": 1995},
        },
        {
            "item_id": "2",
            "title": "Café Noir (1946)",
            "text": "Café Noir (1946). Film-Noir, Sci-Fi",
            "attributes": {"genre": ["Film-Noir", "Sci-Fi"], "year": 1946},
        },
        {"item_id": "3", "title": "unknown", "text": "unknown", "attributes": {}},
    ]
    assert events == [
        {"user_id": "9", "item_id": "1", "type": "rating", "rating": 5.0, "at": 881250949},
        {"user_id": "7", "item_id": "1", "type": "rating", "rating": 3.0, "at": 881250949},
        {"user_id": "7", "item_id": "2", "type": "rating", "rating": 4.0, "at": 881250950},
    ]


@pytest.mark.parametrize("form", FORMS)
def test_every_record_is_accepted_at_intake(form: str, tmp_path: Path) -> None:
    def no_id() -> str:
        raise AssertionError("every record has its id")

    source = read(write(tmp_path, FORMS[form]))
    for raw in source.items:
        parse_item(raw, now=NOW, new_id=no_id)
    parsed = [parse_event(raw, now=NOW, new_id=no_id) for raw in source.events]
    assert parsed == sorted(parsed, key=lambda event: (event.at, event.event_id)), (
        "ids sort ties in file order"
    )


def test_ids_have_the_documented_form(
    tmp_path: Path,
) -> None:
    source = read(write(tmp_path, FORMS["ml-latest"]))
    (first, *_) = source.events
    user_item = f"{first['user_id']}\0{first['item_id']}"
    content = f"{user_item}\0rating\0{881250949000000}\0{first['rating']:g}"
    sha256 = hashlib.sha256(content.encode()).hexdigest()
    assert first["event_id"] == f"0881250949000000:10:{sha256[:16]}"
    digest = hashlib.sha256(FORMS["ml-latest"]["movies.csv"]).hexdigest()[:12]
    assert [raw["event_id"] for raw in source.items] == [
        f"{digest}:{line:09}" for line in (2, 3, 4)
    ]


def test_many_ratings_of_one_second_keep_the_order_of_the_file(tmp_path: Path) -> None:
    data = "".join(
        f"{number % 7}\t{number}\t3\t{881250949 + number % 3}\n" for number in range(999)
    ).encode()
    source = read(write(tmp_path, FORMS["ml-100k"] | {"u.data": data}))
    expected = sorted(range(999), key=lambda number: number % 3)
    assert [raw["item_id"] for raw in source.events] == [str(number) for number in expected]


@pytest.mark.parametrize("form", FORMS)
def test_a_zip_and_its_folder_give_the_same(form: str, tmp_path: Path) -> None:
    packed = zip_of(
        tmp_path / "data.zip",
        {f"{form}/{name}": content for name, content in FORMS[form].items()}
        | {"other/README": b"x"},
    )
    folder = write(tmp_path / "outer" / "inner", FORMS[form]).parent
    assert without_ids(read(packed)) == without_ids(read(folder))


def test_a_bad_row_is_rejected_and_the_rest_is_read(tmp_path: Path) -> None:
    good = FORMS["ml-100k"]["u.data"]
    bad = (
        b"7\t1\tfour\t881250949\n7\t1\t4\n\n7\t1\t4\t881250949\t9\t9\t9\t9\n"
        b"\t1\t4\t881250949\n7\t1\t4\tyesterday\n7\t1\tnan\t881250949\n"
    )
    films = FORMS["ml-100k"]["u.item"] + b"4|short\n|No id|||" + b"0|" * 19 + b"\n"
    source = read(write(tmp_path, {"u.data": bad + good, "u.item": films}))
    assert len(source.events) == len(list(source.events)) == 3
    assert source.num_items == 3
    assert reasons(source) == [
        ("u.item", 4),
        ("u.item", 5),
        *(("u.data", line) for line in (1, 2, 4, 5, 6, 7)),
    ]
    reasons_by_line = {
        reject.line: reject.reason for reject in source.rejects if reject.file == "u.data"
    }
    assert reasons_by_line[1] == "rating: expected a number"
    assert reasons_by_line[2] == "expected 4 columns, found another number"
    assert reasons_by_line[5] == "user_id: expected an id"
    assert {reject.line: raw for reject, raw in source.read_rejects(source.rejects[2:])}[
        1
    ] == "7\t1\tfour\t881250949"


def test_bad_lines_are_counted_too(tmp_path: Path) -> None:
    # The file has no line break at its end.
    source = read(write(tmp_path, FORMS["ml-100k"] | {"u.data": b"bad\n\n7\t1\t3\t881250949"}))
    assert [line for line, _ in source.events.with_lines(0, 1)] == [3]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (
            {"u.data": b"1\t2\t3\t881250949\n"},
            r"found u\.data without u\.item, expected MovieLens \(u\.data and u\.item",
        ),
        ({"ratings.csv": b"userId,movieId\n"}, r"found ratings\.csv without movies\.csv, expected"),
        ({"README": b"x"}, r"README, line 1: found 'x', expected MovieLens \(u\.data and u\.item"),
        (
            FORMS["ml-latest"] | {"ratings.csv": b"user,movieId,rating,timestamp\n1,1,1,1\n"},
            r"ratings\.csv, line 1, column userId: found .* expected",
        ),
        (
            FORMS["ml-latest"] | {"movies.csv": b"id,title,genres\n1,a,b\n"},
            r"movies\.csv, line 1, column movieId: .*expected",
        ),
        (
            FORMS["ml-latest"] | {"movies.csv": b"movieId,title,genres\n"},
            r"movies\.csv, line 1: .*expected at least one film \(there are no rows\)",
        ),
        (
            FORMS["ml-100k"] | {"u.data": b""},
            r"u\.data, line 1: .*expected rows of user_id, item_id, rating, timestamp",
        ),
        (
            FORMS["ml-100k"] | {"u.data": b"a,b,c\nd,e,f\n"},
            r"u\.data, line 1: found 'a,b,c', expected rows of .*expected 4 columns, found another",
        ),
        (
            FORMS["ml-100k"] | {"u.data": b"1\t2\tx\t4\n"},
            r"u\.data, line 1: found .*rating: expected a number",
        ),
        (
            FORMS["recbole"] | {"ml-100k.inter": b"user_id:token\titem_id:token\n1\t2\n"},
            r"ml-100k\.inter, line 1, column timestamp",
        ),
    ],
)
def test_an_unreadable_data_set_is_refused_with_the_reason(
    files: dict[str, bytes], message: str, tmp_path: Path
) -> None:
    with pytest.raises(SourceError, match=message):
        read(write(tmp_path, files))


def test_a_missing_path_and_a_broken_zip_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="nothing is there"):
        read(tmp_path / "none")
    (tmp_path / "broken.zip").write_bytes(b"PK\3\4 cut off")
    with pytest.raises(SourceError, match="fetch it again"):
        read(tmp_path / "broken.zip")
    whole = zip_of(tmp_path / "whole.zip", FORMS["ml-100k"]).read_bytes()
    (tmp_path / "damaged.zip").write_bytes(whole.replace(b"881250950", b"881250951"))
    with pytest.raises(SourceError, match="fetch it again"):
        read(tmp_path / "damaged.zip")


@pytest.mark.parametrize(
    ("title", "year"),
    [
        ("A (1995)", 1995),
        ("A (1995) (V)", 1995),
        ("A (2009–2011)", 2009),
        ("A (2009– )", 2009),
        ("1984", None),
        ("A (1984) more", None),
    ],
)
def test_the_year_is_taken_from_the_title(title: str, year: int | None, tmp_path: Path) -> None:
    source = read(
        write(tmp_path, FORMS["ml-10m"] | {"movies.dat": f"1::{title}::Drama\n".encode()})
    )
    (raw,) = source.items
    assert raw["title"] == title
    attributes = raw["attributes"]
    assert isinstance(attributes, dict)
    assert attributes.get("year") == year


def test_a_quoted_title_keeps_its_commas_and_quotes(tmp_path: Path) -> None:
    films = 'movieId,title,genres\n1,"Net, ""The"" (1995)",Drama\n'
    (raw,) = read(write(tmp_path, FORMS["ml-latest"] | {"movies.csv": films.encode()})).items
    assert raw["title"] == 'Net, "The" (1995)'


def test_a_title_may_contain_the_separator_of_the_file(tmp_path: Path) -> None:
    files = {
        "movies.dat": b"1::Lies :: Truth (1995)::Drama|War\n",
        "tags.dat": b"7::1::a::b::9\n9::1::a::b::9\n",
    }
    (raw,) = read(write(tmp_path, FORMS["ml-10m"] | files)).items
    assert (raw["title"], raw["text"]) == (
        "Lies :: Truth (1995)",
        "Lies :: Truth (1995). Drama, War. a::b",
    )


@pytest.mark.parametrize("name", ["ratings.csv", "movies.csv"])
def test_a_file_next_to_its_gzip_is_read_if_they_are_equal(name: str, tmp_path: Path) -> None:
    form = FORMS["ml-latest"]
    packed = write(tmp_path, form | {f"{name}.gz": gzip.compress(form[name])})
    assert len(read(packed).events) == 3
    write(packed, {f"{name}.gz": gzip.compress(form[name] + form[name].splitlines()[-1])})
    with pytest.raises(
        SourceError, match=rf"found {name} and {name}\.gz, which differ, expected one of them"
    ):
        read(packed)
