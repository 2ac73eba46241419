"""The bodies and answers of the calls about pictures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import ConfigDict, Field

from gateway.bodies.item_lists import SimilarItem
from gateway.bodies.recommendations import FilterValue
from recommender.requests.wire import MAX_K, MAX_PICTURE_BYTES

DEFAULT_K = 10
MAX_BASE64_CHARS = MAX_PICTURE_BYTES // 3 * 4


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureBody:
    """A picture to compare with those of the items. A field that is null counts as missing."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    picture: Annotated[
        str,
        Field(
            min_length=1,
            max_length=MAX_BASE64_CHARS,
            description=f"The picture in base64: PNG, JPEG, WebP, GIF or BMP, at most "
            f"{MAX_PICTURE_BYTES:,} bytes.",
            examples=[
                "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9"
                "awAAAABJRU5ErkJggg=="
            ],
        ),
    ]
    k: Annotated[int, Field(ge=1, le=MAX_K, description="How many items.")] = DEFAULT_K
    filter: Annotated[
        dict[str, FilterValue] | None,
        Field(description="Only items with these values.", examples=[{"genre": "Comedy"}]),
    ] = None
    attributes: Annotated[
        list[str] | None,
        Field(
            description="Attributes to return with each item, at most 20.",
            examples=[["genre", "price"]],
        ),
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LookAlikesAnswer:
    """The items whose pictures look most like one."""

    items: Annotated[
        tuple[SimilarItem, ...],
        Field(description="At most `k` items with pictures, the most similar first."),
    ]
    model_version: Annotated[int, Field(description="The release that answered.", examples=[3])]


@dataclass(frozen=True, slots=True, kw_only=True)
class PicturesAnswer:
    """Where the thumbnails of items are."""

    pictures: Annotated[
        dict[str, str],
        Field(
            description="By item id, the path of a JPEG on this gateway, which never changes. "
            "Items without one are left out, and so are hidden ones.",
            examples=[{"50": f"/v1/pictures/{'5e' * 32}.jpg"}],
        ),
    ]
    more: Annotated[
        dict[str, tuple[str, ...]],
        Field(
            description="By item id, the paths of its other pictures, in their order. Items "
            "without any are left out.",
            examples=[{"50": [f"/v1/pictures/{'7a' * 32}.jpg"]}],
        ),
    ]
