"""Who gives a command: the name that the ledger records."""

from __future__ import annotations

import getpass


def person_name() -> str:
    """Return the name of the person at the command line."""
    return f"{getpass.getuser()} on the command line"
