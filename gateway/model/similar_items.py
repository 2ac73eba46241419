"""Items similar to one item, by the live model."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from starlette.concurrency import run_in_threadpool

from cron.ports import Histories, ItemRecords
from gateway.bodies.recommendations import FilterValue
from gateway.bodies.refusal import Refusal, RefusalReason
from gateway.errors import UnknownItem
from gateway.model.answers import Ranked
from gateway.model.inference import Inference
from gateway.model.picture_question import PictureQuestion
from gateway.model.questions import ItemNameBody, SimilarItemsQuestion, encode_filter
from gateway.model.stored_history import hidden_items, larger_k
from recommender.records.events import Item

_PICTURE = "similar_to.picture"  # as the model names what the client calls `picture`


@dataclass(frozen=True, slots=True, kw_only=True)
class SimilarRequestOfShop:
    """What a client asks for; `by` is one of SIMILARITIES."""

    item_id: str
    k: int
    by: str
    filter: Mapping[str, FilterValue]


class SimilarItems:
    """Answers questions for similar items; one for the whole process."""

    def __init__(
        self,
        histories: Histories,
        item_records: ItemRecords,
        inference: Inference,
    ) -> None:
        self._histories = histories
        self._item_records = item_records
        self._inference = inference

    async def answer(
        self, request: SimilarRequestOfShop, thumbnail_of: Callable[[str], bytes | None]
    ) -> Ranked | Refusal:
        """Return similar items, without hidden ones; raise UnknownItem or NoAnswer.

        An item that is newer than the model is compared by the text of its record, or by its
        picture if `thumbnail_of` returns one.
        """
        deadline = self._inference.deadline()
        name = ItemNameBody(id=request.item_id)
        found = await self._ask(name, request, deadline)
        if isinstance(found, Refusal) and (found.error.field or "").startswith("similar_to"):
            known = await run_in_threadpool(self._item_records.find, [request.item_id])
            if request.item_id not in known:
                raise UnknownItem(request.item_id)
            name = ItemNameBody(text=_text(known[request.item_id].record))
            if request.by == "picture":
                picture = await run_in_threadpool(thumbnail_of, request.item_id)
                if picture is not None:
                    name = ItemNameBody(picture=base64.b64encode(picture).decode())
            found = await self._ask(name, request, deadline)
        return found

    async def look_alikes(self, question: PictureQuestion) -> Ranked | Refusal:
        """Return items whose pictures look like one, without hidden ones; raise NoAnswer."""
        request = SimilarRequestOfShop(
            item_id="", k=question.k, by="picture", filter=question.filter
        )
        name = ItemNameBody(picture=question.picture)
        found = await self._ask(name, request, self._inference.deadline())
        if not isinstance(found, Refusal) or found.error.field != _PICTURE:
            return found
        reason = found.error.reason.removeprefix("similar_to.")
        error = RefusalReason(field="picture", reason=reason)
        return Refusal(error=error, model_version=found.model_version)

    async def _ask(
        self, name: ItemNameBody, request: SimilarRequestOfShop, deadline: float
    ) -> Ranked | Refusal:
        """Ask the model, drop items hidden after it was trained, ask for more if too few remain."""
        k = request.k
        while True:
            question = SimilarItemsQuestion(
                similar_to=name,
                k=k,
                by=None if request.by == "taste" else request.by,
                filter=encode_filter(request.filter),
            )
            answer = await self._inference.recommend(question, deadline=deadline)
            if isinstance(answer, Refusal):
                return answer
            ids = [item.id for item in answer.items]
            hidden = await hidden_items(self._histories, ids)
            left = [item for item in answer.items if item.id not in hidden]
            more = larger_k(k, num_found=len(ids), num_left=len(left), wanted=request.k)
            if more is None:
                return Ranked(items=tuple(left[: request.k]), model_version=answer.model_version)
            k = more


def _text(item: Item) -> str:
    return item.title if item.text is None else f"{item.title}. {item.text}"
