"""Resolves the names in a request to rows of the catalogue, before anything is computed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from torch import Tensor

from recommender.arrays.best_rows import Rows
from recommender.catalogue.catalogue import Catalogue, Mask, UnknownAttribute
from recommender.config import IMPRESSION
from recommender.encoder.encoder import CHARACTERS_A_TOKEN
from recommender.encoder.picture_encoder import UnreadablePicture
from recommender.lists.pictures_asked import pictures_of, vector_of_text
from recommender.lists.reward_lifts import posterior_of
from recommender.policies.posterior import ItemPosterior
from recommender.ranking.history_columns import HistoryColumns
from recommender.ranking.ranker import Ranker
from recommender.records.excerpt import excerpt
from recommender.requests.body_fields import field_name
from recommender.requests.wire import (
    BadRequest,
    Busy,
    FilterValue,
    History,
    Name,
    PictureRequest,
    Request,
    Resolved,
    ScoreRequest,
    SearchRequest,
    SimilarRequest,
    TopRequest,
)

# The most characters of free text in a request, and in its batch. A slow core encodes 20,000 a
# second, and all requests of the batch wait for them. The gateway waits 2 s.
MAX_FREE_CHARS = 24_000
CHARS_A_TEXT = 32  # added to each text's own, since a short text takes time too
# of a batch, which all wait for: a large vision model takes a second for each on a slow core
MAX_PICTURES = 4

_BY_ID: tuple[Resolved, ...] = ("id",)


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemRef:
    """Where an item's vector is: a row of the catalogue, or of the batch's free texts."""

    row: int | None = None
    text_row: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A request with all names resolved."""

    request: Request
    history: HistoryColumns = field(default_factory=HistoryColumns)
    resolved: tuple[Resolved, ...] = ()
    items: tuple[ItemRef, ...] = ()
    resolved_items: tuple[Resolved, ...] = ()
    excluded_rows: tuple[int, ...] = ()
    allowed_N: Mask | None = None
    candidate_rows: Rows | None = None  # distinct and ascending, without excluded and filtered ones
    context: ItemRef | None = None
    unknown: tuple[str, ...] = ()  # ids of candidates and of the context
    picture_P: Tensor | None = None  # of a request's picture
    posterior: ItemPosterior | None = None  # of a policy that learns from rewards


@dataclass(frozen=True, slots=True, kw_only=True)
class _LookedUpNames:
    """How each name of a history was resolved, and its row if it is in the catalogue."""

    how: tuple[Resolved, ...]
    rows: list[int | None]


class Texts:
    """The distinct free texts of a batch, numbered, with a limit on their total length.

    A text counts with at most `chars_read` characters, which is what the encoder reads.
    """

    def __init__(self, *, chars_read: int) -> None:
        self.rows: dict[str, int] = {}
        self._chars_read = chars_read
        self._chars = self._chars_before = self._num_before = self._num_pictures = 0

    def next_request(self) -> None:
        """Start counting the texts of the next request."""
        self._chars_before, self._num_before = self._chars, len(self.rows)

    def drop_request(self) -> None:
        """Remove the texts of the current request, which will not be answered."""
        while len(self.rows) > self._num_before:
            self.rows.popitem()
        self._chars = self._chars_before

    def add_picture(self) -> None:
        """Count a picture, which takes the time of many texts; raise Busy for too many."""
        if self._num_pictures == MAX_PICTURES:
            raise Busy("pictures")
        self._num_pictures += 1

    def row(self, text: str, *, field: str) -> int:
        """Return a text's number; raise BadRequest or Busy when there is too much text.

        BadRequest means that the request alone has too much, Busy that the batch has.
        """
        if text not in self.rows:
            chars = self._chars + min(len(text), self._chars_read) + CHARS_A_TEXT
            if chars - self._chars_before > MAX_FREE_CHARS:
                found = (
                    f"more than {MAX_FREE_CHARS:,} characters of texts that are not in the "
                    f"catalogue (each text counts {CHARS_A_TEXT} extra)"
                )
                raise BadRequest(field, found=found, expected="less text in one request")
            if chars > MAX_FREE_CHARS:
                raise Busy("free texts")
            self._chars = chars
            self.rows[text] = len(self.rows)
        return self.rows[text]


def texts_of_batch(ranker: Ranker) -> Texts:
    """Return an empty collection for the free texts of one batch."""
    return Texts(chars_read=CHARACTERS_A_TOKEN * ranker.bundle.manifest.encoder.max_tokens)


