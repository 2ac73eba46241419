"""Texts about items in the ledger, on each database."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest

from copywriter.brief import Brief
from copywriter.ready_text import ReadyText
from copywriter.verifier.verdict import Violation
from copywriter.writing.verified import RejectedText, VerifiedText
from cron.copy.text_index import TextIndex
from cron.copy_errors import NotEdited, NothingToPin, UnknownCopy
from cron.ledger import (
    accepted_rows,
    copy_cost_rows,
    copy_rows,
    metric_rows,
    wanted_rows,
    writer_rows,
)
from cron.ledger.copy_cost_rows import CopyCost
from cron.ledger.ledger import Ledger, open_ledger
from tests.contracts.ledgers import EMBEDDED, NOW, ON_SERVERS
from tests.film_briefs import film_brief

__all__ = ["EMBEDDED", "ON_SERVERS"]  # read by the suite's fixtures
BLUE, RED = film_brief("Blue Train"), film_brief("Red Boat")
LIE = RejectedText(text="By Bob.", violations=(Violation(rule="names", words="Bob"),))


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ledger(url: str, clock: Clock) -> Iterator[Ledger]:
    """Return a ledger with a live writer, `w1`."""
    opened = open_ledger(url, now=clock)
    writer_rows.add(opened, "w1", name="small")
    writer_rows.set_live(opened, "w1")
    yield opened
    opened.close()


def written_text(brief: Brief, text: str, *rejected: RejectedText) -> VerifiedText:
    return VerifiedText(brief=brief, text=text, source="writer", rejected=rejected)


def template(brief: Brief) -> VerifiedText:
    return VerifiedText(brief=brief, text="T", source="template", rejected=(LIE, LIE))


def shown_texts(ledger: Ledger, *briefs: Brief) -> dict[str, tuple[str, str]]:
    """Return text and source of what is ready, by title."""
    digests = [brief.digest() for brief in briefs]
    found = copy_rows.ready(ledger, digests)
    index = TextIndex(ledger)
    index.refresh()
    assert index.find(digests) == found
    titles = {brief.digest(): str(brief.items[0].title) for brief in briefs}
    return {titles[digest]: (one.text, one.source) for digest, one in found.items()}


def test_the_live_writers_texts_are_ready(ledger: Ledger) -> None:
    copy_rows.store(ledger, "w1", [written_text(BLUE, "A"), template(RED)])
    assert shown_texts(ledger, BLUE, RED) == {"Blue Train": ("A", "writer")}
    assert copy_rows.ready(ledger, []) == {}


def test_another_writer_shows_its_own_texts_at_once(ledger: Ledger) -> None:
    copy_rows.store(ledger, "w1", [written_text(BLUE, "A")])
    writer_rows.add(ledger, "w2", name="large")
    copy_rows.store(ledger, "w2", [written_text(RED, "B")])
    assert shown_texts(ledger, BLUE, RED) == {"Blue Train": ("A", "writer")}
    writer_rows.set_live(ledger, "w2")
    assert shown_texts(ledger, BLUE, RED) == {"Red Boat": ("B", "writer")}
    writer_rows.retire(ledger, "w2")  # rolled back
    assert shown_texts(ledger, BLUE, RED) == {"Blue Train": ("A", "writer")}


def test_what_has_an_outcome_is_not_written_again(ledger: Ledger) -> None:
    unfinished = VerifiedText(brief=RED, text="T", source="template")
    copy_rows.store(ledger, "w1", [template(BLUE), unfinished])
    digests = [BLUE.digest(), RED.digest()]
    assert copy_rows.without_outcome(ledger, "w1", digests) == {RED.digest()}
    assert copy_rows.without_outcome(ledger, "w2", digests) == set(digests)


def test_an_editors_text_survives_every_writer(ledger: Ledger) -> None:
    copy_rows.store(ledger, "w1", [written_text(BLUE, "A"), written_text(RED, "B")])
    copy_rows.decide(ledger, BLUE.digest(), "edit", "Mine.", by="ann")
    copy_rows.decide(ledger, RED.digest(), "pin", None, by="ann")
    writer_rows.add(ledger, "w2", name="large")
    writer_rows.set_live(ledger, "w2")
    copy_rows.store(ledger, "w2", [written_text(BLUE, "C"), written_text(RED, "D")])
    assert shown_texts(ledger, BLUE, RED) == {
        "Blue Train": ("Mine.", "editor"),
        "Red Boat": ("B", "editor"),
    }
    copy_rows.undo(ledger, RED.digest())
    assert shown_texts(ledger, RED) == {"Red Boat": ("D", "writer")}


def test_a_banned_text_is_never_shown(ledger: Ledger) -> None:
    copy_rows.store(ledger, "w1", [written_text(BLUE, "A")])
    copy_rows.decide(ledger, BLUE.digest(), "ban", None, by="ann")
    assert shown_texts(ledger, BLUE) == {}
    copy_rows.store(ledger, "w1", [written_text(BLUE, "Another")])
    assert shown_texts(ledger, BLUE) == {}
    assert copy_rows.without_outcome(ledger, "w2", [BLUE.digest()]) == frozenset()


def test_a_decision_on_an_unknown_brief_is_refused(ledger: Ledger) -> None:
    with pytest.raises(UnknownCopy):
        copy_rows.decide(ledger, "0" * 64, "ban", None, by="ann")
    with pytest.raises(NotEdited):
        copy_rows.undo(ledger, BLUE.digest())
    copy_rows.store(ledger, "w1", [template(BLUE)])
    with pytest.raises(NothingToPin):
        copy_rows.decide(ledger, BLUE.digest(), "pin", None, by="ann")


def test_the_newest_texts_have_their_reasons(ledger: Ledger, clock: Clock) -> None:
    copy_rows.store(ledger, "w1", [written_text(BLUE, "A")])
    clock.now += timedelta(seconds=1)
    copy_rows.store(ledger, "w1", [template(RED)])
    copy_rows.decide(ledger, BLUE.digest(), "edit", "Mine.", by="ann")
    first, second = copy_rows.newest(ledger, 10)
    assert (first.brief, first.text, first.rejected) == (RED, None, (LIE, LIE))
    assert (second.brief, second.action, second.edited_text) == (BLUE, "edit", "Mine.")
    assert [one.brief for one in copy_rows.newest(ledger, 10, only="rejected")] == [RED]
    assert [one.brief for one in copy_rows.newest(ledger, 10, only="edited")] == [BLUE]
    assert copy_rows.brief_of(ledger, BLUE.digest()) == BLUE


def test_old_texts_go_and_edited_ones_stay(ledger: Ledger, clock: Clock) -> None:
    copy_rows.store(ledger, "w1", [written_text(BLUE, "A"), written_text(RED, "B")])
    copy_rows.decide(ledger, BLUE.digest(), "pin", None, by="ann")
    assert copy_rows.delete_old(ledger, NOW) == 0
    assert copy_rows.delete_old(ledger, NOW + timedelta(days=1)) == 1
    assert shown_texts(ledger, BLUE, RED) == {"Blue Train": ("A", "editor")}


def test_broken_rules_are_counted_once_a_text(ledger: Ledger) -> None:
    both = RejectedText(text="Bob 3", violations=(*LIE.violations, *LIE.violations))
    copy_rows.store(ledger, "w1", [written_text(BLUE, "A", both), template(RED)])
    assert copy_cost_rows.by_rule(ledger) == {"names": 3}


def test_cost_is_summed_by_hour(ledger: Ledger, clock: Clock) -> None:
    cost = CopyCost(seconds=2.5, cost=0.25, prompt_tokens=10, output_tokens=3, num_written=1)
    copy_cost_rows.add(ledger, cost)
    copy_cost_rows.add(ledger, CopyCost(seconds=0.5, num_templates=2))
    spent = copy_cost_rows.this_hour(ledger)
    assert (spent.seconds, spent.cost, spent.prompt_tokens) == (3.0, 0.25, 10)
    assert (spent.num_written, spent.num_templates) == (1, 2)
    clock.now += timedelta(hours=1)
    assert copy_cost_rows.this_hour(ledger) == CopyCost()
    assert copy_cost_rows.last_hours(ledger, 2) == spent


def test_shown_texts_are_counted_by_hour(ledger: Ledger, clock: Clock) -> None:
    copy_cost_rows.count_shown(ledger, {"writer": 3, "template": 1})
    copy_cost_rows.count_shown(ledger, {"writer": 2})
    clock.now += timedelta(hours=1)
    copy_cost_rows.count_shown(ledger, {"editor": 1})
    assert copy_cost_rows.shown_in(ledger, 1) == {"editor": 1}
    assert copy_cost_rows.shown_in(ledger, 2) == {"writer": 5, "template": 1, "editor": 1}
    clock.now += timedelta(days=36)
    copy_cost_rows.count_shown(ledger, {"writer": 1})
    assert copy_cost_rows.shown_in(ledger, 24 * 100) == {"writer": 1}
    assert metric_rows.stored_metrics(ledger)[copy_cost_rows.SHOWN + "writer"] == 6


def test_an_editor_decides_before_the_writer(ledger: Ledger) -> None:
    """A brief that still waits for a writer may be edited, and stays in the editor's list."""
    wanted_rows.add(ledger, Counter([BLUE]))
    copy_rows.decide(ledger, BLUE.digest(), "edit", "Mine.", by="ann")
    wanted_rows.delete(ledger, frozenset([BLUE.digest()]))
    (listed,) = copy_rows.newest(ledger, 10, only="edited")
    assert (listed.brief, listed.shown_text, listed.source) == (BLUE, "Mine.", "editor")
    assert (listed.edited_by, listed.rejected) == ("ann", ())


