"""A simulated shop, in which what a user wants depends on the context.

Each user has a favourite action. It earns a reward with probability 1/2, any other one with 1/10.
The existing logic always shows the same action.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

from cron.contextual.choice import ActionChoice, ActionQuestion, Mode, choose
from cron.contextual.features import FeatureVector, hash_features
from cron.contextual.learner import learn
from cron.contextual.linear_model import LinearModel
from cron.contextual.policy_values import ValueTotals

NUM_USERS, NUM_ACTIONS = 6, 6
FAVOURITE, OTHER = 0.5, 0.1
ORACLE = FAVOURITE
BASELINE = (FAVOURITE + 5 * OTHER) / 6  # of one action, the favourite of one user of six
RANDOM = (FAVOURITE + 5 * OTHER) / 6


@dataclass(kw_only=True)
class ActionShop:
    """Visitors that come one after the other, and a model that learns from each."""

    seed: int
    epsilon: float = 0.2
    model: LinearModel = field(default_factory=LinearModel)
    totals: ValueTotals = field(default_factory=ValueTotals)

    def __post_init__(self) -> None:
        self._random = Random(self.seed)
        self._favourite = self._random.sample(range(NUM_ACTIONS), NUM_USERS)
        self._num = 0

    def visits(self, num: int, mode: Mode = "online") -> list[float]:
        """Serve visitors, learn from each, and return their expected rewards."""
        return [self._visit(mode) for _ in range(num)]

    def agreement(self) -> float:
        """Return the share of users to whom the model would show what the existing logic does."""
        choices = [self._choose(user, "apprentice") for user in range(NUM_USERS)]
        return sum(one.example.agreement for one in choices) / NUM_USERS

    def _visit(self, mode: Mode) -> float:
        user = self._random.randrange(NUM_USERS)
        choice = self._choose(user, mode)
        expected = FAVOURITE if choice.chosen == self._favourite[user] else OTHER
        reward = float(self._random.random() < expected)
        self.totals = learn(self.model, self.totals, [(choice.example, reward)])
        self._num += 1
        return expected

    def _choose(self, user: int, mode: Mode) -> ActionChoice:
        question = ActionQuestion(
            context=context(user=f"user {user}", hour=self._num % 24),
            actions=ACTIONS,
            allowed=[True] * NUM_ACTIONS,
            baseline=0,
        )
        seed = f"{self.seed}-{self._num}"
        return choose(self.model, question, mode=mode, epsilon=self.epsilon, seed=seed)


def context(**features: object) -> FeatureVector:
    """Return the features of a context."""
    return hash_features("context", [features])


def action(**features: object) -> FeatureVector:
    """Return the features of an action."""
    return hash_features("action", [features])


ACTIONS = [action(name=f"action {number}") for number in range(NUM_ACTIONS)]
