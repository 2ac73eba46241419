"""Request types of TorchServe's endpoint (not the gateway's), their size limits and errors.

Rules for all requests:
* A whole number is accepted as an id and means its decimal string, as in events: 17 and "17" are
  the same id.
* A limit that is exceeded is an error. Nothing is cut silently to fit.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, TypeGuard, get_args

from recommender.requests.list_policy import ListPolicy
from recommender.requests.list_rules import ListRules

MAX_K = 1_000
DEFAULT_SIMILAR = 10
DEFAULT_FOUND = 10
MAX_SEARCH_CHARS = 500  # as of an event's `query`
MAX_HISTORY = 100_000  # the model reads the newest `max_history`; all of them count as seen
MAX_CANDIDATES = 1_000
MAX_ALTERNATIVES = 100  # to each item of `propensities_of`
MAX_RANKED_IDS = 10_000  # of `candidates` in a question for k items
MAX_EXCLUDED = 100_000
MAX_BODIES = 100
MAX_TEXT_CHARS = 20_000  # the encoder reads only a few hundred tokens
MAX_FILTERS = 20
MAX_VALUES = 2_000_000  # of one body: 100,000 elements with four fields each need 1,200,000

MAX_PICTURE_BYTES = 3_000_000  # in base64 it is half of TorchServe's largest request

Similarity = Literal["taste", "text", "both", "picture", "facts"]
SIMILARITIES = "taste, text, both, picture or facts"
NameKind = Literal["any", "id", "text"]
Resolved = Literal["id", "title", "text", "unknown"]
FilterValue = str | float | tuple[str, ...]
JsonObject = dict[str, object]


class BadRequest(ValueError):
    """A body that can't be answered: which field, what was found, what was expected."""

    def __init__(self, field: str, *, found: str, expected: str) -> None:
        self.field = field
        self.reason = f"{field}: found {found}, expected {expected}"
        super().__init__(self.reason)


class Busy(Exception):
    """A valid request that does not fit into its batch. The client may send it again."""

    def __init__(self, what: str) -> None:
        self.reason = (
            f"other requests in the batch already have as many {what} as can be processed at "
            "once; send this one again in a second"
        )
        super().__init__(self.reason)


class Name(NamedTuple):
    """What a bare string (`any`), `{"id"}` or `{"text"}` names.

    `any` is looked up as an id, then as an exact title, and is otherwise read as text. A batch has
    thousands of names; a tuple is made in a third of the time that a frozen dataclass takes.
    """

    kind: NameKind
    value: str


class Element(NamedTuple):
    """One element of a history, as the client sent it.

    Without a given `type` it is "rating" when there is a rating, else "view".
    """

    name: Name
    type: str = "view"
    rating: float | None = None
    at_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """A history as the client named it, oldest first, in equally long columns.

    A batch has thousands of elements; an object for each would take most of the time of reading.
    """

    kinds: Sequence[NameKind] = ()
    names: Sequence[str] = ()
    types: Sequence[str] = ()
    ratings: Sequence[float | None] = ()
    at_s: Sequence[float | None] = ()

    @classmethod
    def of(cls, elements: Iterable[Element]) -> History:
        """Return elements as columns."""
        listed = list(elements)
        if not listed:
            return cls()
        names, types, ratings, at_s = zip(*listed, strict=True)
        kinds, values = zip(*names, strict=True)
        return cls(kinds=kinds, names=values, types=types, ratings=ratings, at_s=at_s)

    def __len__(self) -> int:
        """Return the number of elements."""
        return len(self.names)

    def __iter__(self) -> Iterator[Element]:
        """Yield the elements."""
        names = map(Name, self.kinds, self.names)
        return map(Element, names, self.types, self.ratings, self.at_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreRequest:
    """Predict ratings of `items`. `single` means that the client sent one `item_desc`."""

    history: History
    items: tuple[Name, ...]
    single: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TopRequest:
    """Recommend k items, of the `candidates` alone if there are any.

    `context` is the item that the user looks at now. With `propensities_of` no list is made: the
    answer has the policy's propensities of that one, and at each place the `alternatives` items
    that are likeliest there.
    """

    history: History
    k: int
    exclude_seen: bool = True
    exclude: tuple[str, ...] = ()
    filter: Mapping[str, FilterValue] = field(default_factory=dict)
    candidates: tuple[str, ...] | None = None
    context: Element | None = None
    explain: bool = False
    rules: ListRules | None = None
    policy: ListPolicy | None = None
    propensities_of: tuple[str, ...] | None = None
    alternatives: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SimilarRequest:
    """Find the k items most similar to one item or text.

    By taste, by text, by the mean of both, by picture, or, if it is an item, by facts.
    """

    item: Name
    k: int
    by: Similarity = "taste"
    filter: Mapping[str, FilterValue] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureRequest:
    """Find the k items whose pictures look most like one."""

    picture: bytes
    k: int
    filter: Mapping[str, FilterValue] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchRequest:
    """Find k items by words of titles and by what the text means, for a reader with a history."""

    text: str
    k: int
    history: History = field(default_factory=History)
    exclude: tuple[str, ...] = ()
    filter: Mapping[str, FilterValue] = field(default_factory=dict)


Request = ScoreRequest | TopRequest | SimilarRequest | PictureRequest | SearchRequest


def is_similarity(value: object) -> TypeGuard[Similarity]:
    """Return whether a value is a way in which items can be similar."""
    return isinstance(value, str) and value in get_args(Similarity)


def error_body(error: BadRequest | Busy) -> JsonObject:
    """Return the error that the client gets for a BadRequest or Busy."""
    return {
        "error": {
            "field": error.field if isinstance(error, BadRequest) else None,
            "reason": error.reason,
        }
    }
