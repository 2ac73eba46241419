"""The model behind one TorchServe node or several.

One node is asked for its default version. Several nodes may differ in their defaults for a moment,
so they are asked for the version that the ledger names. A node that fails takes a break, and the
request goes to another: questions have no effects. A node that lacks the live version, after a
restart for example, has failed.

A question may be for a side version, which is loaded beside the live one. Whatever is wrong with
that version, the live one answers in its place; the answer says which one did.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from cron.urls.torchserve import Node as Place
from gateway.bodies.refusal import Refusal
from gateway.model.answers import (
    Answer,
    FoundItems,
    ListPropensities,
    ModelQuestion,
    NoAnswer,
    Ranked,
    Rated,
)
from gateway.model.list_forms import ListForms
from gateway.model.live_release import LiveRelease
from gateway.model.node import TOO_LATE, ModelNode
from gateway.model.questions import (
    SearchQuestion,
    SimilarItemsQuestion,
    TopItemsQuestion,
    encode_client_json,
)
from gateway.waiting_queue import Overloaded

_FIRST_SHARE = 0.6  # of the time that is left, so that a node that hangs leaves time for another
_LEDGER_SHARE = 0.5  # of the time that is left, for a slow ledger; the rest is for an answer
_CONNECT_SHARE = 0.25  # a host that is gone refuses nothing
_SIDE_BREAK_S = 1.0  # after a side version gave no answer; the next lists do not wait for it


class Inference:
    """A client of the model. Create it inside the event loop that uses it."""

    def __init__(
        self,
        places: Sequence[Place],
        live: LiveRelease,
        *,
        timeout_s: float,
        side_break_s: float = _SIDE_BREAK_S,
    ) -> None:
        self._side_break_s = side_break_s
        self._nodes = [ModelNode(place) for place in places]
        self._live = live
        self._timeout_s = timeout_s
        self._forms = ListForms()
        self._turns = 0
        self._asked_again_at: dict[int, float] = {}  # by side version that gave no answer

    @property
    def url(self) -> str:
        """The first node's endpoint, for people to try."""
        return self._nodes[0].place.predictions

    def in_service(self) -> dict[str, bool]:
        """Tell for each node whether its newest answer was usable."""
        return {node.place.address: not node.failed_last for node in self._nodes}

    def deadline(self) -> float:
        """Return when, by time.monotonic(), a call that begins now must have ended."""
        return time.monotonic() + self._timeout_s

    async def recommend(
        self,
        question: TopItemsQuestion | SimilarItemsQuestion,
        *,
        deadline: float | None = None,
        version: int | None = None,
    ) -> Ranked | Refusal:
        """Ask for ranked items; raise NoAnswer, TooLarge or Overloaded.

        A caller that asks several times for one call of its own passes the same deadline each time.
        `version` is a side version, or None for the live one.
        """
        until = self.deadline() if deadline is None else deadline
        if isinstance(question, SimilarItemsQuestion):
            asked = ModelQuestion(content=question.encode(), answer_type=Ranked)
            return await self._ask(asked, until, version)
        return await self._forms.ask(question, Ranked, lambda one: self._ask(one, until, version))

    async def recommend_beside(
        self, question: TopItemsQuestion, version: int, *, deadline: float
    ) -> Ranked | Refusal:
        """Ask a side version alone; raise NoAnswer, TooLarge or Overloaded."""
        return await self._forms.ask(
            question, Ranked, lambda one: self._ask_nodes_for(one, version, deadline)
        )

    async def propensities(self, question: TopItemsQuestion) -> ListPropensities | Refusal:
        """Ask for the propensities of a list; raise NoAnswer, TooLarge or Overloaded."""
        until = self.deadline()
        return await self._forms.ask(question, ListPropensities, lambda one: self._ask(one, until))

    async def search(
        self, question: SearchQuestion, *, deadline: float, version: int | None = None
    ) -> FoundItems | Refusal:
        """Ask for the items that a text finds; raise NoAnswer, TooLarge or Overloaded."""
        content = question.encode()
        asked = ModelQuestion(content=content, answer_type=FoundItems)
        return await self._ask(asked, deadline, version)

    async def predict(self, body: object) -> Rated | Refusal:
        """Pass a client's question for one rating on; raise NoAnswer, TooLarge or Overloaded."""
        content = encode_client_json(body)
        return await self._ask(ModelQuestion(content=content, answer_type=Rated), None)

    def close(self) -> None:
        """Close all connections."""
        for node in self._nodes:
            node.close()

    async def _ask(
        self,
        question: ModelQuestion[Answer],
        deadline: float | None,
        version: int | None = None,
    ) -> Answer | Refusal:
        until = self.deadline() if deadline is None else deadline
        if version is not None:
            answer = await self._ask_beside(question, version, until)
            if answer is not None:
                return answer
        if len(self._nodes) == 1:
            return await self._ask_the_only(question, until)
        return await self._ask_any(question, until)

    async def _ask_the_only(
        self, question: ModelQuestion[Answer], deadline: float
    ) -> Answer | Refusal:
        """Ask the one node, even while it fails: there is no other."""
        left_s = deadline - time.monotonic()
        if left_s <= 0:
            raise NoAnswer(TOO_LATE)
        (node,) = self._nodes
        try:
            return await node.ask(question, None, timeout_s=left_s, connect_s=left_s)
        except NoAnswer:
            node.fail()
            raise

    async def _ask_beside(
        self, question: ModelQuestion[Answer], version: int, deadline: float
    ) -> Answer | Refusal | None:
        """Ask a side version; return None if the live one has to answer, which needs time too."""
        now = time.monotonic()
        if now < self._asked_again_at.get(version, now):
            return None
        until = now + _FIRST_SHARE * (deadline - now)
        try:
            answer = await self._ask_nodes_for(question, version, until)
        except (NoAnswer, Overloaded):
            self._asked_again_at[version] = time.monotonic() + self._side_break_s
            return None
        self._asked_again_at.pop(version, None)
        return answer

    async def _ask_nodes_for(
        self, question: ModelQuestion[Answer], version: int, deadline: float
    ) -> Answer | Refusal:
        """Ask the nodes for a side version; none of them is at fault where it lacks that."""
        asked: list[ModelNode] = []
        why = NoAnswer(TOO_LATE)
        while (left_s := deadline - time.monotonic()) > 0 and (
            node := self._next_node(asked)
        ) is not None:
            asked.append(node)
            try:
                return await node.ask(
                    question, version, timeout_s=left_s, connect_s=left_s * _CONNECT_SHARE
                )
            except NoAnswer as error:
                why = error
        raise why

    async def _ask_any(self, question: ModelQuestion[Answer], deadline: float) -> Answer | Refusal:
        version = await self._live.version(wait_s=_ledger_time(deadline))
        if version is None:
            raise NoAnswer("no release is live yet")
        failed: list[ModelNode] = []
        why = NoAnswer(TOO_LATE)
        while (left_s := deadline - time.monotonic()) > 0 and (
            node := self._next_node(failed)
        ) is not None:
            share = _FIRST_SHARE if len(failed) + 1 < len(self._nodes) else 1.0
            try:
                return await node.ask(
                    question, version, timeout_s=left_s * share, connect_s=left_s * _CONNECT_SHARE
                )
            except NoAnswer as error:
                why = error
                newest: int | None = version
                if error.status == 404:
                    wait_s = _ledger_time(deadline)
                    newest = await self._live.version(refresh=True, wait_s=wait_s)
                if newest is not None and newest != version:
                    # unloaded after a switch that we had not seen: the node is not at fault
                    version = newest
                    continue
                node.fail()
                failed.append(node)
        raise why

    def _next_node(self, failed: Sequence[ModelNode]) -> ModelNode | None:
        """Return the least busy node that has not failed; None when all have.

        Nodes on a break come last. Equally busy nodes take turns.
        """
        left = [node for node in self._nodes if node not in failed]
        if not left:
            return None
        node = min(left, key=lambda one: (one.is_out and one.out_until, one.pending, one.turn))
        self._turns += 1
        node.turn = self._turns
        return node


def _ledger_time(deadline: float) -> float:
    return _LEDGER_SHARE * max(0.0, deadline - time.monotonic())
