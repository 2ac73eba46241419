"""Ids in paths: they match slashes, as `{user_id:path}` does, and line feeds too."""

from __future__ import annotations

from starlette.convertors import StringConvertor, register_url_convertor

from cron.errors import WrongUserId
from recommender.records.ids import MAX_ID_CHARS


class AnyText(StringConvertor):
    """A part of a path that may hold any characters."""

    regex = r"[\s\S]*"


register_url_convertor("text", AnyText())
USER_ID = "{user_id:text}"
ITEM_ID = "{item_id:text}"


def check_length(user_id: str) -> None:
    """Raise WrongUserId for an id that no user can have."""
    if not 1 <= len(user_id) <= MAX_ID_CHARS:
        raise WrongUserId(user_id, expected=f"1 to {MAX_ID_CHARS} characters")
