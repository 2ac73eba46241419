"""A planted world of slates in which every probability and the truth are exact.

A visitor has one of C contexts. A policy makes a list of K of M items, item by item
(Plackett-Luce). The reward of a position depends on the context, on its item and, if items
interact, on those above it; users differ in how much they click. There are few enough lists to
enumerate, so the value of a policy is a sum and no simulation.

Level k has one entry for each list of k items, in lexicographic order, so the M − k ways to extend
an entry are neighbours at the next level. Suffixes: C contexts, P entries of a level, L lists,
M items, K positions, N slates.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations

import numpy as np

from cron.evaluation.logged_slates import (
    Floats,
    Integers,
    LoggedSlates,
    MarginalPropensities,
    PredictedRewards,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class WorldShape:
    """The size of a world, and whether a reward depends on the items above it."""

    num_contexts: int = 5
    num_items: int = 6
    num_positions: int = 3
    is_interacting: bool = True
    base: float = -1.0  # logit of the mean reward at the first position
    temperature: float = 1.0  # of the target policy: how far from the logging policy it is


@dataclass(frozen=True, slots=True, kw_only=True)
class PlantedPolicy:
    """The probability of each entry of a level given its prefix, level by level."""

    given_prefix: Sequence[Floats]

    def joint(self) -> Floats:
        """Return P(list | context), C × L."""
        joint_CP = self.given_prefix[0]
        for given_CP in self.given_prefix[1:]:
            children = given_CP.shape[1] // joint_CP.shape[1]
            joint_CP = np.repeat(joint_CP, children, axis=1) * given_CP
        return joint_CP


@dataclass(frozen=True, slots=True, kw_only=True)
class PlantedWorld:
    """Items by level, rewards by level, and both policies."""

    shape: WorldShape
    lists_LK: Integers
    reward: Sequence[Floats]  # C × P by level: P(a click) of a user of mean activity
    logging: PlantedPolicy
    target: PlantedPolicy

    def truth(self) -> float:
        """Return the target policy's mean reward of a slate; contexts are equally frequent."""
        return float((self.target.given_prefix[0] * self.continuation()[0]).sum(axis=1).mean())

    def continuation(self) -> list[Floats]:
        """Return by level the reward from its position on, under the target policy."""
        values: list[Floats] = []
        later_CP = np.zeros_like(self.reward[-1])
        for level in reversed(range(self.shape.num_positions)):
            value_CP = self.reward[level] + later_CP
            values.insert(0, value_CP)
            chosen_CP = self.target.given_prefix[level] * value_CP
            children = self.shape.num_items - level
            later_CP = chosen_CP.reshape(len(chosen_CP), -1, children).sum(axis=2)
        return values

    def entry_of(self, list_N: Integers, level: int) -> Integers:
        """Return the entry at a level that a list begins with."""
        return np.asarray(list_N // (len(self.lists_LK) // self.reward[level].shape[1]))


@dataclass(frozen=True, slots=True, kw_only=True)
class PlantedLog:
    """Served slates of a world: what was chosen, and the same as the estimators' input."""

    context_N: Integers
    list_N: Integers
    slates: LoggedSlates


def planted_world(shape: WorldShape, seed: int) -> PlantedWorld:
    """Make a world from a seed."""
    generator = np.random.default_rng(seed)
    num_contexts, num_items = shape.num_contexts, shape.num_items
    lists_LK = np.array(list(permutations(range(num_items), shape.num_positions)))
    taste_CM = generator.normal(size=(num_contexts, num_items))
    above_MM = generator.normal(scale=0.7, size=(num_items, num_items)) * shape.is_interacting
    logging_CM = generator.normal(scale=0.7, size=(num_contexts, num_items))
    reward, logging, target = [], [], []
    for level in range(shape.num_positions):
        entries_PK = np.unique(lists_LK[:, : level + 1], axis=0)
        items_P = entries_PK[:, level]
        logit_CP = shape.base - 0.3 * level + 0.6 * taste_CM[:, items_P]
        logit_CP = logit_CP + above_MM[entries_PK[:, :level], items_P[:, np.newaxis]].sum(axis=1)
        # at most 2/3, so that an active user's probability is one
        reward.append(1 / (1.5 + np.exp(-logit_CP)))
        logging.append(_plackett_luce(logging_CM[:, items_P], num_items - level))
        wanted_CM = (0.5 * logging_CM + taste_CM) / shape.temperature
        target.append(_plackett_luce(wanted_CM[:, items_P], num_items - level))
    return PlantedWorld(
        shape=shape,
        lists_LK=lists_LK,
        reward=reward,
        logging=PlantedPolicy(given_prefix=logging),
        target=PlantedPolicy(given_prefix=target),
    )


def planted_log(world: PlantedWorld, num_users: int, seed: int) -> PlantedLog:
    """Serve slates by the logging policy: one to seven for each user."""
    generator = np.random.default_rng(seed)
    user_N = np.repeat(np.arange(num_users), 1 + generator.binomial(6, 0.25, size=num_users))
    activity_N = generator.choice([0.5, 1.5], size=num_users)[user_N]
    context_N = generator.integers(world.shape.num_contexts, size=len(user_N))
    cumulated_CL = world.logging.joint().cumsum(axis=1)
    draw_N1 = generator.random((len(user_N), 1)) * cumulated_CL[context_N, -1:]
    list_N = (cumulated_CL[context_N] <= draw_N1).sum(axis=1)
    num_positions = world.shape.num_positions
    shape = (len(user_N), num_positions)
    columns = {name: np.empty(shape) for name in ("reward", "logging", "target")}
    for level in range(num_positions):
        place = context_N, world.entry_of(list_N, level)
        chance_N = world.reward[level][place] * activity_N
        columns["reward"][:, level] = generator.random(len(user_N)) < chance_N
        columns["logging"][:, level] = world.logging.given_prefix[level][place]
        columns["target"][:, level] = world.target.given_prefix[level][place]
    slates = LoggedSlates(
        slate_R=np.repeat(np.arange(len(user_N)), num_positions),
        position_R=np.tile(np.arange(num_positions), len(user_N)),
        user_R=np.repeat(user_N, num_positions),
        reward_R=columns["reward"].ravel(),
        logging_R=columns["logging"].ravel(),
        target_R=columns["target"].ravel(),
        marginal=_marginals(world, context_N, list_N),
        predicted=_predictions(world, context_N, list_N),
    )
    return PlantedLog(context_N=context_N, list_N=list_N, slates=slates)


def prediction(world: PlantedWorld) -> list[Floats]:
    """Return by level the predictions of a reward model that is 30 % too low for odd items."""
    values = []
    for level, value_CP in enumerate(world.continuation()):
        entries_PK = np.unique(world.lists_LK[:, : level + 1], axis=0)
        values.append(value_CP * np.where(entries_PK[:, level] % 2, 0.7, 1.0))
    return values


def marginal(world: PlantedWorld, policy: PlantedPolicy) -> Floats:
    """Return P(item at position | context), C × K × M."""
    joint_CL = policy.joint()
    found_CKM = np.zeros((len(joint_CL), world.shape.num_positions, world.shape.num_items))
    for position, item_L in enumerate(world.lists_LK.T):
        for item in range(world.shape.num_items):
            found_CKM[:, position, item] = joint_CL[:, item_L == item].sum(axis=1)
    return found_CKM


def _plackett_luce(score_CP: Floats, num_children: int) -> Floats:
    """Return the softmax among the entries that extend the same prefix."""
    odds = np.exp(score_CP).reshape(len(score_CP), -1, num_children)
    return np.asarray((odds / odds.sum(axis=2, keepdims=True)).reshape(score_CP.shape))


def _marginals(world: PlantedWorld, context_N: Integers, list_N: Integers) -> MarginalPropensities:
    place = context_N[:, np.newaxis], np.arange(world.shape.num_positions), world.lists_LK[list_N]
    return MarginalPropensities(
        logging_R=np.minimum(1.0, marginal(world, world.logging)[place].ravel()),
        target_R=np.minimum(1.0, marginal(world, world.target)[place].ravel()),
    )


def _predictions(world: PlantedWorld, context_N: Integers, list_N: Integers) -> PredictedRewards:
    shape = (len(list_N), world.shape.num_positions)
    logged_NK, target_NK = np.empty(shape), np.empty(shape)
    for level, value_CP in enumerate(prediction(world)):
        children = world.shape.num_items - level
        chosen_CP = world.target.given_prefix[level] * value_CP
        mean_CP = chosen_CP.reshape(len(chosen_CP), -1, children).sum(axis=2)
        entry_N = world.entry_of(list_N, level)
        logged_NK[:, level] = value_CP[context_N, entry_N]
        target_NK[:, level] = mean_CP[context_N, entry_N // children]
    return PredictedRewards(logged_R=logged_NK.ravel(), target_R=target_NK.ravel())
