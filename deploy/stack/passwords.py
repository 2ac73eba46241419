"""The passwords of the stack: made once, kept in a file that only its owner may read.

    python3 deploy/stack/passwords.py deploy/.env     # for deploy/compose.yaml

Programs get them by environment. Runs under the system's Python with the standard library alone, in
a syntax that Python 3.6 can read: with Docker nothing else is needed.
"""

import os
import secrets
import shlex
import sys
from pathlib import Path

# What clients read by themselves: libpq, redis-py as we open it, every S3 client; and the keys of
# the gateway and Grafana.
NAMES = (
    "PGPASSWORD",
    "REDIS_PASSWORD",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "FRESHET__GATEWAY__API_KEY",
    "GRAFANA_PASSWORD",
)
USER = "freshet"


def read_passwords(file: Path) -> "dict[str, str]":
    """Return the NAME=VALUE lines of the file without empty values; none without a file."""
    if not file.exists():
        return {}
    lines = [
        line.partition("=")
        for line in file.read_text(encoding="utf-8").splitlines()
        if line and not line.startswith("#")
    ]
    return {name: _unquote(value) for name, _, value in lines if value}


def _unquote(value: str) -> str:
    """Undo our own quotes; keep what a person wrote without them."""
    try:
        words = shlex.split(value)
    except ValueError:
        return value
    return words[0] if len(words) == 1 and shlex.quote(words[0]) == value else value


def make_passwords(file: Path, names: "tuple[str, ...]" = NAMES) -> "dict[str, str]":
    """Make the passwords that the file lacks, and return all of them.

    Passwords in the file stay: the servers were set up with them.
    """
    known = read_passwords(file)
    missing = {name: secrets.token_urlsafe(30) for name in names if name not in known}
    if "AWS_ACCESS_KEY_ID" in missing:
        missing["AWS_ACCESS_KEY_ID"] = USER
    if missing:
        write_passwords(file, {**known, **missing})
    return {**known, **missing}


def write_passwords(file: Path, passwords: "dict[str, str]") -> None:
    """Write the file, quoted as shells and Docker read it, for its owner alone from the start."""
    # Not with trainer.machine.durable_files: this module also runs alone, by its path, under any
    # Python from 3.6 on, so it can't import the project.
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_name(file.name + ".partial")
    if partial.exists():
        partial.unlink()
    descriptor = os.open(str(partial), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        lines = [f"{name}={shlex.quote(value)}\n" for name, value in passwords.items()]
        stream.write("# made by Freshet; never commit it\n" + "".join(lines))
        stream.flush()
        os.fsync(stream.fileno())
    partial.replace(file)


def main(arguments: "list[str]") -> int:
    """Make the passwords that a file lacks."""
    if len(arguments) != 1 or arguments[0].startswith("-"):
        print("usage: python3 deploy/stack/passwords.py FILE", file=sys.stderr)
        return 2
    file = Path(arguments[0])
    try:
        num_new = len(NAMES) - len(set(read_passwords(file)) & set(NAMES))
        make_passwords(file)
    except OSError as why:
        print(f"the passwords can't be written: {why}", file=sys.stderr)
        return 1
    print(f"{file}: {len(NAMES)} passwords, {num_new} of them new")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
