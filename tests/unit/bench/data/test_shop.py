"""The generated shop has what is planted, depends on its seed, and needs no options."""

from pathlib import Path

import numpy as np

from bench.data.planted import TYPES, Events, Shop
from bench.data.shop import main
from bench.data.shop_words import brand_name, group_words
from sources.formats import open_source


def whole(shop: Shop, num_blocks: int) -> list[Events]:
    return [shop.block(number, num_blocks) for number in range(num_blocks)]


def test_a_shop_has_exactly_the_events_asked_for_in_time_order() -> None:
    blocks = whole(Shop(500, 10_007), 3)
    assert sum(map(len, blocks)) == 10_007
    assert all((np.diff(block.at_E) >= 0).all() for block in blocks)
    assert {TYPES[code] for code in blocks[0].types_E} == set(TYPES)
    rated_E = ~np.isnan(blocks[0].ratings_E)
    assert (rated_E == (blocks[0].types_E == TYPES.index("rating"))).all()


def test_the_seed_decides_every_event() -> None:
    one, same, other = (Shop(300, 2_000, seed=seed).block(0, 1) for seed in (1, 1, 2))
    assert (one.items_E == same.items_E).all()
    assert (one.at_E == same.at_E).all()
    assert (one.items_E != other.items_E).any()


def test_users_mostly_meet_the_groups_of_their_tastes() -> None:
    """With 50 groups, three tastes cover 6 % of the items by chance."""
    shop = Shop(5_000, 20_000)
    events = shop.block(0, 1)
    tastes_ET = shop.tastes(events.users_E, events.at_E)
    met = (shop.groups_N[events.items_E][:, None] == tastes_ET).any(1).mean()
    assert 0.6 < met < 0.75


def test_tastes_drift_one_by_one() -> None:
    shop = Shop(50_000, 400_000)
    users = np.arange(2_000)
    began, ended = (
        shop.tastes(users, np.full(2_000, at))
        for at in (1_767_225_600, 1_767_225_600 + 60 * 86_400)
    )
    stayed = (began == ended).mean()
    assert 0.4 < stayed < 0.6  # half of a taste's time has passed


def test_few_items_get_many_events() -> None:
    events = Shop(2_000, 50_000).block(0, 1)
    counts = np.sort(np.bincount(events.items_E, minlength=2_000))[::-1]
    assert counts[:20].sum() > 0.1 * len(events)
    assert counts[1_000:].sum() < 0.35 * len(events)


def test_a_written_shop_is_read_without_options(tmp_path: Path) -> None:
    folder = tmp_path / "shop"
    assert main(["--items", "40", "--events", "600", str(folder)]) == 0
    assert main(["--items", "40", "--events", "600", str(folder)]) == 1, "the folder exists"
    source = open_source(folder)
    assert (len(source.events), source.num_items, source.rejects) == (600, 40, ())
    first = next(iter(source.items))
    material, use, kind = group_words(int(Shop(40, 600).groups_N[0]))
    assert f"{material} {kind} for {use}" in str(first["text"])
    assert isinstance(first["attributes"], dict)
    assert sorted(first["attributes"]) == ["brand", "category", "price"]


def test_groups_and_brands_have_names_of_their_own() -> None:
    assert len({group_words(group) for group in range(5_000)}) == 5_000
    assert len({brand_name(number) for number in range(1_000)}) == 1_000
