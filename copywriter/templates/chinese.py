"""The Chinese templates, as an editor would write them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from copywriter.brief import Tone
from copywriter.templates.material import ItemMaterial, Material, Tie
from copywriter.templates.wordings import Group, GroupsOfKinds, in_tone
from copywriter.wording.roles import RoleName

# a tie by name and without one: {name} and {title}
_SAME: dict[RoleName, tuple[str, str]] = {
    "director": ("与{title}同为{name}执导。", "与{title}出自同一位导演。"),
    "cast": ("和{title}一样，由{name}主演。", "与{title}有相同的主演。"),
    "writer": ("与{title}同为{name}编剧。", "与{title}出自同一位编剧。"),
    "music": ("和{title}一样，由{name}配乐。", "与{title}出自同一位作曲家。"),
    "producer": ("与{title}同为{name}制片。", "与{title}出自同一位制片人。"),
    "brand": ("与{title}同属{name}。", "与{title}出自同一品牌。"),
    "artist": ("与{title}一样，来自{name}。", "与{title}出自同一位艺术家。"),
    "genre": ("与{title}题材相同：{name}。", "与{title}题材相同。"),
    "camera": ("和{title}一样，由{name}掌镜。", ""),
    "company": ("和{title}一样，由{name}出品。", "与{title}出自同一家。"),
}


def _reason_lines(material: Material, tone: Tone) -> Iterator[Group]:
    is_work = material.is_work
    this = "这部" if is_work else "这款"
    for tie in material.ties:
        yield _tie_lines(tie, is_work=is_work)
    near = [_quote(one, is_work=is_work) for one in material.near]
    if near and material.shared:
        shared = _list(material.shared)
        yield in_tone(
            tone,
            plain=(
                f"你关注过{near[0]}，{this}同样有{shared}元素。",
                f"与{near[0]}相近，同属{shared}。",
                f"延续{near[0]}的{shared}风格。",
            ),
            warm=(
                f"如果{near[0]}合你心意，{this}{shared}也值得一试。",
                f"喜欢{near[0]}的话，不妨再来点{shared}。",
            ),
            lively=(f"{near[0]}之后，再来点{shared}吧！", f"先有{near[0]}，再有{this}{shared}！"),
        )
    elif near and material.items and material.items[0].genres:
        genres = _list(material.items[0].genres[:2])
        yield in_tone(
            tone,
            plain=(f"{genres}，与{near[0]}相近。", f"与{near[0]}相近的{genres}。"),
            warm=(f"如果{near[0]}合你心意，也看看{this}{genres}。",),
            lively=(f"{near[0]}之后，换点{genres}吧！",),
        )
    if len(near) > 1:
        yield (f"与{near[0]}和{near[1]}风格相近。",)
    if near:
        yield in_tone(
            tone,
            plain=(f"因为你关注过{near[0]}。", f"与{near[0]}风格相近。"),
            warm=(f"如果{near[0]}合你心意，不妨试试{this}。",),
            lively=(f"{near[0]}之后，就看{this}！",),
        )
    yield from _without_history(material, tone)


def _without_history(material: Material, tone: Tone) -> Iterator[Group]:
    audience = _list(material.audience)
    if material.is_popular_in_audience and audience:
        yield (f"深受{audience}爱好者欢迎。",)
    if material.is_popular:
        yield in_tone(
            tone,
            plain=("深受本店访客欢迎。", "本店热门之选。"),
            warm=("许多访客都喜欢的热门之选。",),
            lively=("本店热门，一起来看！",),
        )
    if material.is_new:
        yield in_tone(
            tone,
            plain=("新上架，等你发现。",),
            warm=("新上架，期待你的光临。",),
            lively=("新上架，快来看看！",),
        )
    if audience:
        yield (f"适合喜欢{audience}的你。",)
    for item in material.items[:1]:
        if item.genres:
            yield (f"{_list(item.genres)}{'，' + item.year + '年' if item.year else '题材'}。",)
    yield ("值得一看。", "不妨了解一下。")
    yield ("值得一看。",)


def _tie_lines(tie: Tie, *, is_work: bool) -> Group:
    title = _quote(tie.title, is_work=is_work)
    if tie.is_direct:
        return (f"与{title}一脉相承。",)
    if tie.role is None:  # a relation of the shop's own: its name may be no words
        return (f"与{title}的共同之处：{tie.name}。",) if tie.name else ()
    by_name, without = _SAME.get(tie.role, ("", ""))  # the same year or country is no reason
    words = by_name if tie.name else without
    return (words.format(name=tie.name, title=title),) if words else ()


def _blurbs(material: Material, tone: Tone) -> Iterator[Group]:
    for item in material.items[:1]:
        audience = f"适合喜欢{_list(material.audience)}的你。" if material.audience else ""
        credits = "".join(_credits(item))
        name = _title_and_year(item)
        genres = _list(item.genres)
        if name is None:
            yield (f"{genres}题材。{credits}{audience}",) if genres else ()
            continue
        head = f"{name}，{genres}题材。" if genres else f"{name}。"
        for text in (f"{head}{credits}{audience}", f"{head}{credits}", f"{head}{audience}", head):
            yield (text,)
        yield (f"{_quote(item.title or '', is_work=item.is_work)}。",)
    yield from _without_history(material, tone)


def _credits(item: ItemMaterial) -> Iterator[str]:
    if item.directors:
        yield f"由{_list(item.directors)}执导。"
    if item.cast:
        yield f"{_list(item.cast)}主演。"
    if item.brand:
        yield f"来自{item.brand}。"


def _row_titles(material: Material, _tone: Tone) -> Iterator[Group]:
    is_work = material.is_work
    for tie in material.ties:
        if tie.name and tie.role in ("director", "writer", "artist", "brand"):
            yield (f"更多{tie.name}的作品" if is_work else f"更多来自{tie.name}",)
    near = [_quote(one, is_work=is_work) for one in material.near]
    if near and material.shared:
        yield (f"{near[0]}之后，更多{_list(material.shared)}",)
    if near:
        yield (f"因为你关注过{near[0]}",)
        yield (f"与{near[0]}相近",)
    if material.shared:
        yield (f"为你挑选的{_list(material.shared)}",)
    if material.audience:
        yield (f"献给{_list(material.audience)}爱好者",)
    if material.is_popular:
        yield ("大家都在看" if is_work else "本店热门",)
    if material.is_new:
        yield ("新上架",)
    yield ("值得一看",)


def _newsletters(material: Material, _tone: Tone) -> Iterator[Group]:
    """Name as many items as fit, the first ones first."""
    named = [one for one in dict.fromkeys(map(_in_newsletter, material.items)) if one]
    closing = ""
    if material.near:
        closing = f"因为你关注过{_quote(material.near[0], is_work=material.is_work)}。"
    for size in range(len(named), 0, -1):
        text = f"本期推荐{'；'.join(named[:size])}。"
        yield (f"{text}{closing}",)
        yield (text,)
    yield ("本期几款值得一看。",)


def _in_newsletter(item: ItemMaterial) -> str:
    name = _title_and_year(item)
    if name is None:
        return ""
    return f"{name}，{_list(item.genres[:2])}" if item.genres else name


def _title_and_year(item: ItemMaterial) -> str | None:
    """Return the title in its marks with its year, if the title can be quoted."""
    if item.title is None:
        return None
    quoted = _quote(item.title, is_work=item.is_work)
    return f"{quoted}（{item.year}）" if item.year else quoted


def _quote(title: str, *, is_work: bool) -> str:
    return f"《{title}》" if is_work else f"“{title}”"


def _list(values: Sequence[str]) -> str:
    return "、".join(values)


GROUPS: GroupsOfKinds = {
    "reason_line": _reason_lines,
    "item_blurb": _blurbs,
    "row_title": _row_titles,
    "newsletter": _newsletters,
}
