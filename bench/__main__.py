"""Run every bench, one after the other: `make bench`."""

from __future__ import annotations

import sys

from bench import freshness, serving


def main() -> int:
    """Run them."""
    for one in (freshness, serving):
        print(f"+ {one.COMMAND}", flush=True)
        one.main()
    return 0


if __name__ == "__main__":
    sys.exit(main())
