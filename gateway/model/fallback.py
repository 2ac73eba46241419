"""The list while the model does not answer: popular items, by the rules that need no model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cron.known_item import KnownItem
from cron.list_ids import draw_list_id
from cron.past_event import PastEvent
from cron.ports import Histories, ItemRecords
from gateway.bodies.recommendations import FallbackAnswer, FallbackItem, ItemReason
from gateway.items.fact_filter import matching_ids
from gateway.items.matching import item_filter
from gateway.model.fallback_rules import NEED_THE_MODEL, choose, reads_attributes
from gateway.model.live_release import LiveRelease
from gateway.model.questions import RulesQuestion
from gateway.model.recommendation_request import RecommendationRequest
from trainer.report import PopularItem


class Fallback:
    """Lists of the live release's popular items. Threads may share it; it blocks."""

    def __init__(self, histories: Histories, item_records: ItemRecords, live: LiveRelease) -> None:
        self._histories = histories
        self._item_records = item_records
        self._live = live

    def answer(
        self, request: RecommendationRequest, events: Sequence[PastEvent], why: str
    ) -> FallbackAnswer:
        """Return popular items; `why` says why the model did not answer.

        An item without a record matches no filter, since an item that may not match must not be
        returned.
        """
        release = self._live.get()
        popular = self._to_offer(release.manifest.popular if release else (), request, events)
        rules = request.rules or RulesQuestion()
        filters = [item_filter(one) for one in (request.filter, request.also_filter) if one]
        known: Mapping[str, KnownItem] = {}
        if popular and (filters or reads_attributes(rules)):
            ids = [*(item.item_id for item in popular), *rules.pinned]
            known = self._item_records.find(ids)
        for one in filters:
            matching = matching_ids(one, [*known.values()], self._item_records)
            popular = [item for item in popular if item.item_id in matching]
        titles = {item.item_id: item.title for item in popular}
        attributes = {item_id: one.record.attributes for item_id, one in known.items()}
        chosen = choose([*titles], attributes, rules, request.k)
        reason = ItemReason(shared={}, popular=True, new=False) if request.explain else None
        says_moves = request.explain and request.rules is not None
        return FallbackAnswer(
            recommendation_id=draw_list_id(None),
            user_id=request.user_id,
            model_version=release.version if release else None,
            items=tuple(
                FallbackItem(
                    rank=rank,
                    id=one.item_id,
                    title=titles[one.item_id],
                    reason=reason,
                    moved=one.moves if says_moves else None,
                )
                for rank, one in enumerate(chosen, 1)
            ),
            not_applied=_not_applied(request),
            reason=why,
        )

    def _to_offer(
        self,
        popular: Sequence[PopularItem],
        request: RecommendationRequest,
        events: Sequence[PastEvent],
    ) -> Sequence[PopularItem]:
        """Return the popular items that are candidates, not excluded, not seen and not hidden."""
        if request.candidates is not None:
            candidates = frozenset(request.candidates)
            popular = [item for item in popular if item.item_id in candidates]
        unwanted = {*request.exclude} | ({request.context} if request.context else set())
        unwanted |= self._histories.hidden_among([item.item_id for item in popular])
        if request.exclude_seen:
            unwanted |= {event.item_id for event in events}
            unwanted |= {one.name.value for one in request.history if one.name.kind != "text"}
        return [item for item in popular if not {item.item_id, item.title} & unwanted]


def _not_applied(request: RecommendationRequest) -> tuple[str, ...]:
    rules = request.rules or RulesQuestion()
    found = [name for name in rules.names if name in NEED_THE_MODEL]
    return (*found, "policy") if request.policy is not None else tuple(found)
