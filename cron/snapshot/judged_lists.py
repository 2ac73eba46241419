"""The lists of panel users, on which a candidate is compared with the live release.

Nobody was trained on the events of these users, nor on what their lists led to. So what the policy
of a release would have earned from them is estimated on lists that it has not seen.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from cron.epoch import micros, moment
from cron.journal.journal import Journal
from cron.lineage import Range
from cron.past_event import PastEvent
from cron.placement import Placement
from cron.shown_rewards import CLOCK_SLACK_US, EVENT_COLUMNS, join_rewards
from cron.slates import slate_tables
from cron.snapshot.list_questions import list_question
from cron.snapshot.request import JudgedLists, SnapshotRequest
from cron.snapshot.served_lists import MAX_SLATES, SCHEMA, item_rows
from cron.snapshot.timeline import in_ranges
from recommender.config import IMPRESSION

SLATES, QUESTIONS = "judged_slates", "list_questions"
QUESTION_SCHEMA = pa.schema([("recommendation_id", pa.string()), ("question", pa.string())])
_USERS_AT_ONCE = 2_000


def judged_lists(
    journal: Journal, wanted: JudgedLists, request: SnapshotRequest
) -> tuple[pa.Table, pa.Table]:
    """Return the rows of `judged_slates.parquet` and of `list_questions.parquet`.

    Fallbacks and slates without a user are left out. Questions are asked of the newest
    `max_lists` in which something was left to chance. Raise Unavailable, ArtifactMissing or
    ArtifactCorrupt.
    """
    slates = _slates(journal, wanted, request.scored_panel.holds)
    if not slates.num_rows:
        return SCHEMA.empty_table(), QUESTION_SCHEMA.empty_table()
    events = _events(journal, slates, request.excluded)
    rows = item_rows(slates, join_rewards(slates, events, wanted.reward))
    asked = _newest(_with_chance(slates), wanted.max_lists)
    return rows, _questions(journal, asked, wanted.placements, request)


def _slates(journal: Journal, wanted: JudgedLists, is_judged: Callable[[str], bool]) -> pa.Table:
    kept = [slate_tables.SCHEMA.empty_table()]
    for rows in journal.slates.tables_since(wanted.since):
        found = rows.filter(pc.and_(pc.is_valid(rows["user_id"]), pc.invert(rows["fallback"])))
        users = pc.unique(found["user_id"])
        judged = pa.array([one for one in users.to_pylist() if is_judged(one)], pa.string())
        kept.append(found.filter(pc.is_in(found["user_id"], value_set=judged)))
    order = [("user_id", "ascending"), ("at_us", "ascending"), ("event_id", "ascending")]
    return _newest(pa.concat_tables(kept), MAX_SLATES).sort_by(order).combine_chunks()


def _newest(slates: pa.Table, num: int) -> pa.Table:
    order = [("at_us", "descending"), ("event_id", "ascending")]
    return slates.sort_by(order).slice(0, num)


def _with_chance(slates: pa.Table) -> pa.Table:
    """Return the slates in which something was left to chance."""
    least = [
        min((one for one in propensities if one is not None), default=1.0)
        for propensities in slates["propensities"].to_pylist()
    ]
    return slates.filter(pa.array([one < 1.0 for one in least], pa.bool_()))


def _events(journal: Journal, slates: pa.Table, excluded: tuple[Range, ...]) -> pa.Table:
    """Return the events of the slates' users that may be rewards."""
    since_us = pc.min(slates["at_us"]).as_py() - CLOCK_SLACK_US
    users = pc.unique(slates["user_id"])
    first, columns = journal.first_number_since(moment(since_us)), ("kind", "seq", *EVENT_COLUMNS)
    found = [journal.read(1, 0, columns=columns)]
    for records in journal.read_segments(first, journal.last_seq, columns=columns):
        is_wanted = pc.and_(
            pc.equal(records["kind"], "event"), pc.is_in(records["user_id"], value_set=users)
        )
        events = records.filter(pc.and_(is_wanted, pc.greater_equal(records["at_us"], since_us)))
        found.append(events.filter(pa.array(~in_ranges(events["seq"].to_numpy(), excluded))))
    return pa.concat_tables(found)


def _questions(
    journal: Journal,
    slates: pa.Table,
    placements: Mapping[str, Placement],
    request: SnapshotRequest,
) -> pa.Table:
    ids, questions = list[str](), list[str]()
    for part in _parts_of_users(slates.sort_by([("user_id", "ascending"), ("at_us", "ascending")])):
        histories = _histories(journal, part, request)
        for slate in slate_tables.slates_of(part):
            assert slate.user_id is not None  # those without a user were left out
            at_us = micros(slate.at)
            events = [one for one in histories.get(slate.user_id, ()) if one.at_us <= at_us]
            placement = placements.get(slate.placement or "", Placement())
            asked = list_question(slate, placement, events, max_history=request.max_history)
            ids.append(slate.event_id)
            questions.append(json.dumps(asked, separators=(",", ":")))
    return pa.table({"recommendation_id": ids, "question": questions}, schema=QUESTION_SCHEMA)


def _parts_of_users(slates: pa.Table) -> Iterator[pa.Table]:
    """Yield slates in parts of some users each."""
    users = pc.unique(slates["user_id"])
    for start in range(0, len(users), _USERS_AT_ONCE):
        some = users.slice(start, _USERS_AT_ONCE)
        yield slates.filter(pc.is_in(slates["user_id"], value_set=some))


def _histories(
    journal: Journal, slates: pa.Table, request: SnapshotRequest
) -> Mapping[str, Sequence[PastEvent]]:
    """Return the events of the slates' users by user, oldest first, without impressions."""
    users = pc.unique(slates["user_id"]).to_pylist()
    events = journal.by_user.of(users, (1, journal.last_seq))
    events = events.filter(pc.not_equal(events["type"], IMPRESSION))
    events = events.filter(pa.array(~in_ranges(events["seq"].to_numpy(), request.excluded)))
    columns = ("user_id", "at_us", "event_id", "item_id", "type", "rating")
    histories: dict[str, list[PastEvent]] = {}
    for user_id, *values in zip(*(events[name].to_pylist() for name in columns), strict=True):
        histories.setdefault(user_id, []).append(PastEvent(*values))
    return histories
