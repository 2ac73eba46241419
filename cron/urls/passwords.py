"""Passwords in URLs: found and hidden, even where the URL cannot be parsed."""

from __future__ import annotations

import re

# A password follows the user's name and a colon, and ends at the last @: it may contain any
# character, and `#` and `?` end the host for a parser. What looks like a port is not a password.
# Or it is a client's option: libpq's `password` and `sslpassword`, keys and tokens of S3. The paths
# of sqlite: and file: hold neither.
_PASSWORD = re.compile(
    r"(?P<user>(?:^(?!sqlite:|file:)\w+:/{0,2}|(?<!sqlite)(?<!file)://)[^:?#]*:)"
    r"(?:[^?#]*|(?!\d{1,5}[/,]).*)(?P<at>@)"
    r"|(?P<option>[?&;#][\w.%-]*"
    r"(?:pass(?!file)|pwd|secret|session_?token|access_?key|credential)[\w.%-]*=)[^&#]*",
    re.DOTALL | re.IGNORECASE,
)


def holds_password(url: str) -> bool:
    """Return whether a URL contains a password, which the settings file must not."""
    return hide_password(url) != url


def hide_password(url: str) -> str:
    """Return a URL, valid or not, with its passwords replaced by `***`."""
    return _PASSWORD.sub(
        lambda found: f"{found['user'] or found['option']}***{found['at'] or ''}", url
    )
