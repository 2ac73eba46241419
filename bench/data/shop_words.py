"""The words of a made-up shop: titles, texts that say an item's group, and attributes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


KINDS = _words(
    """
    kettle lamp chair desk shelf mirror rug pillow blanket curtain vase clock basket candle
    frame jacket shirt dress skirt boots sandals scarf gloves belt hat backpack wallet watch
    ring necklace tent lantern cooler bicycle helmet racket skateboard kayak puzzle drum
    guitar flute camera speaker keyboard charger printer drill hammer ladder
    """
)
USES = _words(
    """
    kitchen garden office bedroom bathroom travel camping running hiking fishing school
    wedding baby winter summer beach gaming studio garage balcony
    """
)
MATERIALS = _words(
    """
    oak steel cotton leather ceramic glass bamboo wool copper linen
    """
)
LOOKS = _words(
    """
    plain modern classic rustic compact foldable quiet bright slim sturdy light portable
    striped painted woven polished handmade vintage minimal colourful
    """
)
COLOURS = _words(
    """
    black white red blue green grey yellow brown orange purple
    """
)
_SYLLABLES = _words(
    """
    ba do ki lu mar nel or pe qua ri so ten ul va wi zan
    """
)
NUM_BRANDS = 1_000
PRICES = ("under 10", "10 to 25", "25 to 50", "50 to 100", "over 100")
_PRICE_SHARES = (0.2, 0.3, 0.25, 0.15, 0.1)


def group_words(group: int) -> tuple[str, str, str]:
    """Return the material, use and kind of a group; together they are its own.

    There are as many combinations as the product of the three lists: 10,000.
    """
    kind = KINDS[group % len(KINDS)]
    use = USES[group // len(KINDS) % len(USES)]
    material = MATERIALS[group // (len(KINDS) * len(USES)) % len(MATERIALS)]
    return material, use, kind


def item_columns(
    first: int, groups_N: NDArray[np.int64], generator: np.random.Generator
) -> Mapping[str, Sequence[str]]:
    """Return the columns of consecutive items, of which `first` is the first item's number.

    A group mostly has its own five brands.
    """
    num = len(groups_N)
    own_N = (groups_N * 5 + generator.integers(0, 5, num)) % NUM_BRANDS
    brands_N = np.where(generator.random(num) < 0.8, own_N, generator.integers(0, NUM_BRANDS, num))
    looks_N, colours_N = (generator.integers(0, len(words), num) for words in (LOOKS, COLOURS))
    prices_N = generator.choice(len(PRICES), num, p=_PRICE_SHARES)
    columns: dict[str, list[str]] = {
        name: [] for name in ("item_id", "title", "text", "category", "brand", "price")
    }
    drawn = zip(
        groups_N.tolist(),
        brands_N.tolist(),
        looks_N.tolist(),
        colours_N.tolist(),
        prices_N.tolist(),
        strict=True,
    )
    for number, (group, brand_number, look, colour, price) in enumerate(drawn, start=first):
        material, use, kind = group_words(group)
        brand = brand_name(brand_number)
        columns["item_id"].append(f"i{number}")
        columns["title"].append(f"{brand} {LOOKS[look]} {kind} {number}")
        columns["text"].append(f"{COLOURS[colour]} {material} {kind} for {use}")
        columns["category"].append(kind)
        columns["brand"].append(brand)
        columns["price"].append(PRICES[price])
    return columns


def brand_name(number: int) -> str:
    """Return a brand's name, three syllables that no other brand has together."""
    base = len(_SYLLABLES)
    places = (number % base, number // base % base, number // base**2 % base)
    return "".join(_SYLLABLES[place] for place in places).capitalize()
