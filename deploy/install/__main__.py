"""`python3.11 -m deploy.install [--tests] [--stack] [--lock]`: install, or report why not."""

import sys
from pathlib import Path

from deploy.install.environment import bring_up_to_date, remake_locks
from deploy.install.packages import CannotInstall
from deploy.install.requirements import BASE, MORE

WANTED = (3, 11)


def main(arguments: "list[str]") -> int:
    """Install, or remake the locks; return 1 with one sentence when that fails."""
    if sys.version_info[:2] != WANTED:
        version = "{}.{}".format(*sys.version_info[:2])
        print(
            f"Freshet needs Python 3.11 and this is {version} ({sys.executable}); "
            "run make PYTHON=/path/to/python3.11",
            file=sys.stderr,
        )
        return 1
    root = Path(__file__).resolve().parents[2]
    more = [name for option, names in MORE.items() if option in arguments for name in names]
    try:
        if "--lock" in arguments:
            remake_locks(root)
        else:
            bring_up_to_date(root, [BASE, *more])
    except CannotInstall as why:
        print(why, file=sys.stderr)
        return 1
    except OSError as why:
        print(f"The installation failed: {why}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Interrupted; running it again starts from scratch.", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
