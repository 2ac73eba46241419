"""What verbs of `python -m cron` cost with the code of the working folder; printed as JSON.

    PYTHONPATH=CODE python -P bench/speed/demo_verbs.py "ingest FOLDER" run-once …

They run in turn in one process, like the turns of a worker. It imports nothing of the bench. Of
each verb it prints the seconds, and the processor's seconds of this process and of its children.
"""

from __future__ import annotations

import importlib
import json
import resource
import sys
import time
from contextlib import redirect_stdout


def main(verbs: list[str]) -> None:
    """Run the verbs and print what each took."""
    command_line = importlib.import_module("cron.__main__")
    took = []
    for verb in verbs:
        began_s, before = time.perf_counter(), _processor_s()
        with redirect_stdout(sys.stderr):
            status = command_line.main(verb.split())
        assert status == 0, verb
        own_s, children_s = (now - then for now, then in zip(_processor_s(), before, strict=True))
        took.append({"s": time.perf_counter() - began_s, "own_s": own_s, "children_s": children_s})
    print(json.dumps(took))


def _processor_s() -> tuple[float, float]:
    """Return the processor's seconds of this process, and of the children that have ended."""
    own, children = (
        resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    return own.ru_utime + own.ru_stime, children.ru_utime + children.ru_stime


if __name__ == "__main__":
    main(sys.argv[1:])