def test_a_decision_is_listed_once_for_all_writers(ledger: Ledger) -> None:
    copy_rows.store(ledger, "w1", [written_text(BLUE, "A")])
    writer_rows.add(ledger, "w2", name="large")
    copy_rows.store(ledger, "w2", [written_text(BLUE, "B")])
    copy_rows.decide(ledger, BLUE.digest(), "ban", None, by="ann")
    (listed,) = copy_rows.newest(ledger, 10, only="edited")
    assert (listed.text, listed.shown_text, listed.source) == ("A", None, "template")


def test_the_most_wanted_come_first(ledger: Ledger, clock: Clock) -> None:
    wanted_rows.add(ledger, Counter({BLUE: 1, RED: 2}))
    wanted_rows.add(ledger, Counter({BLUE: 3}))
    assert wanted_rows.most_wanted(ledger, 10) == (BLUE, RED)
    assert wanted_rows.count(ledger) == 2
    wanted_rows.delete(ledger, frozenset([BLUE.digest()]))
    assert wanted_rows.most_wanted(ledger, 10) == (RED,)
    clock.now += timedelta(days=2)
    wanted_rows.add(ledger, Counter([film_brief(str(number)) for number in range(3)]), keep=3)
    assert RED not in wanted_rows.most_wanted(ledger, 10)
    wanted_rows.delete_old(ledger, clock.now + timedelta(seconds=1))
    assert wanted_rows.count(ledger) == 0


