"""The policy of a placement as a question to the model, also to releases that lack it."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from datetime import datetime

from msgspec import structs

from cron.placement import Placement
from cron.placement_policy import NewItemsBudget, PlacementPolicy, doubt_after
from gateway.bodies.refusal import Refusal, refusal
from gateway.model.questions import NewItemsQuestion, PolicyQuestion
from gateway.model.recommendation_request import RecommendationRequest
from gateway.placements.new_items import NewItems
from gateway.placements.posteriors import Posteriors
from gateway.placements.rules import wanted_values
from recommender.requests.list_policy import MAX_SEED, learns_from_rewards, strength_of

POLICY = "policy"  # its name among the rules that were not applied
# fields that releases refuse which were made before there were rules, policies, or this policy
_RULES = "rules"
_POLICIES = ("policy", "policy.name", "policy.new_items.doubts")
_PROPENSITIES = ("propensities_of", "alternatives")

GREEDY = PlacementPolicy(name="greedy")


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicySources:
    """What policies are made of beside their fields: new items, and the posterior of rewards."""

    new_items: NewItems
    posteriors: Posteriors


async def policy_question(
    policy: PlacementPolicy | None, sources: PolicySources, at: datetime
) -> PolicyQuestion | None:
    """Return the policy of one list with a seed of its own; None if the list is greedy."""
    if policy is None or not policy.explores:
        return None
    question = await propensity_question(policy, sources, at)
    return structs.replace(question, seed=secrets.randbelow(MAX_SEED + 1))


async def propensity_question(
    policy: PlacementPolicy, sources: PolicySources, at: datetime
) -> PolicyQuestion:
    """Return a policy that is asked for propensities, which needs no seed."""
    strength = strength_of(policy.name)
    asked = None
    if policy.new_items is not None:
        asked = await _new_items_question(policy.new_items, sources.new_items, at)
    learns = learns_from_rewards(policy.name)
    return PolicyQuestion(
        name=policy.name,
        epsilon=policy.epsilon if strength == "epsilon" else None,
        temperature=policy.temperature if strength == "temperature" else None,
        width=policy.width if strength == "width" else None,
        new_items=asked,
        posterior=sources.posteriors.question if learns else None,
    )


async def _new_items_question(
    budget: NewItemsBudget, new_items: NewItems, at: datetime
) -> NewItemsQuestion:
    """Return the new items of a budget, with what is left of its doubt about each."""
    unknown = await new_items.still_unknown(budget, at)
    doubts = None
    if budget.doubt is not None:
        doubts = [doubt_after(num, budget.doubt) for num in unknown.values()]
    return NewItemsQuestion(share=budget.share, ids=[*unknown], doubts=doubts)


def rule_names(placed: RecommendationRequest) -> tuple[str, ...]:
    """Return the names of the placement's rules that the model is asked to apply."""
    of_rules = placed.rules.names if placed.rules is not None else ()
    return (*of_rules, POLICY) if placed.policy is not None else of_rules


def for_older_release(
    placed: RecommendationRequest, placement: Placement, refusal: Refusal
) -> RecommendationRequest | None:
    """Return a question that an older release knows; None if it refused something else.

    Of two filters for one attribute, a release that knows no rules gets only the placement's.
    """
    field = refusal.error.field
    if placed.rules is not None and field == _RULES:
        wanted = {**placed.filter, **wanted_values(placement)}
        return replace(placed, rules=None, also_filter={}, filter=wanted, policy=None)
    if placed.policy is not None and field in _POLICIES:
        return replace(placed, policy=None)
    return None


def explain_older_release(refused: Refusal) -> Refusal:
    """Return what a refusal of a question for propensities means to the client."""
    if refused.error.field not in (_RULES, *_PROPENSITIES, *_POLICIES):
        return refused
    return refusal(
        "server",
        "the live release does not know this policy, or no policy at all, since an older version "
        "trained it; propensities can be asked for after the next training",
    )
