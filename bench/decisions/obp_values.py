"""The values of sb-obp's estimators on the logs that ours are compared on."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from bench.decisions.obp_library import ObpLibrary
from bench.decisions.open_bandit import BanditLog
from bench.decisions.planted_slates import PlantedLog, PlantedWorld, prediction
from cron.evaluation.logged_slates import Floats


def choice_values(
    library: ObpLibrary,
    log: BanditLog,
    target_AK: Floats,
    predicted_NA: Floats,
    *,
    clip: float | None = None,
) -> Mapping[str, float]:
    """Return sb-obp's values of single choices, by our names of the estimators.

    sb-obp clips the estimators of which it has a clipped form: IPS and DR.
    """
    num_rows = len(log.item_N)
    arguments = {
        "reward": log.click_N,
        "action": log.item_N,
        "pscore": log.propensity_N,
        "action_dist": np.broadcast_to(target_AK, (num_rows, *target_AK.shape)),
        "position": log.position_N,
        "estimated_rewards_by_reg_model": np.repeat(
            predicted_NA[:, :, np.newaxis], target_AK.shape[1], axis=2
        ),
    }
    module, greatest = library.estimators, np.inf if clip is None else clip
    peers = {
        "ips": module.InverseProbabilityWeighting(lambda_=greatest),
        "doubly_robust": module.DoublyRobust(lambda_=greatest),
    }
    if clip is None:
        peers["snips"] = module.SelfNormalizedInverseProbabilityWeighting()
        peers["direct"] = module.DirectMethod()
    return {name: float(peer.estimate_policy_value(**arguments)) for name, peer in peers.items()}


def slate_values(library: ObpLibrary, world: PlantedWorld, log: PlantedLog) -> Mapping[str, float]:
    """Return sb-obp's values of slates, by our names of the estimators."""
    slates, num_positions = log.slates, world.shape.num_positions
    assert slates.marginal is not None
    logging_NK, target_NK = (
        values_R.reshape(-1, num_positions) for values_R in (slates.logging_R, slates.target_R)
    )
    rows = {"slate_id": slates.slate_R, "reward": slates.reward_R, "position": slates.position_R}
    whole = _pair("", logging_NK.prod(axis=1), target_NK.prod(axis=1), num_positions)
    prefix = _pair("_cascade", logging_NK.cumprod(axis=1), target_NK.cumprod(axis=1), 1)
    marginal = _pair("_item_position", slates.marginal.logging_R, slates.marginal.target_R, 1)
    module = library.slate_estimators
    families = (
        ("ips", module.SlateStandardIPS, whole),
        ("snips", module.SelfNormalizedSlateStandardIPS, whole),
        ("independent_ips", module.SlateIndependentIPS, marginal),
        ("independent_snips", module.SelfNormalizedSlateIndependentIPS, marginal),
        ("interaction_ips", module.SlateRewardInteractionIPS, prefix),
        ("interaction_snips", module.SelfNormalizedSlateRewardInteractionIPS, prefix),
    )
    values = {}
    for name, peer, propensities in families:
        estimator = peer(len_list=num_positions)
        values[name] = float(estimator.estimate_policy_value(**rows, **propensities))
    cascade = module.SlateCascadeDoublyRobust(
        len_list=num_positions, n_unique_action=world.shape.num_items
    )
    values["doubly_robust"] = float(
        cascade.estimate_policy_value(**rows, **prefix, **_all_items(world, log))
    )
    return values


def _pair(suffix: str, logging: Floats, target: Floats, repeats: int) -> Mapping[str, Floats]:
    """Return both propensities by the names that sb-obp has for them, one a row."""
    return {
        f"pscore{suffix}": np.repeat(logging.ravel(), repeats),
        f"evaluation_policy_pscore{suffix}": np.repeat(target.ravel(), repeats),
    }


def _all_items(world: PlantedWorld, log: PlantedLog) -> Mapping[str, object]:
    """Return predictions and target probabilities of all items at each row, as cascade DR needs.

    An item that is in the list above has probability 0.
    """
    shape = world.shape
    lists_NK = world.lists_LK[log.list_N]
    full = (len(lists_NK), shape.num_positions, shape.num_items)
    predicted_NKM, chance_NKM = np.zeros(full), np.zeros(full)
    for level, value_CP in enumerate(prediction(world)):
        children = shape.num_items - level
        first_N = world.entry_of(log.list_N, level) // children * children
        entry_NP = first_N[:, np.newaxis] + np.arange(children)
        entries_PK = np.unique(world.lists_LK[:, : level + 1], axis=0)
        place = np.arange(len(lists_NK))[:, np.newaxis], level, entries_PK[entry_NP, level]
        context_N1 = log.context_N[:, np.newaxis]
        predicted_NKM[place] = value_CP[context_N1, entry_NP]
        chance_NKM[place] = world.target.given_prefix[level][context_N1, entry_NP]
    return {
        "action": lists_NK.ravel(),
        "q_hat": predicted_NKM.ravel(),
        "evaluation_policy_action_dist": chance_NKM.ravel(),
    }