def test_writers_have_versions_and_an_order(ledger: Ledger) -> None:
    assert writer_rows.next_version(ledger) == 1
    writer_rows.add(ledger, "w2", name="large", version=1, archive="copy-1-a.mar", verdict="good")
    assert writer_rows.next_version(ledger) == 2
    live = writer_rows.live(ledger)
    assert live is not None
    assert (live.digest, live.version) == ("w1", None)
    writer_rows.set_live(ledger, "w2")
    writer_rows.set_live(ledger, "w2")
    live = writer_rows.live(ledger)
    assert live is not None
    assert (live.digest, live.archive) == ("w2", "copy-1-a.mar")
    assert {one.digest for one in writer_rows.every(ledger)} == {"w1", "w2"}
    assert copy_rows.ready(ledger, [BLUE.digest()]) == {}


def test_a_ready_text_says_who_wrote_it(ledger: Ledger) -> None:
    copy_rows.store(ledger, "w1", [written_text(BLUE, "A")])
    found = copy_rows.ready(ledger, [BLUE.digest(), RED.digest()])
    assert found == {BLUE.digest(): ReadyText(text="A", source="writer")}


def test_accepted_texts_are_an_editors_or_the_newest(ledger: Ledger, clock: Clock) -> None:
    """Whichever writer wrote them; what is banned or in another language is left out."""
    green, chinese = film_brief("Green Hill"), film_brief("Low Sea", language="zh")
    copy_rows.store(
        ledger, "w1", [written_text(BLUE, "A"), written_text(RED, "B"), template(green)]
    )
    clock.now += timedelta(hours=1)
    writer_rows.add(ledger, "w2", name="large")
    copy_rows.store(ledger, "w2", [written_text(BLUE, "C"), written_text(chinese, "D")])
    assert accepted_of(ledger) == {"Blue Train": "C", "Red Boat": "B"}
    copy_rows.decide(ledger, RED.digest(), "ban", None, by="ann")
    copy_rows.decide(ledger, BLUE.digest(), "edit", "E", by="ann")
    assert accepted_of(ledger) == {"Blue Train": "E"}


def accepted_of(ledger: Ledger) -> dict[str, str]:
    """Return the accepted English texts, by title."""
    found = accepted_rows.accepted_texts(ledger, ("en",))
    return {str(one.brief.items[0].title): one.text for one in found}
