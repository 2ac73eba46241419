"""Whether an HTTP page answers: the health check inside a container, which has no curl.

python -m deploy.healthy http://127.0.0.1:8000/healthz
"""

from __future__ import annotations

import sys
from urllib.error import URLError
from urllib.request import urlopen

LIMIT_S = 4.0


def main(arguments: list[str]) -> int:
    """Return 0 when the page answers with a 2xx, 1 when not."""
    try:
        with urlopen(arguments[0], timeout=LIMIT_S):
            return 0
    except (URLError, OSError) as why:
        print(f"{arguments[0]}: {why}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
