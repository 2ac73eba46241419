"""The calls of the gateway as values: what to send, and how to read the answer.

Nothing here sends anything. The two clients do, in the same way for every call.
"""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Callable, Generic, Optional, TypeVar, Union
from urllib.parse import quote

from freshet_client import answers
from freshet_client.copy_texts import CopyText, CopyTextList, DecidedCopy
from freshet_client.decoding import WrongAnswer, decode
from freshet_client.errors import Refused, Unavailable
from freshet_client.questions import (
    CopyDecision,
    CopyQuestion,
    Filter,
    Id,
    ItemChange,
    PictureQuestion,
    Question,
)
from freshet_client.records import (
    MAX_CALL_RECORDS,
    Event,
    Fact,
    Item,
    Record,
    chunks,
    record_line,
    to_json,
)
from freshet_client.status import Status

Answer = TypeVar("Answer")
Answer_co = TypeVar("Answer_co", covariant=True)

Names = Optional[Sequence[str]]  # of attributes to return with each item
Texts = Optional[str]  # the language of a text to return with each item; None: no texts

NDJSON = "application/x-ndjson"
GZIP_ABOVE_BYTES = 16 * 1024  # a smaller body is sent sooner than it is packed
QUESTIONS_A_CALL = 256  # few enough that the first answers come soon, and memory stays small
# what GET takes
_SIMPLE = {"user_id", "k", "exclude_seen", "placement", "copy", "language"}


@dataclass(frozen=True)
class Call(Generic[Answer_co]):
    """One call: `path` is quoted, and `parse` reads the body of its answer.

    `refused` returns the answer that a refusal of the body stands for, where it is no error.
    """

    method: str
    path: str
    parse: Callable[[bytes], Answer_co]
    params: Mapping[str, Union[str, list[str]]] = field(default_factory=dict)
    content: Optional[bytes] = None
    headers: Mapping[str, str] = field(default_factory=dict)
    refused: Optional[Callable[[Refused], Answer_co]] = None


def recommend(question: Question) -> Call[answers.Recommendations]:
    """Recommend items. A simple question is a GET, which proxies log with its user."""
    asked = {name: value for name, value in question.items() if value is not None}
    parse = _reader(answers.Recommendations)
    if "user_id" not in asked or asked.keys() - _SIMPLE:
        return _with_body(Call("POST", "/v1/recommendations", parse), to_json(asked))
    path = f"/v1/recommendations/{_quote(asked.pop('user_id'))}"
    return Call("GET", path, parse, _params(asked))


def recommend_many(
    questions: Iterable[Question],
) -> Iterator[Call[tuple[answers.ListOrError, ...]]]:
    """Yield calls that ask some of the questions each, in their order."""
    for lines in chunks(map(to_json, questions), max_lines=QUESTIONS_A_CALL):
        num = len(lines)
        call = Call("POST", "/v1/recommendations", _lists_reader(num), refused=_error_for_each(num))
        yield _with_body(call, b"\n".join(lines), NDJSON)


def write_copy(question: CopyQuestion) -> Call[answers.WrittenCopy]:
    """Write a text about items."""
    asked = {name: value for name, value in question.items() if value is not None}
    call = Call("POST", "/v1/copy", _reader(answers.WrittenCopy))
    return _with_body(call, to_json(asked))


def copy_texts(only: str, k: int) -> Call[CopyTextList]:
    """List texts about items."""
    params = _params({"only": only, "k": k})
    return Call("GET", "/v1/copy/texts", _reader(CopyTextList), params)


def copy_text(digest: str) -> Call[CopyText]:
    """Read what is shown for a brief."""
    return Call("GET", f"/v1/copy/texts/{_quote(digest)}", _reader(CopyText))


def decide_copy(digest: str, decision: CopyDecision) -> Call[DecidedCopy]:
    """Pin, edit or ban a text."""
    call = Call("PUT", f"/v1/copy/texts/{_quote(digest)}", _reader(DecidedCopy))
    return _with_body(call, to_json(decision))


def undo_copy(digest: str) -> Call[DecidedCopy]:
    """Delete what an editor decided."""
    return Call("DELETE", f"/v1/copy/texts/{_quote(digest)}", _reader(DecidedCopy))


def search(
    q: str,
    user_id: Optional[Id],
    k: int,
    filter_: Optional[Filter],
    attributes: Names,
    texts: Texts,
) -> Call[answers.FoundItems]:
    """Find items by words."""
    user = None if user_id is None else str(user_id)
    params = _params({"q": q, "user_id": user, "k": k, "filter": filter_, "attributes": attributes})
    params |= _text_params(texts)
    return Call("GET", "/v1/search", _reader(answers.FoundItems), params)


