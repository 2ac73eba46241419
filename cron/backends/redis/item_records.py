"""Records of items, facts and counts in Redis, written by gateways and a follower.

They are a projection: they may be deleted, and are then rebuilt from the journal. All keys have one
hash tag, so they are in one slot of a cluster and one script reaches them:

    {NAME}:record-order     hash, item id → (`at`, event id) of its newest record
    {NAME}:record-lines     hash, item id → that record as JSON; a deleted item has none
    {NAME}:record-ids       sorted set of the ids in `record-lines`, all with score 0
    {NAME}:record-first     sorted set, item id → the earliest time of a record, deleted ones too
    {NAME}:fact-order       hash, fact → (`at`, event id) of its newest record
    {NAME}:fact-keys        sorted set of the facts that are not withdrawn, all with score 0
    {NAME}:record-follower  the follower's cursor
    {NAME}:count:BUCKET     sorted set, item id → number of events; it expires

`at` is 16 digits of microseconds, which sort as text until the year 2286. A fact is its head,
relation and tail with NUL between them, which no id contains.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import cast

from cron.backends.redis.server import RedisServer
from cron.epoch import micros, moment
from cron.item_counts import ALL_ITEMS, Bucket, EventCounts, is_kept_until
from cron.known_item import KnownItem
from cron.ports import START, Cursor
from cron.rebuild_marks import new_mark
from cron.urls.redis import RedisUrl
from recommender.records.events import Description, Item, from_json, to_json
from recommender.records.facts import Fact, key_of

REPLY_TIMEOUT_S = 5.0
CHUNK_RECORDS = 2_000  # of one script call of `append`
UNION_LIVES_S = 60  # an interrupted call leaves its sum of buckets behind

# KEYS: order, lines, ids, first, order and keys of facts. ARGV from `at` to `last`: fives of item
# id, microseconds, event id, whether it is deleted, JSON; or of fact, microseconds, event id,
# whether it is withdrawn, and no JSON. Bytes are compared one by one: Lua's own comparison depends
# on the server's locale.
_ADD = """
local function is_later(one, other)
  for i = 1, math.min(#one, #other) do
    if one:byte(i) ~= other:byte(i) then return one:byte(i) > other:byte(i) end
  end
  return #one > #other
end
local function add_fact(i)
  local fact, order = ARGV[i], ARGV[i + 1] .. '\\0' .. ARGV[i + 2]
  local known = redis.call('HGET', KEYS[5], fact)
  if known and not is_later(order, known) then return end
  redis.call('HSET', KEYS[5], fact, order)
  if ARGV[i + 3] == '1' then
    redis.call('ZREM', KEYS[6], fact)
  else
    redis.call('ZADD', KEYS[6], 0, fact)
  end
end
local function add_item(i)
  local id, order = ARGV[i], ARGV[i + 1] .. '\\0' .. ARGV[i + 2]
  redis.call('ZADD', KEYS[4], 'LT', ARGV[i + 1], id)
  local known = redis.call('HGET', KEYS[1], id)
  if not known or is_later(order, known) then
    redis.call('HSET', KEYS[1], id, order)
    if ARGV[i + 3] == '1' then
      redis.call('HDEL', KEYS[2], id)
      redis.call('ZREM', KEYS[3], id)
    else
      redis.call('HSET', KEYS[2], id, ARGV[i + 4])
      redis.call('ZADD', KEYS[3], 0, id)
    end
  end
end
local function add(at, last)
  for i = at, last, 5 do
    if ARGV[i]:find('\\0', 1, true) then add_fact(i) else add_item(i) end
  end
end
"""
_APPEND = _ADD + "add(1, #ARGV)"

# KEYS: as above, the follower's, one per bucket. ARGV: the cursor expected, the new cursor, the
# number of arguments of records, these, and for each bucket: its expiry, the number of items, pairs
# of number and item id. Returns whether the cursor was as expected, or is at the new one.
_FOLLOW = (
    _ADD
    + """
local place = redis.call('GET', KEYS[7]) or ''
if place == ARGV[2] then return 1 end
if place ~= ARGV[1] then return 0 end
local at = 4 + ARGV[3]
add(4, at - 1)
for key = 8, #KEYS do
  local last = at + 1 + 2 * ARGV[at + 1]
  for i = at + 2, last, 2 do redis.call('ZINCRBY', KEYS[key], ARGV[i], ARGV[i + 1]) end
  redis.call('EXPIREAT', KEYS[key], ARGV[at])
  at = last + 1
end
redis.call('SET', KEYS[7], ARGV[2])
return 1
"""
)

# KEYS: the follower's, those to delete. ARGV: the rebuild's mark. Another rebuild's stay.
_UNLINK = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
for key = 2, #KEYS do redis.call('UNLINK', KEYS[key]) end
return 1
"""

Argument = str | int


class RedisItemRecords:
    """Item records in Redis; threads, processes and machines may share them."""

    def __init__(self, url: RedisUrl) -> None:
        self._server = RedisServer(url, what="the store of items", reply_timeout_s=REPLY_TIMEOUT_S)
        self._prefix = f"{{{url.name}}}:"
        self._order, self._lines = self._prefix + "record-order", self._prefix + "record-lines"
        self._ids, self._first = self._prefix + "record-ids", self._prefix + "record-first"
        self._follower = self._prefix + "record-follower"
        self._fact_order, self._facts = self._prefix + "fact-order", self._prefix + "fact-keys"
        item_keys = (self._order, self._lines, self._ids, self._first)
        self._record_keys = (*item_keys, self._fact_order, self._facts)

    def append(self, records: Sequence[Description]) -> None:
        """Add records of items and facts, some at a time."""
        for start in range(0, len(records), CHUNK_RECORDS):
            chunk = records[start : start + CHUNK_RECORDS]
            self._server.call("EVAL", _APPEND, 6, *self._record_keys, *_arguments(chunk))

    def follow(
        self, records: Sequence[Description], counts: EventCounts, *, after: Cursor, cursor: Cursor
    ) -> bool:
        """Add records and counts and move the cursor, unless it is not at `after`.

        A call that is made again after a lost answer finds the cursor at `cursor`, and is done.
        """
        added = _arguments(records)
        by_bucket: dict[Bucket, list[Argument]] = {}
        for (bucket, item_id), num in counts.numbers.items():
            by_bucket.setdefault(bucket, []).extend((num, item_id))
        arguments: list[Argument] = [after, cursor, len(added), *added]
        for bucket, pairs in by_bucket.items():
            arguments += (is_kept_until(bucket), len(pairs) // 2, *pairs)
        keys = (*self._record_keys, self._follower, *map(self._bucket_key, by_bucket))
        return self._server.call("EVAL", _FOLLOW, len(keys), *keys, *arguments) == 1

    def find(self, item_ids: Sequence[str]) -> Mapping[str, KnownItem]:
        """Return the items with these ids."""
        return {item.record.item_id: item for item in self._items(item_ids)}

    def revisions_at_once(self, item_ids: Sequence[str]) -> None:
        """Return None: the answer comes over the network."""

    def facts(
        self, heads: Sequence[str], *, relation: str | None = None, limit: int
    ) -> Mapping[str, tuple[Fact, ...]]:
        """Return the first facts of these heads, by relation and tail."""
        if not heads:
            return {}
        of_relation = "" if relation is None else f"\0{relation}"
        starts = [f"{head}{of_relation}" for head in heads]
        replies = self._server.transaction(
            [
                ("ZRANGEBYLEX", self._facts, f"[{start}\0", f"({start}\1", "LIMIT", 0, limit)
                for start in starts
            ]
        )
        keys = {head: _texts(reply) for head, reply in zip(heads, replies, strict=True)}
        every = [key for of_head in keys.values() for key in of_head]
        if not every:
            return {}
        orders = self._server.call("HMGET", self._fact_order, *every)
        found = dict(zip(every, cast("Sequence[bytes | None]", orders), strict=True))
        facts = {head: _facts(of_head, found) for head, of_head in keys.items()}
        return {head: of_head for head, of_head in facts.items() if of_head}

    def by_id(self, *, after: str, limit: int) -> tuple[KnownItem, ...]:
        """Return the next items after an id, by id."""
        first = f"({after}" if after else "-"
        ids = self._server.call("ZRANGEBYLEX", self._ids, first, "+", "LIMIT", 0, limit)
        return self._items(_texts(ids))

    def newest(self, *, before: tuple[datetime, str] | None, limit: int) -> tuple[KnownItem, ...]:
        """Return the next items before a (first time, id), the newest first."""
        found: list[KnownItem] = []
        for ids in self._ids_before(before, at_once=limit):
            found += self._items(ids)
            if len(found) >= limit:
                break
        return tuple(found[:limit])

    def most_counted(self, buckets: Sequence[Bucket], *, limit: int) -> tuple[tuple[str, int], ...]:
        """Return the ids with most events in some buckets and their numbers, the largest first."""
        if not buckets:
            return ()
        union = f"{self._prefix}count-union:{secrets.token_hex(8)}"
        replies = self._server.transaction(
            [
                ("ZUNIONSTORE", union, len(buckets), *map(self._bucket_key, buckets)),
                ("EXPIRE", union, UNION_LIVES_S),
                # one more than the limit, because of the total
                ("ZREVRANGE", union, 0, limit, "WITHSCORES"),
                ("UNLINK", union),
            ]
        )
        ordered = sorted(_score_pairs(replies[2]), key=lambda one: (-one[1], one[0]))
        return tuple(one for one in ordered if one[0] != ALL_ITEMS)[:limit]

    def sums(self, item_ids: Sequence[str], buckets: Sequence[Bucket]) -> Mapping[str, int]:
        """Return the number of events in some buckets, of each of the ids that has any."""
        if not item_ids or not buckets:
            return {}
        replies = self._server.transaction(
            [("ZMSCORE", self._bucket_key(bucket), *item_ids) for bucket in buckets]
        )
        found = dict.fromkeys(item_ids, 0)
        for reply in replies:
            for item_id, num in zip(item_ids, cast("Sequence[object]", reply), strict=True):
                found[item_id] += 0 if num is None else int(float(cast("str | bytes | float", num)))
        return {item_id: num for item_id, num in found.items() if num}

    def cursor(self) -> Cursor:
        """Return the follower's place in the log."""
        found = cast("bytes | None", self._server.call("GET", self._follower))
        return START if found is None else Cursor(found.decode())

    def clear(self) -> Cursor:
        """Delete everything, unless another rebuild begins meanwhile.

        The mark is stored first, so that an interrupted clearing is done again.
        """
        mark = new_mark()
        self._server.transaction([("SET", self._follower, mark), ("UNLINK", *self._record_keys)])
        for keys in self._server.keys_like(f"{self._prefix}count*"):
            num_keys = len(keys) + 1
            self._server.call("EVAL", _UNLINK, num_keys, self._follower, *keys, mark)
        return mark

    def close(self) -> None:
        """Close all connections."""
        self._server.close()

    def _bucket_key(self, bucket: Bucket) -> str:
        return f"{self._prefix}count:{bucket}"

    def _items(self, item_ids: Sequence[str]) -> tuple[KnownItem, ...]:
        """Return the items with these ids, in this order, without deleted and unknown ones."""
        if not item_ids:
            return ()
        lines, firsts = self._server.transaction(
            [("HMGET", self._lines, *item_ids), ("ZMSCORE", self._first, *item_ids)]
        )
        found = []
        both = zip(
            cast("Sequence[bytes | None]", lines), cast("Sequence[object]", firsts), strict=True
        )
        for line, first_us in both:
            if line is None or first_us is None:
                continue
            record = from_json(line.decode())
            assert isinstance(record, Item)
            first_at = moment(int(float(cast("bytes | float", first_us))))
            found.append(KnownItem(record=record, first_at=first_at))
        return tuple(found)

    def _ids_before(
        self, before: tuple[datetime, str] | None, *, at_once: int
    ) -> Iterator[Sequence[str]]:
        """Yield the ids before a (first time, id), the newest first, deleted ones included."""
        last = "+inf" if before is None else str(micros(before[0]))
        offset = 0
        while True:
            reply = self._server.call(
                "ZREVRANGEBYSCORE",
                self._first,
                last,
                "-inf",
                "WITHSCORES",
                "LIMIT",
                offset,
                at_once,
            )
            scored = _score_pairs(reply)
            if not scored:
                return
            order = [(moment(first_us), item_id) for item_id, first_us in scored]
            yield [one[1] for one in order if before is None or one < before]
            offset += len(scored)


def open_item_records(url: RedisUrl) -> RedisItemRecords:
    """Open the item records; nothing is sent until they are used."""
    return RedisItemRecords(url)


def _facts(keys: Sequence[str], orders: Mapping[str, bytes | None]) -> tuple[Fact, ...]:
    """Return facts by their keys; one that was deleted meanwhile is left out."""
    found = []
    for key in keys:
        order = orders[key]
        if order is None:
            continue
        head, relation, tail = key.split("\0")
        at_us, _, event_id = order.decode().partition("\0")
        at = moment(int(at_us))
        found.append(Fact(event_id=event_id, head=head, relation=relation, tail=tail, at=at))
    return tuple(found)


def _arguments(records: Sequence[Description]) -> list[Argument]:
    arguments: list[Argument] = []
    for record in records:
        if isinstance(record, Fact):
            fact, at = "\0".join(key_of(record)), f"{micros(record.at):016}"
            arguments += (fact, at, record.event_id, int(record.withdrawn), "")
            continue
        at, line = f"{micros(record.at):016}", "" if record.deleted else to_json(record)
        arguments += (record.item_id, at, record.event_id, int(record.deleted), line)
    return arguments


def _texts(reply: object) -> list[str]:
    return [text.decode() for text in cast("Sequence[bytes]", reply)]


def _score_pairs(reply: object) -> list[tuple[str, int]]:
    """Return a reply WITHSCORES, which has ids and scores in turn."""
    flat = cast("Sequence[bytes]", reply)
    return [
        (item_id.decode(), int(float(score)))
        for item_id, score in zip(flat[::2], flat[1::2], strict=True)
    ]
