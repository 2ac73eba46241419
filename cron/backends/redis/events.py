"""The event log in one Redis stream: for several machines, as durable as Redis' own file.

Three keys share one hash tag, so they are in one slot of a cluster:

    {NAME}       the stream; an entry's id is `position-nonce`, its one field `record` is the JSON
    {NAME}:ids   sorted set, event id → position, of the entries in the stream: finds duplicates,
                 trimmed with the stream
    {NAME}:log   hash: identity (random, from the creation of the log), last (position), trimmed (id
                 of the last trimmed entry), relayed

Positions go 1, 2, 3, … without holes, also over a trim, so a backlog is a difference and a missing
entry is noticed. Each append has a random nonce, which makes a repeated append harmless. It also
distinguishes a record from another one at the same position, which is possible after a crash of a
server that does not write to disk at once. A cursor is `position-nonce@identity`.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import cast

from cron.backends.redis.server import RedisServer
from cron.errors import LogGap
from cron.ports import BATCH_BYTES, START, Appended, Batch, Cursor
from cron.stored_records import batch_of, log_key, read_stored
from cron.urls.redis import RedisUrl
from recommender.records.events import EventLines, LogRecord, to_json

REPLY_TIMEOUT_S = 10.0  # an append of 50,000 records takes half a second
# of one script call; a larger append is several calls in one MULTI, so it is still all or nothing
CHUNK_BYTES = 4 << 20
TRIM_BATCH = 10_000  # takes 10 ms, in which the server answers nobody else
_NOTHING = "0-0"

log = logging.getLogger(__name__)

# ARGV: identity for a new log, nonce, '' or what a relay does with its cursor ('check', 'move'),
# that cursor before and after, then pairs of event id and JSON. Returns the positions in the call
# of the duplicates, or -1 when another relay was faster. An id that is already there with our nonce
# is from an earlier try of this same call. The stream is checked first, since nothing is undone
# when a command fails half-way.
_APPEND = """
local log, stream, ids = KEYS[1], KEYS[2], KEYS[3]
local identity, nonce, relay, before, after = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local state = redis.call('HMGET', log, 'identity', 'last', 'relayed')
if relay ~= '' and (state[3] or '') ~= before then return -1 end
local last = tonumber(state[2] or 0)
local newest = redis.call('XREVRANGE', stream, '+', '-', 'COUNT', 1)[1]
if newest and tonumber(newest[1]:match('^%d+')) > last then
  return redis.error_reply(
    'ERR ' .. stream .. ' holds entries that are not of this log; use another name')