def plan(ranker: Ranker, request: Request, texts: Texts) -> Plan:
    """Resolve a request's names; raise BadRequest for errors that depend on the catalogue."""
    if isinstance(request, PictureRequest):
        return _plan_picture(ranker, request, texts)
    if isinstance(request, SimilarRequest):
        place, how = _item(ranker.catalogue, request.item, texts, field="similar_to")
        picture_P = None
        if request.by == "facts" and place.row is None:
            expected = "the id of a known item: a text has no facts"
            raise BadRequest("by", found="facts, for a text", expected=expected)
        if request.by == "picture":
            text = request.item.value if place.row is None else None
            picture_P = vector_of_text(ranker, text)
        return Plan(
            request=request,
            items=(place,),
            resolved_items=(how,),
            allowed_N=_allowed_rows(ranker.catalogue, request),
            picture_P=picture_P,
        )
    if isinstance(request, SearchRequest):
        return _plan_search(ranker, request, texts)
    if isinstance(request, TopRequest):
        return _plan_list(ranker, request, texts)
    return _plan_ratings(ranker, request, texts)


def _plan_picture(ranker: Ranker, request: PictureRequest, texts: Texts) -> Plan:
    field = "similar_to.picture"
    pictures = pictures_of(ranker, field=field)
    texts.add_picture()
    try:
        vector_P = pictures.vector_of(request.picture)
    except UnreadablePicture as error:
        expected = "a picture as PNG, JPEG, WebP, GIF or BMP"
        raise BadRequest(field, found=str(error), expected=expected) from error
    allowed_N = _allowed_rows(ranker.catalogue, request)
    return Plan(request=request, allowed_N=allowed_N, picture_P=vector_P)


def _plan_ratings(ranker: Ranker, request: ScoreRequest, texts: Texts) -> Plan:
    catalogue = ranker.catalogue
    found = _look_up_all(catalogue, request.history)
    history = _history(ranker, request.history, found, texts)
    if not ranker.has_ratings:
        field = "item_desc" if request.single else "items"
        expected = "a request for k items, since the data has no ratings to predict"
        raise BadRequest(field, found="a request for a predicted rating", expected=expected)
    fields = ["item_desc"] if request.single else [f"items[{i}]" for i in range(len(request.items))]
    items = [
        _item(catalogue, item, texts, field=field)
        for item, field in zip(request.items, fields, strict=True)
    ]
    return Plan(
        request=request,
        history=history,
        resolved=found.how,
        items=tuple(place for place, _ in items),
        resolved_items=tuple(how for _, how in items),
    )


def _plan_search(ranker: Ranker, request: SearchRequest, texts: Texts) -> Plan:
    catalogue = ranker.catalogue
    found = _look_up_all(catalogue, request.history)
    excluded = (row for row in map(catalogue.row, request.exclude) if row is not None)
    return Plan(
        request=request,
        history=_history(ranker, request.history, found, texts),
        resolved=found.how,
        items=(ItemRef(text_row=texts.row(request.text, field="search")),),
        excluded_rows=tuple(excluded),
        allowed_N=_allowed_rows(catalogue, request),
    )


def _plan_list(ranker: Ranker, request: TopRequest, texts: Texts) -> Plan:
    """Resolve a question for k items.

    The context is read as the newest element of the history, unless that is the same item already.
    It is never recommended.
    """
    catalogue = ranker.catalogue
    found = _look_up_all(catalogue, request.history)
    excluded = [row for row in map(catalogue.row, request.exclude) if row is not None]
    if request.exclude_seen:
        excluded += _seen_rows(found, request.history)
    read, read_found, unknown = request.history, found, list[str]()
    context = None
    if request.context is not None:
        name = request.context.name
        how, row = _look_up(catalogue, name)
        context = _context(how, row, name, texts)
        excluded += [] if row is None else [row]
        unknown += [] if context is not None else [name.value]
        if context is not None and not (row is not None and found.rows[-1:] == [row]):
            read = History.of([*read, request.context])
            read_found = _LookedUpNames(how=(*found.how, how), rows=[*found.rows, row])
    allowed_N = _allowed_rows(catalogue, request)
    if request.rules is not None and request.rules.filter:
        more_N = _filter_rows(catalogue, request.rules.filter, field="rules.filter")
        allowed_N = more_N if allowed_N is None else allowed_N & more_N
    candidates = None
    if request.candidates is not None:
        rows = {item_id: catalogue.row(item_id) for item_id in request.candidates}
        unknown += [item_id for item_id, row in rows.items() if row is None]
        candidates = left_of(rows.values(), excluded, allowed_N)
    return Plan(
        request=request,
        history=_history(ranker, read, read_found, texts),
        resolved=found.how,
        excluded_rows=tuple(excluded),
        allowed_N=allowed_N,
        candidate_rows=candidates,
        context=context,
        unknown=tuple(unknown),
        posterior=posterior_of(ranker, request.policy),
    )


def _context(how: Resolved, row: int | None, name: Name, texts: Texts) -> ItemRef | None:
    """Return where the context's vector is; None for an unknown id."""
    if how == "unknown":
        return None
    if row is not None:
        return ItemRef(row=row)
    return ItemRef(text_row=texts.row(name.value, field="context"))