def similar(
    item_id: Id,
    by: str,
    k: int,
    filter_: Optional[Filter],
    attributes: Names,
    texts: Texts,
) -> Call[answers.SimilarItems]:
    """List the items similar to one."""
    path = f"/v1/items/{_quote(item_id)}/similar"
    params = _params({"by": by, "k": k, "filter": filter_, "attributes": attributes})
    params |= _text_params(texts)
    return Call("GET", path, _reader(answers.SimilarItems), params)


def similar_to_picture(
    picture: bytes, k: int, filter_: Optional[Filter], attributes: Names
) -> Call[answers.LookAlikes]:
    """List the items whose pictures look most like one."""
    body: PictureQuestion = {"picture": base64.b64encode(picture).decode(), "k": k}
    body["filter"], body["attributes"] = filter_, attributes
    return _with_body(Call("POST", "/v1/similar", _reader(answers.LookAlikes)), to_json(body))


def pictures(item_ids: Sequence[Id]) -> Call[answers.Pictures]:
    """Read where the thumbnails of items are."""
    params = _params({"item_id": [str(item_id) for item_id in item_ids]})
    return Call("GET", "/v1/pictures", _reader(answers.Pictures), params)


def popular(
    window: Optional[str], k: int, filter_: Optional[Filter], attributes: Names, texts: Texts
) -> Call[answers.PopularItems]:
    """List popular items, of a window or of all time."""
    params = _params({"window": window, "k": k, "filter": filter_, "attributes": attributes})
    params |= _text_params(texts)
    return Call("GET", "/v1/popular", _reader(answers.PopularItems), params)


def trending(
    window: str, k: int, filter_: Optional[Filter], attributes: Names, texts: Texts
) -> Call[answers.TrendingItems]:
    """List the items whose share of the events grew."""
    params = _params({"window": window, "k": k, "filter": filter_, "attributes": attributes})
    params |= _text_params(texts)
    return Call("GET", "/v1/trending", _reader(answers.TrendingItems), params)


def new(
    k: int, filter_: Optional[Filter], attributes: Names, texts: Texts
) -> Call[answers.NewItems]:
    """List the newest items."""
    params = _params({"k": k, "filter": filter_, "attributes": attributes}) | _text_params(texts)
    return Call("GET", "/v1/new", _reader(answers.NewItems), params)


def item(item_id: Id) -> Call[answers.StoredItem]:
    """Read one item."""
    return Call("GET", f"/v1/items/{_quote(item_id)}", _reader(answers.StoredItem))


def items(
    filter_: Optional[Filter], limit: int, cursor: Optional[str]
) -> Call[answers.Page[answers.StoredItem]]:
    """Read a page of items."""
    params = _params({"filter": filter_, "limit": limit, "cursor": cursor})

    def parse(content: bytes) -> answers.Page[answers.StoredItem]:
        page = _read(answers.ItemsPage, content)
        return answers.Page(page.items, page.next_cursor)

    return Call("GET", "/v1/items", parse, params)


def change_item(item_id: Id, change: ItemChange) -> Call[answers.StoredItem]:
    """Change some fields of an item."""
    call = Call("PATCH", f"/v1/items/{_quote(item_id)}", _reader(answers.StoredItem))
    return _with_body(call, to_json(change))


def delete_item(item_id: Id) -> Call[answers.DeletedItem]:
    """Delete an item."""
    return Call("DELETE", f"/v1/items/{_quote(item_id)}", _reader(answers.DeletedItem))


def send_items(records: Iterable[Item]) -> Iterator[Call[answers.Stored]]:
    """Yield calls that store items."""
    return _record_calls("/v1/items", records)


def send_facts(records: Iterable[Fact]) -> Iterator[Call[answers.Stored]]:
    """Yield calls that store facts."""
    return _record_calls("/v1/facts", records)


def withdraw_fact(head: Id, relation: Id, tail: Id) -> Call[answers.WithdrawnFact]:
    """Withdraw a fact."""
    params = _params({"head": str(head), "relation": str(relation), "tail": str(tail)})
    return Call("DELETE", "/v1/facts", _reader(answers.WithdrawnFact), params)


def send_events(records: Iterable[Event]) -> Iterator[Call[answers.Stored]]:
    """Yield calls that store events."""
    return _record_calls("/v1/events", records)


