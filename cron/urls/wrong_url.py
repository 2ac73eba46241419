"""WrongUrl, the only error of `cron.urls`."""

from __future__ import annotations

from cron.errors import SettingsError
from cron.urls.passwords import hide_password, holds_password


class WrongUrl(SettingsError):
    """A wrong URL: the URL without its secrets, the form to write, and what is wrong.

    `advice` is the message without the URL, for callers that name the setting and its origin. The
    reason may quote the URL, so it is replaced when the URL contains a password.
    """

    def __init__(self, url: str, *, expected: str, reason: str = "") -> None:
        if holds_password(url):
            reason = "a password in a URL ends up in logs"
        self.advice = f"{expected} ({reason})" if reason else expected
        super().__init__(f"{hide_password(url)!r}: expected {self.advice}")
