"""`visit`: let simulated visitors look at a placement's lists, click and buy.

It is for trying placements, policies and experiments before real visitors come. What the visitors
like and do is `cron.verbs.visitors.behaviour`; they use only the public API.
"""

from __future__ import annotations

import argparse
import random
import time
from collections import Counter
from collections.abc import Mapping

from cron.errors import FreshetError
from cron.settings.file import Loaded
from cron.verbs.gateway_calls import add_url_argument
from cron.verbs.numbers import whole_number
from cron.verbs.pace import even_batches
from cron.verbs.table import count, table
from cron.verbs.visitors.behaviour import (
    Values,
    tastes_for,
    telling_attribute,
    texts_of,
)
from cron.verbs.visitors.shop_window import ShopWindow
from recommender.long_work import progress_bar, say_beside_bar

SUMMARY = "let simulated visitors look at lists, click and buy"

MOST_ITEMS = 100_000  # whose attributes are read; the others are liked by nobody
MAX_BURST = 10  # visits one right after the other


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--placement", metavar="NAME", help="the place whose lists they see")
    parser.add_argument(
        "--visits", type=whole_number, default=1000, metavar="N", help="how many (default 1000)"
    )
    parser.add_argument(
        "--visitors",
        type=whole_number,
        default=200,
        metavar="N",
        help="how many different visitors (default 200)",
    )
    parser.add_argument(
        "--speed", type=whole_number, default=20, metavar="N", help="visits per second (default 20)"
    )
    parser.add_argument("--k", type=whole_number, default=10, metavar="N", help="items of a list")
    parser.add_argument(
        "--likes",
        metavar="ATTRIBUTE",
        help="the attribute whose values a visitor likes (default: the one that most items have)",
    )
    parser.add_argument(
        "--seed", type=int, default=0, metavar="N", help="other visitors for another seed"
    )
    add_url_argument(parser)


def run(arguments: argparse.Namespace, loaded: Loaded) -> int:
    """Send the visitors and print what they did."""
    acts_by = dict[str, Counter[str]]()
    with (
        progress_bar("visiting", unit=" visits", total=arguments.visits) as bar,
        ShopWindow(arguments.url, loaded.settings.gateway, say=say_beside_bar) as window,
    ):
        values = _values(window, arguments.likes)
        tastes, draw = tastes_for(values), random.Random(arguments.seed)
        for batch in even_batches(
            range(arguments.visits),
            arguments.speed,
            max_batch=MAX_BURST,
            clock=time.monotonic,
            sleep=time.sleep,
        ):
            for _ in batch:
                visitor = tastes.visitor(draw.randrange(arguments.visitors), seed=arguments.seed)
                shown = window.show(visitor.user_id, placement=arguments.placement, k=arguments.k)
                acts = visitor.acts(shown.item_ids, values, draw)
                window.record(visitor.user_id, shown, acts)
                counts = acts_by.setdefault(shown.shown_by, Counter())
                counts.update(["visit", *(act.type for act in acts)])
            bar.update(len(batch))
    _print(acts_by)
    return 0


def _values(window: ShopWindow, attribute: str | None) -> Values:
    """Return the values of the attribute that tastes are made of, by item."""
    items = window.attributes(at_most=MOST_ITEMS)
    name = attribute or telling_attribute(list(items.values()))
    found = {item_id: texts_of(one.get(name or "")) for item_id, one in items.items()}
    if not any(found.values()):
        raise FreshetError(
            "the visitors need an attribute to like, and no item has "
            + (f"texts as {attribute!r}" if attribute else "one with at most 200 different texts")
            + "; send items with attributes, or name another one with --likes"
        )
    return found


def _print(acts_by: Mapping[str, Counter[str]]) -> None:
    print(f"{count(sum(acts['visit'] for acts in acts_by.values()), 'visit')}:")
    rows = []
    for shown_by, acts in sorted(acts_by.items()):
        looked = sum(acts[type_] for type_ in ("impression", "click"))
        rate = f"{acts['click'] / looked:.1%}" if looked else "–"
        numbers = [acts["visit"], looked, acts["click"]]
        rows.append([shown_by, *(f"{one:,}" for one in numbers), rate, f"{acts['purchase']:,}"])
    print(table(["shown by", "visits", "looked at", "clicks", "click rate", "purchases"], rows))
