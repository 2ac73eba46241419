"""Facts in files: RecBole's graphs, tables of triples, N-Triples, and Amazon's metadata."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender.records.ids import wrong_id
from sources.formats import open_source
from sources.graphs.n_triples import read_n_triple
from sources.source import Source, SourceError
from tests.unit.sources.data_sets import ROWS, json_lines, review, write

INTER = b"user_id:token\titem_id:token\ttimestamp:float\nu\t1\t1472688001\n"
KG = (
    b"head_id:token\trelation_id:token\ttail_id:token\n"
    b"m.1\tdirected_by\tm.9\nm.9\tdirected\tm.1\nm.2\tsequel\nm.2\tsequel\tm.1\n"
)
LINK = b"item_id:token\tentity_id:token\n1\tm.1\n2\tm.2\n"
LABEL = "<http://www.w3.org/2000/01/rdf-schema#label>"
TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), min_size=1)


def triples(source: Source) -> list[tuple[object, ...]]:
    return [(one["head"], one["relation"], one["tail"]) for one in source.facts]


def shop(folder: Path, content: Mapping[str, bytes]) -> Source:
    return open_source(write(folder, content))


def test_a_graph_of_recbole_is_read_with_its_set(tmp_path: Path) -> None:
    source = shop(tmp_path, {"s.inter": INTER, "s.kg": KG, "s.link": LINK})
    expected = [("1", "directed_by", "m.9"), ("m.9", "directed", "1"), ("2", "sequel", "1")]
    assert triples(source) == triples(source) == expected
    assert (source.num_facts, len(source.events), source.facts_file) == (3, 1, "s.kg")
    assert source.name == "RecBole (s.inter, s.kg)"
    (reject,) = source.rejects
    assert (reject.line, [raw for _, raw in source.read_rejects([reject])]) == (4, ["m.2\tsequel"])
    assert len({str(one["event_id"]) for one in source.facts}) == 3


def test_a_graph_may_be_read_alone(tmp_path: Path) -> None:
    folder = write(tmp_path, {"s.inter": INTER, "s.kg": KG, "s.link": LINK})
    source = open_source(folder / "s.kg")
    assert (source.num_facts, len(source.events), source.num_items) == (3, 0, 0)
    assert triples(source)[0] == ("1", "directed_by", "m.9")


def test_triples_in_tables_are_facts(tmp_path: Path) -> None:
    csv = 'n,Subject,predicate,object\n1,river,director,"Lee, Ann"\n2,river,year,1999.0\n'
    source = shop(tmp_path / "csv", {"facts.csv": csv.encode()})
    assert triples(source) == [("river", "director", "Lee, Ann"), ("river", "year", "1999")]
    tsv = b"head\trelation\ttail\nriver\tdirector\tAnn\nnull\tx\ty\n"
    source = shop(tmp_path / "tsv", {"facts.tsv": tsv})
    assert (triples(source), len(source.rejects)) == ([("river", "director", "Ann")], 1)


def test_own_tables_have_facts_beside_events(tmp_path: Path) -> None:
    events = b"user_id,item_id,at\nu,1,2024-01-01\n"
    source = shop(tmp_path, {"events.csv": events, "facts.csv": b"head,relation,tail\n1,a,b\n"})
    assert (len(source.events), triples(source)) == (1, [("1", "a", "b")])
    assert source.warnings == (), "the file of facts was not left out"
    both = {"facts.tsv": b"head\trelation\ttail\n1\ta\tb\n"}
    with pytest.raises(SourceError, match=r"facts\.csv and facts\.tsv, expected one file"):
        open_source(write(tmp_path, both))


def test_n_triples_are_facts(tmp_path: Path) -> None:
    lines = (
        f'<http://x/a> {LABEL} "Ann \\"L\\"\\u00e9\\n Lee"@en .\n# comment\n\n'
        f'<http://x/a> {LABEL} "Anna"@de .\n'
        "<http://x/f> <http://x/director> <http://x/a> . # why\n"
        '_:b1 <http://x/year> "1999"^^<http://x/int>.\n'
        "<http://x/f> <http://x/director> unquoted .\n"
    )
    link = b"item_id:token\tentity_id:token\n7\thttp://x/f\n"
    source = shop(tmp_path, {"films.nt": lines.encode(), "films.link": link})
    assert triples(source) == [
        ("http://x/a", "name", 'Ann "L"é Lee'),
        ("http://x/a", LABEL.strip("<>"), "Anna"),
        ("7", "http://x/director", "http://x/a"),
        ("_:b1", "http://x/year", "1999"),
    ]
    assert [reject.line for reject in source.rejects] == [7]


@given(text=TEXTS.filter(lambda text: wrong_id(text) is None))
def test_any_literal_of_n_triples_is_its_text(text: str) -> None:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    found = read_n_triple(f'<a:b> <c:d> "{escaped}" .')
    assert found == ("a:b", "c:d", " ".join(text.split()))


@given(line=st.text())
def test_any_line_is_a_triple_or_none(line: str) -> None:
    found = read_n_triple(line)
    assert found is None or all(isinstance(part, str) for part in found)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"s.nt": b"x\n"}, r"s\.nt, line 1: found 'x', expected at least one fact"),
        ({"s.kg": b"head_id:token\ta:token\tb:token\nx\ty\tz\n"}, "found"),
        ({"s.kg": KG, "s.link": b"a\tb\n"}, r"s\.link, line 1: .*item_id and entity_id"),
        ({"facts.csv": b"head,relation,tail\n"}, "expected at least one fact"),
    ],
)
def test_a_file_without_a_fact_is_refused(
    content: dict[str, bytes], message: str, tmp_path: Path
) -> None:
    with pytest.raises(SourceError, match=message):
        open_source(write(tmp_path, content))


@pytest.mark.parametrize("field", ["also_buy", "related"])
def test_what_is_bought_together_is_a_fact(field: str, tmp_path: Path) -> None:
    first, second = ROWS[0][1], ROWS[1][1]
    tails = [second, "never-reviewed", first]
    together = {"also_buy": tails} if field == "also_buy" else {"related": {"also_bought": tails}}
    meta = json_lines([{"asin": first, "title": "A", **together}, {"asin": second, "title": "B"}])
    reviews = json_lines([review(*row) for row in ROWS])
    source = shop(tmp_path, {"Beauty.json": reviews, "meta_Beauty.json": meta})
    assert triples(source) == [(first, "also_buy", second)]
