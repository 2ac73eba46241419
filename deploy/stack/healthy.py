"""The health check inside a container, which has no curl: whether an HTTP page answers.

python -m deploy.stack.healthy http://127.0.0.1:8000/healthz
"""

from __future__ import annotations

import sys
from http.client import HTTPException
from urllib.request import ProxyHandler, build_opener

LIMIT_S = 4.0


def main(arguments: list[str]) -> int:
    """Return 0 if the page answers with a 2xx, 1 otherwise."""
    try:
        # The page is on loopback: no proxy, though Docker may set one in every container.
        with build_opener(ProxyHandler({})).open(arguments[0], timeout=LIMIT_S):
            return 0
    except (OSError, HTTPException) as why:
        print(f"{arguments[0]}: {why}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
