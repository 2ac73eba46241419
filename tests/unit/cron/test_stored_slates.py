"""Slates as the gateway writes them are read fast, and by the same rules as any others."""

from __future__ import annotations

import json
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from cron.ports import Rejected
from cron.stored_records import read_stored
from cron.stored_slates import plain_slate
from recommender.records.events import from_json, to_json
from recommender.records.record_fields import InvalidRecord
from recommender.records.slates import SLATE_FIELDS, Slate
from tests.contracts.records import slate

WRITTEN = replace(
    slate(1, user_id="u-1"),
    items=("i1", "i2", "i3"),
    arm="colours/b",
    session_id="s-1",
    teams=("a", "b", None),
    greedy_ranks=(None, 1, 0),
)
NUMBERS = st.integers() | st.floats() | st.sampled_from([0, 1, True, 0.5, 1e400])
TEXTS = st.text(max_size=8) | st.sampled_from(["null", "i1", "\0", "a\nb", "x" * 65, "1" * 600])
VALUES = st.none() | NUMBERS | TEXTS
LISTS = st.lists(VALUES, min_size=2, max_size=4)


def test_what_the_gateway_writes_is_read_fast() -> None:
    greedy = replace(WRITTEN, arm=None, session_id=None, teams=None, greedy_ranks=None)
    for one in (WRITTEN, greedy, replace(greedy, user_id=None, version=None, scores=None)):
        assert plain_slate(to_json(one).encode()) == one


def test_other_ids_and_other_spacing_are_read_too() -> None:
    other = replace(WRITTEN, items=("日本", "no digit", "i3"))
    assert plain_slate(to_json(other).encode()) is None
    assert read_stored(to_json(other).encode(), source="1") == other
    spaced = json.dumps(json.loads(to_json(WRITTEN)))
    assert read_stored(spaced.encode(), source="1") == WRITTEN


@settings(deadline=None)  # other suites may share the cores
@given(st.sampled_from([*sorted(SLATE_FIELDS), "mood"]), VALUES | LISTS)
def test_a_changed_entry_is_read_by_the_same_rules(name: str, value: object) -> None:
    changed = json.loads(to_json(WRITTEN)) | {name: value}
    text = json.dumps(changed, separators=(",", ":"), ensure_ascii=False)
    expected: Slate | str
    try:
        read = from_json(text)
        assert isinstance(read, Slate)
        expected = read
    except InvalidRecord as error:
        expected = error.reason
    found = read_stored(text.encode(errors="surrogatepass"), source="1")
    assert (found.reason if isinstance(found, Rejected) else found) == expected
