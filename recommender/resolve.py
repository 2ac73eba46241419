"""Names to rows: what a request means against one catalogue, before anything is computed.

Knows the catalogue and which history the model reads; does not know vectors, scores or batches.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from recommender.catalogue import Catalogue, Mask, UnknownAttribute
from recommender.ranker import HistoryElement, Ranker
from recommender.wire import BadRequest, Element, Name, Request, Resolved, ScoreRequest, SimilarRequest, TopRequest

MAX_FREE_TEXTS = 256  # a body: a slow core encodes 40 long texts a second, and a batch has 32 bodies


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where an item's vector is: a row of the catalogue, or a row of the batch's free texts."""

    row: int | None = None
    text_row: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A request whose names are resolved."""

    request: Request
    history: tuple[HistoryElement, ...] = ()
    resolved: tuple[Resolved, ...] = ()
    items: tuple[Place, ...] = ()
    resolved_items: tuple[Resolved, ...] = ()
    excluded_rows: tuple[int, ...] = ()
    allowed_N: Mask | None = None


class Texts:
    """The distinct free texts of a batch, numbered; refuses a body that brings too many."""

    def __init__(self) -> None:
        self.rows: dict[str, int] = {}
        self._left = MAX_FREE_TEXTS

    def next_body(self) -> None:
        """Start counting anew."""
        self._left = MAX_FREE_TEXTS

    def row(self, text: str, *, field: str) -> int:
        """Return the text's number; raise BadRequest when this body has brought too many that are new."""
        if text not in self.rows:
            if self._left == 0:
                found = f"more than {MAX_FREE_TEXTS} texts that are not in the catalogue"
                raise BadRequest(field, found=found, expected=f"at most {MAX_FREE_TEXTS} of them in a body")
            self._left -= 1
            self.rows[text] = len(self.rows)
        return self.rows[text]


def plan(ranker: Ranker, request: Request, texts: Texts) -> Plan:
    """Resolve a request's names; raise BadRequest for what only the catalogue can tell."""
    catalogue = ranker.catalogue
    if isinstance(request, SimilarRequest):
        place, how = _item(catalogue, request.item, texts, field="similar_to")
        return Plan(request=request, items=(place,), resolved_items=(how,))
    found = [_look_up(catalogue, element.name) for element in request.history]
    history = _history(ranker, request.history, found, texts)
    resolved = tuple(how for how, _ in found)
    if isinstance(request, ScoreRequest):
        if not ranker.has_ratings:
            field = "item_desc" if request.single else "items"
            expected = "a request for k items: the data has no ratings, so there is none to predict"
            raise BadRequest(field, found="a request for a predicted rating", expected=expected)
        fields = ["item_desc"] if request.single else [f"items[{i}]" for i in range(len(request.items))]
        items = [_item(catalogue, item, texts, field=field) for item, field in zip(request.items, fields, strict=True)]
        places, hows = tuple(place for place, _ in items), tuple(how for _, how in items)
        return Plan(request=request, history=history, resolved=resolved, items=places, resolved_items=hows)
    excluded = [row for row in map(catalogue.row, request.exclude) if row is not None]
    if request.exclude_seen:
        excluded += [row for (_, row), element in zip(found, request.history, strict=True) if row is not None and _counts(element)]
    return Plan(request=request, history=history, resolved=resolved, excluded_rows=tuple(excluded), allowed_N=_allowed(catalogue, request))


def _look_up(catalogue: Catalogue, name: Name) -> tuple[Resolved, int | None]:
    """Tell how a name is understood, and its row when it is the catalogue's."""
    if name.kind != "text":
        row = catalogue.row(name.value)
        if row is not None or name.kind == "id":
            return ("unknown" if row is None else "id"), row
        row = catalogue.row_of_title(name.value)
        if row is not None:
            return "title", row
    return "text", None


def _item(catalogue: Catalogue, name: Name, texts: Texts, *, field: str) -> tuple[Place, Resolved]:
    how, row = _look_up(catalogue, name)
    if how == "unknown":
        raise BadRequest(field, found=f"the unknown id {name.value[:80]!a}", expected="the id of a known item, or a text")
    if row is not None:
        return Place(row=row), how
    return Place(text_row=texts.row(name.value, field=field)), how


def _history(
    ranker: Ranker, elements: Sequence[Element], found: Sequence[tuple[Resolved, int | None]], texts: Texts
) -> tuple[HistoryElement, ...]:
    """Return the newest `max_history` elements that mean something to the model, oldest first."""
    newest: list[HistoryElement] = []
    for index in range(len(elements) - 1, -1, -1):
        if len(newest) == ranker.bundle.manifest.model.max_history:
            break
        element, (how, row) = elements[index], found[index]
        if how == "unknown" or not _counts(element):
            continue
        text_row = texts.row(element.name.value, field=f"user_seq[{index}]") if row is None else None
        rating = _rating(ranker, element.rating)
        newest.append(HistoryElement(row=row, text_row=text_row, type=element.type, rating=rating, at_s=element.at_s))
    return tuple(reversed(newest))


def _counts(element: Element) -> bool:
    return element.type != "impression"  # what was merely shown is no history


def _rating(ranker: Ranker, rating: float | None) -> float | None:
    """Bring a rating onto the data's scale: beyond it the model has seen nothing, and 1e300 would be no number in float32."""
    scale = ranker.bundle.manifest.rating_scale
    if rating is None or scale is None:
        return None
    return min(max(rating, scale[0]), scale[1])


def _allowed(catalogue: Catalogue, request: TopRequest) -> Mask | None:
    if not request.filter:
        return None
    try:
        return catalogue.filter_rows(request.filter)
    except UnknownAttribute as error:
        known = f"one of {', '.join(error.known[:20])}" if error.known else "no filter, since no item has attributes"
        raise BadRequest(f"filter.{ascii(error.name[:80])[1:-1]}", found="an unknown attribute", expected=known) from error