def left_of(
    candidates: Iterable[int | None], excluded: Sequence[int], allowed_N: Mask | None
) -> Rows:
    """Return the rows of candidates that are neither excluded nor filtered out, ascending."""
    rows_X = np.unique(np.fromiter((row for row in candidates if row is not None), np.int64))
    if allowed_N is not None:
        rows_X = rows_X[allowed_N[rows_X]]
    return rows_X[~np.isin(rows_X, np.array(excluded, np.int64))]


def _look_up(catalogue: Catalogue, name: Name) -> tuple[Resolved, int | None]:
    """Return how a name was resolved, and its row if it is in the catalogue."""
    if name.kind != "text":
        row = catalogue.row(name.value)
        if row is not None or name.kind == "id":
            return ("unknown" if row is None else "id"), row
        row = catalogue.row_of_title(name.value)
        if row is not None:
            return "title", row
    return "text", None


def _item(
    catalogue: Catalogue, name: Name, texts: Texts, *, field: str
) -> tuple[ItemRef, Resolved]:
    how, row = _look_up(catalogue, name)
    if how == "unknown":
        raise BadRequest(
            field,
            found=f"the unknown id {excerpt(name.value)}",
            expected="the id of a known item, or a text",
        )
    if row is not None:
        return ItemRef(row=row), how
    return ItemRef(text_row=texts.row(name.value, field=field)), how


def _look_up_all(catalogue: Catalogue, history: History) -> _LookedUpNames:
    """Look up the names of a history; known ids take no step of their own."""
    rows = catalogue.rows(history.names)
    if None not in rows and "text" not in history.kinds:
        return _LookedUpNames(how=_BY_ID * len(rows), rows=rows)
    pairs = [_look_up(catalogue, name) for name in map(Name, history.kinds, history.names)]
    return _LookedUpNames(how=tuple(how for how, _ in pairs), rows=[row for _, row in pairs])


def _history(
    ranker: Ranker, history: History, found: _LookedUpNames, texts: Texts
) -> HistoryColumns:
    """Return the newest `max_history` elements that the model reads, oldest first."""
    manifest = ranker.bundle.manifest
    are_rated = [rating is not None for rating in history.ratings]
    kinds = [*zip(history.types, are_rated, strict=True)]
    read = {one for one in {*kinds} if manifest.signals.attracts(one[0], is_rated=one[1])}
    known = [row for row in found.rows if row is not None]
    if len(known) == len(kinds) and read == {*kinds}:
        newest = slice(max(len(kinds) - manifest.model.max_history, 0), None)
        return HistoryColumns(
            rows=known[newest],
            types=history.types[newest],
            ratings=_clamp_ratings(history.ratings[newest], manifest.rating_scale),
            at_s=history.at_s[newest],
        )
    places, rows = list[int](), list[int]()
    for place in range(len(kinds) - 1, -1, -1):
        if len(places) == manifest.model.max_history:
            break
        if found.how[place] == "unknown" or kinds[place] not in read:
            continue
        row = found.rows[place]
        if row is None:
            text_row = texts.row(history.names[place], field=f"user_seq[{place}]")
            row = len(ranker.catalogue) + text_row
        places.append(place)
        rows.append(row)
    places.reverse()
    ratings = [history.ratings[place] for place in places]
    return HistoryColumns(
        rows=rows[::-1],
        types=[history.types[place] for place in places],
        ratings=_clamp_ratings(ratings, manifest.rating_scale),
        at_s=[history.at_s[place] for place in places],
    )


def _seen_rows(found: _LookedUpNames, history: History) -> list[int]:
    """Return the rows that count as seen; impressions do not."""
    return [
        row
        for row, type_ in zip(found.rows, history.types, strict=True)
        if row is not None and type_ != IMPRESSION
    ]


def _clamp_ratings(
    ratings: Sequence[float | None], scale: tuple[float, float] | None
) -> Sequence[float | None]:
    """Clamp ratings to the data's scale; without a scale there are none.

    The model has seen none beyond it, and one such as 1e300 would be infinite in float32.
    """
    if scale is None:
        return [None] * len(ratings)
    clamped: dict[float | None, float | None] = {
        one: min(max(one, scale[0]), scale[1]) for one in {*ratings} if one is not None
    }
    return [*map(clamped.get, ratings)]


def _allowed_rows(
    catalogue: Catalogue,
    request: TopRequest | SimilarRequest | PictureRequest | SearchRequest,
) -> Mask | None:
    return _filter_rows(catalogue, request.filter, field="filter") if request.filter else None


def _filter_rows(catalogue: Catalogue, wanted: Mapping[str, FilterValue], *, field: str) -> Mask:
    try:
        return catalogue.filter_rows(wanted)
    except UnknownAttribute as error:
        raise BadRequest(
            f"{field}.{field_name(error.name)}",
            found="an unknown attribute",
            expected=_filter_names(error.known),
        ) from error


def _filter_names(known: Sequence[str]) -> str:
    """Return what a filter may name as words of a message: at most 20 names."""
    if not known:
        return "no filter: no item has attributes"
    more = f" and {len(known) - 20} more" if len(known) > 20 else ""
    return f"one of {', '.join(known[:20])}{more}"