def sum_of(parts: Iterable[answers.Stored]) -> answers.Stored:
    """Return what became of the records of several calls."""
    stored = list(parts)
    return answers.Stored(
        accepted=sum(one.accepted for one in stored),
        duplicates=sum(one.duplicates for one in stored),
        rejected=tuple(rejected for one in stored for rejected in one.rejected),
    )


def history(
    user_id: Id, limit: int, cursor: Optional[str]
) -> Call[answers.Page[answers.HistoryEvent]]:
    """Read a page of what a user did."""
    params = _params({"limit": limit, "cursor": cursor})

    def parse(content: bytes) -> answers.Page[answers.HistoryEvent]:
        page = _read(answers.HistoryPage, content)
        return answers.Page(page.events, page.next_cursor)

    return Call("GET", f"/v1/users/{_quote(user_id)}/history", parse, params)


def forget_user(user_id: Id) -> Call[answers.ForgottenUser]:
    """Forget a user."""
    return Call("DELETE", f"/v1/users/{_quote(user_id)}", _reader(answers.ForgottenUser))


def status() -> Call[Status]:
    """Read the status of the whole system."""
    return Call("GET", "/v1/status", _reader(Status))


def _record_calls(path: str, records: Iterable[Record]) -> Iterator[Call[answers.Stored]]:
    first = 0
    for lines in chunks(map(record_line, records), max_lines=MAX_CALL_RECORDS):
        yield _with_body(Call("POST", path, _stored_reader(first)), b"\n".join(lines), NDJSON)
        first += len(lines)


def _with_body(
    call: Call[Answer], content: bytes, content_type: str = "application/json"
) -> Call[Answer]:
    headers = {"Content-Type": content_type}
    if len(content) > GZIP_ABOVE_BYTES:
        content = gzip.compress(content, compresslevel=5, mtime=0)
        headers["Content-Encoding"] = "gzip"
    return replace(call, content=content, headers=headers)


def _quote(id_: object) -> str:
    """Return an id as one segment of a path. `.` and `..` alone would be folders."""
    quoted = quote(str(id_), safe="")
    return quoted.replace(".", "%2E") if quoted in (".", "..") else quoted


def _params(values: Mapping[str, object]) -> dict[str, Union[str, list[str]]]:
    """Return parameters as text, without those that are None; a list is repeated."""
    params: dict[str, Union[str, list[str]]] = {}
    for name, value in values.items():
        if isinstance(value, str):
            params[name] = value
        elif isinstance(value, Sequence):
            params[name] = [str(one) for one in value]
        elif value is not None:
            params[name] = to_json(value).decode()
    return params


def _text_params(language: Texts) -> dict[str, Union[str, list[str]]]:
    return _params({} if language is None else {"copy": True, "language": language})


def _reader(answer_type: type[Answer]) -> Callable[[bytes], Answer]:
    return lambda content: _read(answer_type, content)


def _read(answer_type: type[Answer], content: bytes) -> Answer:
    return decode(answer_type, json_value(content))


def json_value(content: bytes) -> object:
    """Return the value of a JSON text; raise WrongAnswer when it is none."""
    try:
        return json.loads(content)
    except ValueError:
        raise WrongAnswer(f"the answer is not JSON: {content[:80]!r}") from None


def _stored_reader(first: int) -> Callable[[bytes], answers.Stored]:
    """Return the reader of what became of records, of which the first had this index."""

    def parse(content: bytes) -> answers.Stored:
        stored = _read(answers.Stored, content)
        moved = (replace(one, index=first + one.index) for one in stored.rejected)
        return replace(stored, rejected=tuple(moved))

    return parse


def _lists_reader(num_questions: int) -> Callable[[bytes], tuple[answers.ListOrError, ...]]:
    def parse(content: bytes) -> tuple[answers.ListOrError, ...]:
        lists = tuple(_list_or_error(json_value(line)) for line in content.splitlines())
        if len(lists) != num_questions:
            raise WrongAnswer(f"{len(lists)} lists came for {num_questions} questions")
        return lists

    return parse


def _error_for_each(num_questions: int) -> Callable[[Refused], tuple[answers.ListOrError, ...]]:
    return lambda refused: (refused,) * num_questions


def _list_or_error(value: object) -> answers.ListOrError:
    refused = refusal_of(value, status=400)
    if refused is None:
        return decode(answers.Recommendations, value)
    return Unavailable(refused.reason) if refused.field == "server" else refused


def refusal_of(value: object, status: int) -> Optional[Refused]:
    """Return the refusal that a body says; None when it says none."""
    error = value.get("error") if isinstance(value, dict) else None
    if not isinstance(error, dict):
        return None
    return Refused(str(error.get("field")), str(error.get("reason")), status)
