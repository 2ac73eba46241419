"""uv's report of an installation, in a few lines."""

import re
import sys
import time
from typing import IO

RESULTS = ("Resolved ", "Installed ", "Bytecode compiled ")
LONG_NEXT = "Installed "  # then the bytecode of some thousand files is compiled
# One line a package, 120 of them; and a package that another version replaces.
DETAILS = ("Using Python", "Prepared ", "Uninstalled ", " + ", " - ", " ~ ")
BEGINS = re.compile(r"^Downloading (\S+) \(([\d.]+)([KMG])iB\)")
ENDS = re.compile(r"^ *Downloaded (\S+)")
MIB = {"K": 1 / 1024, "M": 1.0, "G": 1024.0}
EVERY_S = 10.0  # how often downloads are counted in a log; on a terminal the line changes


class Downloads:
    """Shows the lines of one run of uv; a warning or an error goes to standard error."""

    def __init__(self, out: "IO[str]") -> None:
        self._out = out
        self._sizes_mib = {}  # type: dict[str, float]
        self._done = set()  # type: set[str]
        self._next_s = time.monotonic() + EVERY_S

    def show(self, line: str) -> None:
        """Show a line of uv's standard error, or count it."""
        begins, ends = BEGINS.match(line), ENDS.match(line)
        if begins:
            self._sizes_mib[begins[1]] = float(begins[2]) * MIB[begins[3]]
        elif ends:
            self._done.add(ends[1])
            self._show_count(is_last=len(self._done) == len(self._sizes_mib))
        elif line.startswith(RESULTS):
            self._write(f"  {line.rstrip()}\n")
            if line.startswith(LONG_NEXT):
                self._write("  Compiling bytecode, a minute or two\n")
        elif not line.startswith(DETAILS):
            sys.stderr.write(line)

    def _show_count(self, *, is_last: bool) -> None:
        done_mib = sum(self._sizes_mib.get(name, 0.0) for name in self._done)
        total_mib = sum(self._sizes_mib.values())
        text = (
            f"  Downloaded {len(self._done)} of {len(self._sizes_mib)} large packages, "
            f"{done_mib:,.0f} of {total_mib:,.0f} MiB"
        )
        if self._out.isatty():
            self._write(f"\r{text}" + ("\n" if is_last else ""))
        elif is_last or time.monotonic() > self._next_s:
            self._write(f"{text}\n")
            self._next_s = time.monotonic() + EVERY_S

    def _write(self, text: str) -> None:
        self._out.write(text)
        self._out.flush()
