"""What choosing an item of a served list was worth, and lists that cannot be read."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.planted import START_US, PlantedSlate, write_slates
from trainer.config import PolicyGradientConfig
from trainer.data.dataset import SnapshotError
from trainer.data.slates import ServedSlates, credits_of, read_slates

DAY_US = 86_400_000_000
CONFIG = PolicyGradientConfig(discount=0.5)


def slate(
    day: float, rewards: tuple[float, ...], *, user_id: str = "u", propensity: float | None = 0.5
) -> PlantedSlate:
    return PlantedSlate(
        user_id=user_id,
        at_us=START_US + int(day * DAY_US),
        items=tuple(f"i{place}" for place in range(len(rewards))),
        propensities=(propensity,) * len(rewards),
        rewards=rewards,
    )


def read(folder: Path, *slates: PlantedSlate) -> ServedSlates:
    write_slates(folder / "slates.parquet", slates)
    return read_slates(folder / "slates.parquet")


def test_a_choice_is_compared_with_choosing_nothing(tmp_path: Path) -> None:
    slates = read(
        tmp_path,
        slate(0, (0.0, 1.0)),  # followed by 0 and then 2
        slate(1, (0.0, 0.0)),  # nothing was chosen, and 2 followed
        slate(2, (2.0, 0.0)),  # the last of the session
        slate(9, (4.0, 0.0)),  # another session
        slate(0, (1.0, 0.0), user_id="v"),
    )
    later, idle = 0.5 * (0.0 + 0.5 * 2.0), 0.5 * 2.0
    worth = np.array([0.0, 1.0 + later - idle, 0, 0, 2.0 - idle, 0, 4.0 - idle, 0, 1.0 - idle, 0])
    chosen = worth[[1, 4, 6, 8]]
    expected = worth / np.sqrt(np.square(chosen).mean())
    assert credits_of(slates, CONFIG) == pytest.approx(expected)


def test_a_discount_of_zero_counts_immediate_rewards(tmp_path: Path) -> None:
    slates = read(tmp_path, slate(0, (1.0, 0.0)), slate(1, (0.0, 3.0)))
    credit_I = credits_of(slates, PolicyGradientConfig(discount=0.0))
    assert credit_I == pytest.approx(np.array([1.0, 0.0, 0.0, 3.0]) / np.sqrt(5.0))


@given(st.lists(st.sampled_from([0.0, 1.0, 2.5]), min_size=1, max_size=12), st.floats(0.01, 100.0))
def test_credits_do_not_depend_on_the_currency(rewards: list[float], rate: float) -> None:
    slates = ServedSlates(
        user_ids_J=np.array(["u"] * len(rewards), dtype=object),
        at_s_J=np.arange(len(rewards), dtype=np.float64),
        bounds=np.arange(len(rewards) + 1),
        item_ids_I=np.array(["i"] * len(rewards), dtype=object),
        propensity_I=np.full(len(rewards), 0.5),
        reward_I=np.array(rewards),
    )
    exchanged = ServedSlates(
        user_ids_J=slates.user_ids_J,
        at_s_J=slates.at_s_J,
        bounds=slates.bounds,
        item_ids_I=slates.item_ids_I,
        propensity_I=slates.propensity_I,
        reward_I=slates.reward_I * rate,
    )
    credit_I = credits_of(slates, CONFIG)
    assert np.isfinite(credit_I).all()
    assert credits_of(exchanged, CONFIG) == pytest.approx(credit_I, abs=1e-6)


def test_slates_are_sorted_and_pins_have_no_propensity(tmp_path: Path) -> None:
    slates = read(
        tmp_path,
        slate(5, (1.0,), user_id="v"),
        slate(3, (0.0, 1.0), propensity=None),
        slate(1, (0.0,)),
    )
    assert slates.user_ids_J.tolist() == ["u", "u", "v"]
    assert slates.bounds.tolist() == [0, 1, 3, 4]
    assert np.isnan(slates.propensity_I).tolist() == [False, True, True, False]


@pytest.mark.parametrize("propensity", [0.0, 1.5])
def test_an_impossible_propensity_is_refused(tmp_path: Path, propensity: float) -> None:
    with pytest.raises(SnapshotError, match="a propensity is above 0 and at most 1"):
        read(tmp_path, slate(0, (1.0,), propensity=propensity))


def test_a_file_without_slates_is_read(tmp_path: Path) -> None:
    slates = read(tmp_path)
    assert (len(slates), len(credits_of(slates, CONFIG))) == (0, 0)
