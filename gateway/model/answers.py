"""What TorchServe answers to a question, parsed once: items, a rating, or a refusal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

from pydantic import ValidationError

from gateway.bodies.codec import codec_of
from gateway.bodies.propensities import AlternativeItem
from gateway.bodies.recommendations import (
    GreedyRank,
    ItemId,
    Moved,
    Propensity,
    Rating,
    Reason,
    Score,
    Title,
)
from gateway.bodies.refusal import Refusal
from gateway.bodies.search import Match
from recommender.requests.list_policy import PolicyName

Answer = TypeVar("Answer")


class NoAnswer(Exception):
    """The model server gave no usable answer: it is down, slow, overloaded, or has no model.

    `status` is the HTTP status of its answer, if there was one.
    """

    def __init__(self, message: str, *, status: int | None = None) -> None:
        self.status = status
        super().__init__(message)


class TooLarge(Exception):
    """The model server does not accept a request of this size. The node is not at fault."""

    def __init__(self, size_bytes: int, *, limit_bytes: int) -> None:
        super().__init__(
            f"the question holds {size_bytes:,} bytes, more than the model server accepts (its "
            f"max_request_size; Freshet starts it with {limit_bytes:,}); send less in one call"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelItem:
    """An item of the model's answer."""

    id: ItemId
    title: Title
    score: Score
    rating: Rating = None
    reason: Reason = None
    moved: Moved = None
    propensity: Propensity = None
    greedy_rank: GreedyRank = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranked:
    """Ranked items, best first, the policy that chose them, and ids that the release lacks."""

    items: tuple[ModelItem, ...]
    model_version: int
    policy: PolicyName = "greedy"
    unknown: tuple[str, ...] = ()
    not_applied: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ListPropensities:
    """The propensities of a list under a policy, item by item, and the alternatives if any."""

    policy: PolicyName
    propensities: tuple[float, ...]
    model_version: int
    alternatives: tuple[tuple[AlternativeItem, ...], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundModelItem:
    """An item that the model found."""

    id: ItemId
    title: Title
    score: Score
    match: Match


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundItems:
    """Found items, best first."""

    items: tuple[FoundModelItem, ...]
    model_version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Rated:
    """A predicted rating."""

    score: float
    model_version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelQuestion(Generic[Answer]):
    """One body for the model, and the type that answers it."""

    content: bytes
    answer_type: type[Answer]

    def parse(self, status: int, content: bytes) -> Answer | Refusal:
        """Parse the answer of status 200 or 400; raise NoAnswer for another shape."""
        try:
            if status == 200:
                return codec_of(self.answer_type).validate_json(content)
            return codec_of(Refusal).validate_json(content)
        except ValidationError as error:
            if status == 200:
                raise NoAnswer("the model server's answer has an unexpected form") from error
            # TorchServe's own refusal: a wrong key, for one
            raise NoAnswer(
                f"the model server refused the call ({_message(content)})", status=400
            ) from error


@dataclass(frozen=True, slots=True, kw_only=True)
class _ServersRefusal:
    """A refusal of TorchServe itself."""

    message: str


def _message(content: bytes) -> str:
    try:
        return codec_of(_ServersRefusal).validate_json(content).message
    except ValidationError:
        return "400"
