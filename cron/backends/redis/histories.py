"""Histories in Redis, written by gateways and a follower on several machines at once.

They are a projection: they may be deleted, and are then rebuilt from the journal. All keys have one
hash tag, so they are in one slot of a cluster and one transaction reaches them:

    {NAME}:user:USER_ID   hash, event id → `at`, item id, type, rating; about the newest 1,000
    {NAME}:marks          hash, user key → `at` up to which a forgotten user's events stay out
    {NAME}:items          hash, item id → (`at`, event id) of its newest record
    {NAME}:hidden         set of the hidden items' ids
    {NAME}:follower       the follower's cursor

A hash, not a sorted set: an event is stored once by its id even when a repeat differs otherwise,
and in less memory. `recent` sorts what it reads. `at` is 16 digits of microseconds, which sort as
text until the year 2286. Fields are joined by NUL, which no record contains.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import cast

from cron.backends.redis.server import RedisServer
from cron.epoch import micros, moment
from cron.past_event import EventRow, PastEvent, event_row
from cron.ports import START, Cursor
from cron.urls.redis import RedisUrl
from cron.user_keys import hash_without_key
from recommender.records.events import Event, Item, Record

REPLY_TIMEOUT_S = 5.0  # a shop's page waits this long for a history, then goes on without it
# per user; the longest history that a tower reads is far shorter, and `exclude_seen` needs this
# many
KEPT_EVENTS = 1000
# the excess at which the oldest are deleted: pruning reads the whole history, too much to do at
# each event
SLACK_EVENTS = 100
CHUNK_EVENTS = 5_000  # of one script call; a transaction has several calls
PRUNE_USERS = 50  # read at a time, some megabytes

# KEYS: marks, then one per user. ARGV: the length from which to prune, then for each user: key,
# number of events, pairs of event id and value. Returns the indices of the users to prune.
_ADD_EVENTS = """
local full, at = {}, 2
for key = 2, #KEYS do
  local forgotten = tonumber(redis.call('HGET', KEYS[1], ARGV[at]) or 0)
  local last = at + 1 + 2 * ARGV[at + 1]
  for i = at + 2, last, 2 do
    if tonumber(ARGV[i + 1]:sub(1, 16)) > forgotten then
      redis.call('HSETNX', KEYS[key], ARGV[i], ARGV[i + 1])
    end
  end
  if redis.call('HLEN', KEYS[key]) > tonumber(ARGV[1]) then full[#full + 1] = key - 2 end
  at = last + 1
end
return full
"""

# KEYS: items, hidden. ARGV: triples of item id, (`at`, event id), whether it is hidden. Bytes are
# compared one by one: Lua's own comparison depends on the server's locale.
_ADD_ITEMS = """
local function is_later(one, other)
  for i = 1, math.min(#one, #other) do
    if one:byte(i) ~= other:byte(i) then return one:byte(i) > other:byte(i) end
  end
  return #one > #other
end
for i = 1, #ARGV, 3 do
  local known = redis.call('HGET', KEYS[1], ARGV[i])
  if not known or is_later(ARGV[i + 1], known) then
    redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1])
    redis.call(ARGV[i + 2] == '1' and 'SADD' or 'SREM', KEYS[2], ARGV[i])
  end
end
"""

# KEYS: marks, the user's. ARGV: user key, `at`. The mark never moves back, and covers events with
# times ahead of our clock. The deletion comes first: a full server accepts no other command as the
# first one of a script. Returns the mark.
_FORGET = """
local mark = math.max(tonumber(ARGV[2]), tonumber(redis.call('HGET', KEYS[1], ARGV[1]) or 0))
for _, value in ipairs(redis.call('HVALS', KEYS[2])) do
  mark = math.max(mark, tonumber(value:sub(1, 16)))
end
redis.call('UNLINK', KEYS[2])
redis.call('HSET', KEYS[1], ARGV[1], string.format('%.0f', mark))
return string.format('%.0f', mark)
"""

# KEYS: marks. ARGV: pairs of user key and `at`.
_KEEP_OUT = """
for i = 1, #ARGV, 2 do
  local mark = math.max(tonumber(ARGV[i + 1]), tonumber(redis.call('HGET', KEYS[1], ARGV[i]) or 0))
  redis.call('HSET', KEYS[1], ARGV[i], string.format('%.0f', mark))