end
if not state[1] then redis.call('HSET', log, 'identity', identity, 'trimmed', '0-0') end
local duplicates = {}
for i = 6, #ARGV, 2 do
  if redis.call('ZADD', ids, 'NX', last + 1, ARGV[i]) == 1 then
    last = last + 1
    redis.call('XADD', stream, string.format('%.0f-%s', last, nonce), 'record', ARGV[i + 1])
  else
    local ours = string.format('%.0f-%s', redis.call('ZSCORE', ids, ARGV[i]), nonce)
    if #redis.call('XRANGE', stream, ours, ours) == 0 then
      duplicates[#duplicates + 1] = (i - 6) / 2
    end
  end
end
redis.call('HSET', log, 'last', string.format('%.0f', last))
if relay == 'move' then redis.call('HSET', log, 'relayed', after) end
return duplicates
"""

# ARGV: first and last entry id, limit, bytes. Returns the state and the entries of one moment, as a
# flat list, which the client parses in half the time. Ends before the third entry or a later one
# that would exceed the bytes (the first may be the reader's own), and reads CHUNK entries at a
# time, which bounds the script's memory. No MULTI: a full server refuses it even for reading, and
# then nothing could be collected to make room.
_LOOK = """
local state = redis.call('HMGET', KEYS[1], 'identity', 'last', 'trimmed')
local flat = {state[1] or '', state[2] or '0', state[3] or '0-0'}
local first, limit, left = ARGV[1], tonumber(ARGV[3]), tonumber(ARGV[4])
while limit > 0 do
  local chunk = redis.call('XRANGE', KEYS[2], first, ARGV[2], 'COUNT', math.min(limit, CHUNK))
  for _, entry in ipairs(chunk) do
    left = left - #entry[2][2]
    if left < 0 and #flat > 5 then return flat end
    flat[#flat + 1] = entry[1]
    flat[#flat + 1] = entry[2][2]
  end
  if #chunk < CHUNK then return flat end
  limit = limit - #chunk
  first = string.format('%.0f', tonumber(chunk[#chunk][1]:match('^%d+')) + 1)
end
return flat
""".replace("CHUNK", "64")

# ARGV: identity, batch, then the readers' entry ids, the one furthest behind first. Trims up to
# that one, at most a batch. Trims nothing unless all are in this log: a reader whose record was
# lost in a crash reads from the start again. Returns 1 when more is left to trim. XTRIM comes
# first: a full server accepts no other command as the first one of a script.
_TRIM = """
local log, stream, ids = KEYS[1], KEYS[2], KEYS[3]
if redis.call('HGET', log, 'identity') ~= ARGV[1] then return 0 end
for i = 3, #ARGV do
  if #redis.call('XRANGE', stream, ARGV[i], ARGV[i]) == 0 then return 0 end
end
local upto = tonumber(ARGV[3]:match('^%d+'))
local first = tonumber(redis.call('XRANGE', stream, '-', '+', 'COUNT', 1)[1][1]:match('^%d+'))
local through = math.min(upto, first + ARGV[2] - 1)
local place = string.format('%.0f', through)
local trimmed = redis.call('XRANGE', stream, place, place)[1][1]
redis.call('XTRIM', stream, 'MINID', string.format('%.0f', through + 1))
redis.call('ZREMRANGEBYSCORE', ids, '-inf', place)
redis.call('HSET', log, 'trimmed', trimmed)
return through < upto and 1 or 0
"""

# ARGV: identity and entry id of a reader's place. Without that entry the place is the end of the
# trimmed records. If the entries after the place are missing, everything up to the next remaining
# entry counts as trimmed, ids included, so a sender may send lost events again. Returns the new
# place, with the log's identity. XTRIM comes first, as above.
_GIVE_UP = """
local log, stream, ids = KEYS[1], KEYS[2], KEYS[3]
local state = redis.call('HMGET', log, 'identity', 'last', 'trimmed')
if not state[1] then return '' end
local is_there = ARGV[1] == state[1] and #redis.call('XRANGE', stream, ARGV[2], ARGV[2]) == 1
local place = is_there and ARGV[2] or state[3]
local position = tonumber(place:match('^%d+'))
local left = redis.call('XRANGE', stream, string.format('%.0f', position + 1), '+', 'COUNT', 1)[1]
local gone = left and tonumber(left[1]:match('^%d+')) - 1 or tonumber(state[2])
if gone > position then
  place = string.format('%.0f-0', gone)
  redis.call('XTRIM', stream, 'MINID', string.format('%.0f', gone + 1))
  redis.call('ZREMRANGEBYSCORE', ids, '-inf', string.format('%.0f', gone))
  redis.call('HSET', log, 'trimmed', place)
end
return place .. '@' .. state[1]
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class _State:
    identity: str  # empty: there is no log yet
    last: int
    trimmed: str


class RedisEventLog:
    """EventLog on a Redis stream; threads, processes and machines may share it.

    Only Freshet writes to it.
    """

    def __init__(self, url: RedisUrl) -> None:
        self._server = RedisServer(url, what="the event log", reply_timeout_s=REPLY_TIMEOUT_S)
        self._where = f"{url.where}?stream={url.name}"
        stream = f"{{{url.name}}}"
        self._keys = (f"{stream}:log", stream, f"{stream}:ids")

    def append(self, records: Sequence[LogRecord]) -> Appended:
        """Store records in one transaction."""
        return self._append_now(_entries(records))

    def append_lines(self, events: EventLines) -> Appended:
        """Store serialised events in one transaction."""
        return self._append_now(list(zip(events.event_ids, events.lines, strict=True)))

    def relay_cursor(self) -> Cursor:
        """Return the other log's cursor up to which a relay has copied it into this one."""
        found = self._server.call("HGET", self._keys[0], "relayed")
        return START if found is None else Cursor(_text(found))

    def relay(
        self, records: Sequence[LogRecord], *, before: Cursor, after: Cursor
    ) -> Appended | None:
        """Append another log's records between two cursors, and store `after`, in one transaction.

        Do nothing and return None when the stored cursor is not `before`: another relay, or an
        earlier try, was faster.
        """
        return self._append(_entries(records), ("move", before, after))

    def read(self, after: Cursor, limit: int) -> Batch:
        """Return at most `limit` records after the cursor, in the order of storing."""
        place = _place(after)
        state, entries = self._look(place or "-", "+", limit + 1)  # the cursor's own entry included
        if after == START and not state.identity and not entries:
            return Batch(records=(), cursor=after)
        if not state.identity or (after != START and _identity(after) != state.identity):
            raise self._gap(after, "none of this log")
        if place and entries and entries[0][0] == place:
            del entries[0]
        elif (place or _NOTHING) != state.trimmed:
            state, place, entries = self._reread(after, state, limit)
        entries = self._without_holes(after, _position(place or _NOTHING), state, entries)[:limit]
        if not entries:
            return Batch(records=(), cursor=after)
        found = [
            read_stored(body, source=f"redis {self._keys[1]} {place}@{state.identity}")
            for place, body in entries
        ]
        return batch_of(found, Cursor(f"{entries[-1][0]}@{state.identity}"))

    def give_up(self, after: Cursor) -> Cursor:
        """Mark the missing records after the cursor, and all before, as trimmed.

        Return the place after them.
        """
        place = _place(after) or _NOTHING
        return Cursor(
            _text(self._server.call("EVAL", _GIVE_UP, 3, *self._keys, _identity(after), place))
        )

    def backlog(self, after: Cursor) -> int:
        """Count the records after the cursor.

        All that are left count when its record belongs to another log, or was lost in a crash.
        """
        place = _place(after)
        state, entries = self._look(place, place, 1) if place else self._look("-", "-", 1)
        is_ours = (
            place is not None
            and _identity(after) == state.identity
            and (bool(entries) or place == state.trimmed)
        )
        return state.last - _position(place if is_ours and place else state.trimmed)

    def trim(self, *before: Cursor) -> None:
        """Delete the records up to and including the earliest of the cursors, in batches.

        Delete nothing unless all cursors belong to this log.
        """
        places = [place for place in map(_place, before) if place is not None]
        identities = set(map(_identity, before))
        if len(places) < len(before) or len(identities) != 1:
            return
        places.sort(key=_position)
        while (
            self._server.call("EVAL", _TRIM, 3, *self._keys, *identities, TRIM_BATCH, *places) == 1
        ):
            pass

    def close(self) -> None:
        """Close all connections."""
        self._server.close()

    def _append_now(self, entries: Sequence[tuple[str, str]]) -> Appended:
        appended = self._append(entries, ("", START, START)) if entries else None
        return appended or Appended(accepted=0, duplicates=())

    def _append(
        self, entries: Sequence[tuple[str, str]], relay: tuple[str, Cursor, Cursor]
    ) -> Appended | None:
        """Store entries, each an event id and a body, and move the relay's cursor."""
        first_places: dict[str, int] = {}
        for place, (event_id, _) in enumerate(entries):
            first_places.setdefault(event_id, place)
        places = list(first_places.values())
        repeated = set(range(len(entries))).difference(places)
        mode, before, after = relay
        identity, nonce = secrets.token_hex(4), secrets.randbits(48)
        calls: list[tuple[str | int, ...]] = []
        starts: list[int] = []
        for start, pairs, is_last in _chunks([entries[place] for place in places]):
            step = mode if is_last or not mode else "check"
            calls.append(
                ("EVAL", _APPEND, 3, *self._keys, identity, nonce, step, before, after, *pairs)
            )
            starts.append(start)
        replies = (
            self._server.transaction(calls) if len(calls) > 1 else [self._server.call(*calls[0])]
        )
        if -1 in replies:
            return None
        known = {
            places[start + number]
            for start, reply in zip(starts, replies, strict=True)
            for number in cast("list[int]", reply)
        }
        duplicates = tuple(sorted(repeated | known))
        return Appended(accepted=len(entries) - len(duplicates), duplicates=duplicates)

    def _reread(
        self, after: Cursor, state: _State, limit: int
    ) -> tuple[_State, str, list[tuple[str, bytes]]]:
        """Return what to read when the cursor's record is missing.

        That is all that is left when the record was lost in a crash. Raise LogGap when it was
        trimmed.
        """
        place = _place(after) or _NOTHING
        if _position(place) <= _position(state.trimmed):
            first = _position(state.trimmed) + 1
            raise self._gap(after, str(first) if state.last >= first else "none")
        # It was read, and then the server crashed before it was on disk. Reading too much is
        # harmless; the entry that has its position now is another one.
        log.warning(
            "the log lost its newest records in a crash; reading it again from the start",
            extra={"log": self._where, "cursor": after},
        )
        state, entries = self._look("-", "+", limit)
        return state, state.trimmed, entries

    def _look(self, first: str, last: str, limit: int) -> tuple[_State, list[tuple[str, bytes]]]:
        """Return the log's state and entries at one moment."""
        flat = cast(
            "list[bytes]",
            self._server.call("EVAL", _LOOK, 2, *self._keys[:2], first, last, limit, BATCH_BYTES),
        )
        state = _State(identity=flat[0].decode(), last=int(flat[1]), trimmed=flat[2].decode())
        return state, [
            (place.decode(), body) for place, body in zip(flat[3::2], flat[4::2], strict=True)
        ]

    def _without_holes(
        self, after: Cursor, position: int, state: _State, entries: list[tuple[str, bytes]]
    ) -> list[tuple[str, bytes]]:
        """Return the entries that follow the position without a hole.

        Raise LogGap when the first one is missing: somebody else has deleted entries.
        """
        whole = [
            entry
            for expected, entry in enumerate(entries, position + 1)
            if _position(entry[0]) == expected
        ]
        if not whole and position != state.last:
            raise self._gap(after, str(_position(entries[0][0])) if entries else "none")
        return whole

    def _gap(self, after: Cursor, earliest: str) -> LogGap:
        return LogGap(log=self._where, cursor=after or "start", earliest=earliest)


def open_log(url: RedisUrl) -> RedisEventLog:
    """Open the log; nothing is sent until it is used."""
    return RedisEventLog(url)


def _entries(records: Sequence[LogRecord]) -> list[tuple[str, str]]:
    return [(log_key(record), to_json(record)) for record in records]


def _chunks(entries: Sequence[tuple[str, str]]) -> Iterator[tuple[int, list[str], bool]]:
    """Split entries into chunks of CHUNK_BYTES.

    Of each: the number of its first entry, its event ids and JSON in turn, whether it is the last.
    """
    start, size_bytes, pairs = 0, 0, list[str]()
    for number, (event_id, body) in enumerate(entries):
        if pairs and size_bytes + len(body) > CHUNK_BYTES:
            yield start, pairs, False
            start, size_bytes, pairs = number, 0, []
        pairs += (event_id, body)
        size_bytes += len(body)
    yield start, pairs, True


def _place(cursor: Cursor) -> str | None:
    """Return the id of the cursor's entry; None for the start and for other logs' cursors."""
    place = cursor.partition("@")[0]
    position, dash, nonce = place.partition("-")
    return place if dash and position.isdigit() and nonce.isdigit() else None


def _identity(cursor: Cursor) -> str:
    return cursor.partition("@")[2]


def _position(place: str) -> int:
    return int(place.partition("-")[0])


def _text(value: object) -> str:
    return cast("bytes", value).decode()
