"""Facts: what is written is read back, and anything else is refused with its field."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cron.epoch import moment
from cron.journal.segments import latest_facts, records_of, table_of
from recommender.records.events import from_json, to_json
from recommender.records.facts import MAX_RELATION_CHARS, Fact, key_of, parse_fact
from recommender.records.ids import wrong_id
from recommender.records.record_fields import InvalidRecord
from tests.contracts.records import fact

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
FACT: dict[str, object] = {"event_id": "f1", "head": "50", "relation": "director", "tail": "ann"}
IDS = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), min_size=1, max_size=20)
GOOD_IDS = IDS.filter(lambda text: wrong_id(text) is None)
TIMES = st.integers(700_000_000_000_000, 4_000_000_000_000_000).map(moment)
FACTS = st.builds(
    Fact,
    event_id=GOOD_IDS,
    head=GOOD_IDS,
    relation=GOOD_IDS,
    tail=GOOD_IDS,
    at=TIMES,
    withdrawn=st.booleans(),
)
FEW = st.builds(
    Fact,
    event_id=st.integers(0, 99).map(str),
    head=st.sampled_from("ab"),
    relation=st.sampled_from("rs"),
    tail=st.sampled_from("xy"),
    at=st.integers(1, 4).map(lambda second: moment(second * 1_000_000)),
    withdrawn=st.booleans(),
)
REFUSED: tuple[tuple[str, object], ...] = (
    ("head", ""),
    ("head", None),
    ("head", "null"),
    ("relation", "a\nb"),
    ("relation", "r" * (MAX_RELATION_CHARS + 1)),
    ("tail", 1.5),
    ("tail", "x" * 513),
    ("withdrawn", "yes"),
    ("withdrawn", 1),
    ("at", "tomorrow"),
    ("mood", "good"),
)


def parse(**changed: object) -> Fact:
    return parse_fact({**FACT, **changed}, now=NOW, new_id=lambda: "new")


def test_a_fact_is_parsed_with_the_defaults_of_events() -> None:
    assert parse(event_id=None, tail=7) == Fact(
        event_id="new", head="50", relation="director", tail="7", at=NOW
    )
    assert parse(withdrawn=True, at="2026-01-31").withdrawn


@pytest.mark.parametrize(("field", "value"), REFUSED)
def test_a_wrong_field_is_named(field: str, value: object) -> None:
    with pytest.raises(InvalidRecord) as refused:
        parse(**{field: value})
    assert refused.value.field == field
    stored = json.loads(to_json(fact(1, "a"))) | {field: value}
    with pytest.raises(InvalidRecord) as refused:
        from_json(json.dumps(stored))
    assert refused.value.field == field


@given(made=FACTS)
def test_what_is_written_is_read_back_equal(made: Fact) -> None:
    line = to_json(made)
    assert from_json(line) == made
    assert "\n" not in line


@given(made=st.lists(FACTS, max_size=4))
def test_rows_of_a_segment_are_the_facts(made: list[Fact]) -> None:
    assert records_of(table_of(made, first_seq=1)) == made


@given(made=st.lists(FEW, max_size=12))
def test_the_latest_record_of_each_fact_counts(made: list[Fact]) -> None:
    ordered = sorted(made, key=lambda one: (one.at, one.event_id))
    latest = {key_of(one): (one.at, one.event_id) for one in ordered}
    found = records_of(latest_facts(table_of(made, first_seq=1)))
    assert [key_of(one) for one in found if isinstance(one, Fact)] == sorted(latest)
    assert [(one.at, one.event_id) for one in found] == [latest[key] for key in sorted(latest)]