end
"""

# One text instead of thousands of replies, which the client parses in a tenth of the time.
_ALL_EVENTS = "return table.concat(redis.call('HGETALL', KEYS[1]), '\\0')"

Command = tuple[str | int, ...]


class RedisHistories:
    """Histories in Redis; threads, processes and machines may share them."""

    def __init__(self, url: RedisUrl, user_key: Callable[[str], str] = hash_without_key) -> None:
        self._user_key_of = user_key
        self._has_old_marks = True
        self._server = RedisServer(url, what="the history store", reply_timeout_s=REPLY_TIMEOUT_S)
        self._prefix = f"{{{url.name}}}:"

    def append(self, records: Sequence[Record], *, cursor: Cursor | None = None) -> None:
        """Add records and move the cursor in one transaction; then prune long histories."""
        rows: list[EventRow] = []
        items: dict[str, tuple[str, bool]] = {}
        for record in records:
            if isinstance(record, Item):
                newest = (f"{_micros(record.at)}\0{record.event_id}", record.hidden)
                items[record.item_id] = max(items.get(record.item_id, newest), newest)
            elif isinstance(record, Event):
                rows.append(event_row(record))
        self._append(rows, items, cursor)

    def append_rows(
        self,
        rows: Sequence[EventRow],
        *,
        through: Cursor | None = None,  # noqa: ARG002
    ) -> None:
        """Add events that are rows already, in one transaction; then prune long histories."""
        self._append(rows, {}, None)

    def _append(
        self,
        rows: Iterable[EventRow],
        items: Mapping[str, tuple[str, bool]],
        cursor: Cursor | None,
    ) -> None:
        users: dict[str, list[str]] = {}
        for row in rows:
            if row[4] != "impression":
                users.setdefault(row[0], []).extend((row[1], _value(row)))
        chunks = list(_chunks(users))
        commands: list[Command] = [self._add_events(chunk, users) for chunk in chunks]
        if items:
            triples = [
                argument
                for item_id, (order, hidden) in items.items()
                for argument in (item_id, order, int(hidden))
            ]
            commands.append(
                ("EVAL", _ADD_ITEMS, 2, self._key("items"), self._key("hidden"), *triples)
            )
        if cursor is not None:
            commands.append(("SET", self._key("follower"), cursor))
        if not commands:
            return
        self._hash_old_marks()
        replies = self._server.transaction(commands)
        self._prune(
            [
                chunk[number]
                for chunk, full in zip(chunks, replies, strict=False)
                for number in cast("list[int]", full)
            ]
        )

    def recent(self, user_id: str, n: int) -> tuple[Event, ...]:
        """Return the user's newest n events, newest last; one round trip."""
        return tuple(past.of_user(user_id) for past in self.past(user_id, n))

    def past(self, user_id: str, n: int) -> tuple[PastEvent, ...]:
        """Return the user's newest n events as plain values, newest last; one round trip."""
        joined = cast("bytes", self._server.call("EVAL", _ALL_EVENTS, 1, self._user_key(user_id)))
        if not joined or n <= 0:
            return ()
        fields = joined.decode().split("\0")  # event id, at, item id, type, rating, and so on
        order = sorted(zip(fields[1::5], fields[0::5], range(0, len(fields), 5), strict=True))
        return tuple(_past_event(*fields[place : place + 5]) for _, _, place in order[-n:])

    def past_at_once(self, user_id: str, n: int) -> None:
        """Return None: the answer comes over the network."""

    def forget(self, user_id: str, *, at: datetime) -> datetime:
        """Delete everything about a user; return, and store, up to when their events stay out."""
        self._hash_old_marks()
        keys = (self._key("marks"), self._user_key(user_id))
        return _moment(
            self._server.call("EVAL", _FORGET, 2, *keys, self._user_key_of(user_id), _micros(at))
        )

    def forgotten(self) -> dict[str, datetime]:
        """Return, by user key, the time up to which forgotten users' events stay out."""
        self._hash_old_marks()
        marks = cast("dict[bytes, bytes]", self._server.call("HGETALL", self._key("marks")))
        return {user_key.decode(): _moment(at) for user_key, at in marks.items()}

    def keep_out(self, forgotten: Mapping[str, datetime]) -> None:
        """Store the times up to which forgotten users' events stay out."""
        marks = [(user_key, _micros(at)) for user_key, at in forgotten.items()]
        for start in range(0, len(marks), CHUNK_EVENTS):
            chunk = [text for mark in marks[start : start + CHUNK_EVENTS] for text in mark]
            self._server.call("EVAL", _KEEP_OUT, 1, self._key("marks"), *chunk)

    def hidden(self) -> frozenset[str]:
        """Return the ids of the items that must not be recommended now."""
        return frozenset(
            item_id.decode()
            for item_id in cast(
                "Iterable[bytes]", self._server.call("SMEMBERS", self._key("hidden"))
            )
        )

    def hidden_among(self, item_ids: Sequence[str]) -> frozenset[str]:
        """Return those of the ids that must not be recommended now; one round trip."""
        if not item_ids:
            return frozenset()
        marks = cast(
            "Sequence[int]", self._server.call("SMISMEMBER", self._key("hidden"), *item_ids)
        )
        return frozenset(item_id for item_id, mark in zip(item_ids, marks, strict=True) if mark)

    def hidden_at_once(self, item_ids: Sequence[str]) -> None:
        """Return None: the answer comes over the network."""

    def cursor(self) -> Cursor:
        """Return the follower's place in the log."""
        found = cast("bytes | None", self._server.call("GET", self._key("follower")))
        return START if found is None else Cursor(found.decode())

    def clear(self) -> None:
        """Delete everything except who was forgotten.

        The cursor goes first, so that an interrupted clearing is done again.
        """
        self._server.call("UNLINK", self._key("follower"), self._key("items"), self._key("hidden"))
        for keys in self._server.keys_like(f"{self._prefix}user:*"):
            self._server.call("UNLINK", *keys)

    def close(self) -> None:
        """Close all connections."""
        self._server.close()

    def _hash_old_marks(self) -> None:
        """Hash the marks of an earlier Freshet, which stored the ids; once per process."""
        if not self._has_old_marks:
            return
        old = cast("dict[bytes, bytes]", self._server.call("HGETALL", self._key("forgotten")))
        if old:
            self.keep_out(
                {self._user_key_of(user_id.decode()): _moment(at) for user_id, at in old.items()}
            )
            self._server.call("UNLINK", self._key("forgotten"))
        self._has_old_marks = False

    def _key(self, name: str) -> str:
        return self._prefix + name

    def _user_key(self, user_id: str) -> str:
        return f"{self._prefix}user:{user_id}"

    def _add_events(self, user_ids: Sequence[str], users: dict[str, list[str]]) -> Command:
        arguments: list[str | int] = [KEPT_EVENTS + SLACK_EVENTS]
        for user_id in user_ids:
            arguments += (self._user_key_of(user_id), len(users[user_id]) // 2, *users[user_id])
        keys = [self._key("marks"), *map(self._user_key, user_ids)]
        return ("EVAL", _ADD_EVENTS, len(keys), *keys, *arguments)

    def _prune(self, user_ids: Sequence[str]) -> None:
        """Delete all but the newest events.

        Events added meanwhile are newer than the deleted ones, or are deleted the next time.
        """
        for start in range(0, len(user_ids), PRUNE_USERS):
            keys = [self._user_key(user_id) for user_id in user_ids[start : start + PRUNE_USERS]]
            histories = cast(
                "list[dict[bytes, bytes]]",
                self._server.transaction([("HGETALL", key) for key in keys]),
            )
            deletions: list[tuple[str | bytes, ...]] = []
            for key, history in zip(keys, histories, strict=True):
                order = sorted((value[:16], event_id) for event_id, value in history.items())
                if len(order) > KEPT_EVENTS:
                    deletions.append(
                        ("HDEL", key, *(event_id for _, event_id in order[:-KEPT_EVENTS]))
                    )
            if deletions:
                self._server.transaction(deletions)


def open_histories(
    url: RedisUrl, user_key: Callable[[str], str] = hash_without_key
) -> RedisHistories:
    """Open the histories; nothing is sent until they are used."""
    return RedisHistories(url, user_key)


def _chunks(users: dict[str, list[str]]) -> Iterator[list[str]]:
    """Split users into groups with about CHUNK_EVENTS events."""
    group, num_events = list[str](), 0
    for user_id, pairs in users.items():
        group.append(user_id)
        num_events += len(pairs) // 2
        if num_events >= CHUNK_EVENTS:
            yield group
            group, num_events = [], 0
    if group:
        yield group


def _micros(at: datetime) -> str:
    return f"{micros(at):016}"


def _moment(at: object) -> datetime:
    return moment(int(cast("bytes", at)))


def _value(row: EventRow) -> str:
    _, _, at_us, item_id, type_, rating = row
    shown = "" if rating is None else repr(rating)
    return f"{at_us:016}\0{item_id}\0{type_}\0{shown}"


def _past_event(event_id: str, at: str, item_id: str, type_: str, rating: str) -> PastEvent:
    return PastEvent(
        at_us=int(at),
        event_id=event_id,
        item_id=item_id,
        type=type_,
        rating=float(rating) if rating else None,
    )
