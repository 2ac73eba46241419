"""The English templates, as an editor would write them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from copywriter.brief import Tone
from copywriter.templates.material import ItemMaterial, Material, Tie
from copywriter.templates.wordings import Group, GroupsOfKinds, in_tone
from copywriter.wording.roles import RoleName

# a tie by name and without one: {name} and {title}
_SAME: dict[RoleName, tuple[str, str]] = {
    "director": ("Directed by {name}, like {title}.", "From the director of {title}."),
    "cast": ("Starring {name}, as in {title}.", "With an actor from {title}."),
    "writer": ("Written by {name}, like {title}.", "From the writer of {title}."),
    "music": ("Music by {name}, as in {title}.", "From the composer of {title}."),
    "producer": ("Produced by {name}, like {title}.", "From the producer of {title}."),
    "brand": ("Made by {name}, like {title}.", "From the maker of {title}."),
    "artist": ("By {name}, like {title}.", "From the artist behind {title}."),
    "genre": ("On the same subject as {title}: {name}.", "On the same subject as {title}."),
    "camera": ("With {name} behind the camera, as in {title}.", ""),
    "company": ("From {name}, like {title}.", "From the makers of {title}."),
}


def _reason_lines(material: Material, tone: Tone) -> Iterator[Group]:
    for tie in material.ties:
        yield _tie_lines(tie)
    near = [_quote(one) for one in material.near]
    if near and material.shared:
        shared = _list(material.shared)
        yield in_tone(
            tone,
            plain=(
                f"More {shared}, since {near[0]} caught your eye.",
                f"Close to {near[0]}: {shared} again.",
                f"{_capital(shared)}, as in {near[0]}.",
            ),
            warm=(
                f"You may like this one: {shared}, in the spirit of {near[0]}.",
                f"If {near[0]} was for you, here comes more {shared}.",
            ),
            lively=(
                f"More {shared}, straight after {near[0]}!",
                f"{near[0]}, and now this: {shared}!",
            ),
        )
    elif near and material.items and material.items[0].genres:
        genres = _list(material.items[0].genres[:2])
        yield in_tone(
            tone,
            plain=(
                f"{_capital(genres)}, close to {near[0]}.",
                f"Close to {near[0]}: {genres}.",
                f"{_capital(genres)}, in the spirit of {near[0]}.",
            ),
            warm=(f"{_capital(genres)}, to go with {near[0]}.",),
            lively=(f"After {near[0]}: {genres}!",),
        )
    if len(near) > 1:
        yield (f"Close to {near[0]} and {near[1]}.", f"In the spirit of {near[0]} and {near[1]}.")
    if near:
        yield in_tone(
            tone,
            plain=(
                f"Because {near[0]} caught your eye.",
                f"In the spirit of {near[0]}.",
                f"Close to {near[0]}, which caught your eye.",
            ),
            warm=(f"If {near[0]} was for you, try this one.", f"Goes well with {near[0]}."),
            lively=(f"Next up after {near[0]}!", f"More like {near[0]}!"),
        )
        yield (f"Like {near[0]}.",)
    yield from _without_history(material, tone)


def _without_history(material: Material, tone: Tone) -> Iterator[Group]:
    audience = _list(material.audience)
    if material.is_popular_in_audience and audience:
        yield (f"Popular with fans of {audience}.",)
    if material.is_popular:
        yield in_tone(
            tone,
            plain=(
                "Popular with visitors of this shop.",
                "Popular here.",
                "A popular choice here.",
            ),
            warm=("Many visitors enjoy this popular title.", "A popular choice among visitors."),
            lively=("Popular here, and easy to see why!", "A popular pick!"),
        )
    if material.is_new:
        yield in_tone(
            tone,
            plain=("New here.", "New in the shop.", "New, and waiting to be discovered."),
            warm=("New here, and waiting for you.",),
            lively=("New here: be curious!",),
        )
    if audience:
        yield (f"For fans of {audience}.",)
    for item in material.items[:1]:
        if item.genres:
            yield tuple(f"{_capital(one)}." for one in _what_it_is(item))
    yield ("Worth a look.", "Have a look at this one.", "Something to discover.")
    yield ("Worth a look.",)


def _tie_lines(tie: Tie) -> Group:
    title = _quote(tie.title)
    if tie.is_direct:
        return (f"Belongs together with {title}.", f"Goes together with {title}.")
    if tie.role is None:  # a relation of the shop's own: its name may be no words
        return (f"In common with {title}: {tie.name}.",) if tie.name else ()
    by_name, without = _SAME.get(tie.role, ("", ""))  # the same year or country is no reason
    words = by_name if tie.name else without
    return (words.format(name=tie.name, title=title),) if words else ()


def _blurbs(material: Material, tone: Tone) -> Iterator[Group]:
    for item in material.items[:1]:
        audience = f" For fans of {_list(material.audience)}." if material.audience else ""
        credits = " ".join(_credits(item))
        genres = _list(item.genres)
        name = _title_and_year(item)
        if name is None:
            whole = _sentences(f"{_capital(genres)}.", credits, audience.strip())
            yield (whole,) if genres else ()
            yield (credits,) if credits else ()
            continue
        head = f"{name}: {genres}." if genres else f"{name}."
        if tone == "lively" and genres:
            head = f"{name}: {genres}!"
        for parts in ((head, credits, audience.strip()), (head, credits), (head, audience.strip())):
            yield (_sentences(*parts),)
        yield (head,)
        yield (f"{_quote(item.title or '')}.",)
    yield from _without_history(material, tone)


def _credits(item: ItemMaterial) -> Iterator[str]:
    if item.directors:
        yield f"Directed by {_list(item.directors)}."
    if item.cast:
        yield f"Starring {_list(item.cast)}."
    if item.brand:
        yield f"Made by {item.brand}."


def _row_titles(material: Material, _tone: Tone) -> Iterator[Group]:
    for tie in material.ties:
        if tie.name and tie.role in ("director", "writer", "artist", "brand"):
            yield (f"More from {tie.name}",)
    if material.near and material.shared:
        yield (f"More {_list(material.shared)}, after {_quote(material.near[0])}",)
    if material.near:
        yield (f"Because {_quote(material.near[0])} caught your eye",)
        yield (f"More like {_quote(material.near[0])}",)
    if material.shared:
        yield (f"More {_list(material.shared)} for you",)
    if material.audience:
        yield (f"For fans of {_list(material.audience)}",)
    if material.is_popular:
        yield ("Popular with visitors", "Popular here")
    if material.is_new:
        yield ("New here", "New in the shop")
    yield ("Worth a look",)


def _newsletters(material: Material, tone: Tone) -> Iterator[Group]:
    """Name as many items as fit, the first ones first."""
    opening = {
        "plain": "In this edition",
        "warm": "A few titles for you",
        "lively": "Ready for more",
    }[tone]
    closing = next(_newsletter_closings(material), "")
    named = [one for one in dict.fromkeys(map(_in_newsletter, material.items)) if one]
    for size in range(len(named), 0, -1):
        text = f"{opening}: {_items(named[:size])}."
        yield (f"{text} {closing}".strip(),)
        yield (text,)
    yield ("A few titles worth a look.", "Worth a look.")


def _newsletter_closings(material: Material) -> Iterator[str]:
    if material.near:
        yield f"Because {_quote(material.near[0])} caught your eye."
    if material.audience:
        yield f"For fans of {_list(material.audience)}."


def _in_newsletter(item: ItemMaterial) -> str:
    name = _title_and_year(item)
    if name is None:
        return ""
    return f"{name}, {_list(item.genres[:2])}" if item.genres else name


def _title_and_year(item: ItemMaterial) -> str | None:
    """Return the title in quotation marks with its year, if the title can be quoted."""
    if item.title is None:
        return None
    return f"{_quote(item.title)} ({item.year})" if item.year else _quote(item.title)


def _what_it_is(item: ItemMaterial) -> Group:
    genres = _list(item.genres)
    if item.year:
        return (f"{genres}, from {item.year}", f"{genres}, made in {item.year}")
    return (f"{genres}, and worth a look", f"{genres}, to discover")


def _quote(title: str) -> str:
    return f"“{title}”"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _sentences(*parts: str) -> str:
    return " ".join(part for part in parts if part)


def _list(values: Sequence[str]) -> str:
    """Return "a, b and c"."""
    if len(values) < 2:
        return "".join(values)
    return f"{', '.join(values[:-1])} and {values[-1]}"


def _items(values: Sequence[str]) -> str:
    """Return "a, with x; and b, with y": parts that have commas of their own."""
    if len(values) < 2:
        return "".join(values)
    return f"{'; '.join(values[:-1])}; and {values[-1]}"


GROUPS: GroupsOfKinds = {
    "reason_line": _reason_lines,
    "item_blurb": _blurbs,
    "row_title": _row_titles,
    "newsletter": _newsletters,
}
