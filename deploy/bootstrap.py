"""Make `.venv` and install the requirements; a second run takes milliseconds.

    python3.11 deploy/bootstrap.py [--tests] [--stack]

Runs under the system's Python with the standard library alone, and in a syntax that Python 3.6
reads, so that a wrong version is told in a sentence. It does not know what the packages are for,
nor anything about serving.
"""

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

WANTED = (3, 11)
STAMP = (
    ".requirements.json"  # in .venv: what is installed there, or that an installation never ended
)
INCOMPLETE = "incomplete"
# what else is installed: for the tests, and for the servers of `make stack` with their clients
MORE = {
    "--tests": ["tests/requirements.txt"],
    "--stack": ["deploy/stack/requirements.txt", "deploy/stack/clients.txt"],
}
# The most that a file's packages take while they are installed, wheels included; with the CUDA
# build of torch 9 GB, of which 6 stay.
NEEDED_GB = {
    "requirements.txt": 9.0,
    "tests/requirements.txt": 0.8,
    "deploy/stack/requirements.txt": 0.3,
    "deploy/stack/clients.txt": 0.1,
}

NO_NETWORK = (
    "NewConnectionError",
    "Temporary failure in name resolution",
    "ConnectTimeoutError",
    "Network is unreachable",
    "Failed to establish",
    "ProxyError",
)
NOT_FOR_PIP = (
    "PIP_TARGET",
    "PIP_PREFIX",
    "PIP_ROOT",
)  # other places than .venv, from where nothing would be found
NO_SPACE = ("No space left on device", "[Errno 28]")


class CannotInstall(Exception):
    """Why the environment could not be made, as one sentence."""


def bootstrap(root: Path, files: "list[str]") -> None:
    """Bring `root/.venv` to what the requirement files ask for; remake one that is broken, moved or half-made."""
    wanted = {name: _digest(root / name) for name in files}
    if not _state(root, wanted)[1]:
        return
    with _alone(root) as lock:
        _install(root, wanted, lock)


def _state(root: Path, wanted: "dict[str, str]") -> "tuple[bool, list[str]]":
    """Return whether `root/.venv` can be built on, and the files that are not installed in it."""
    venv, stamp = root / ".venv", _read_stamp(root / ".venv")
    usable = (
        os.access(venv / "bin" / "python", os.X_OK)
        and stamp.get("root", str(root)) == str(root)
        and not stamp.get(INCOMPLETE)
    )
    return usable, [
        name for name, digest in wanted.items() if not usable or stamp.get(name) != digest
    ]


@contextmanager
def _alone(root: Path) -> "Iterator[IO[str]]":
    """Hold the lock of all installations of this checkout; wait for one that is under way."""
    (root / "var").mkdir(exist_ok=True)
    with (root / "var" / "install.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(
                f"Another installation into {root / '.venv'} is under way; waiting for its end",
                flush=True,
            )
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield lock


def _install(root: Path, wanted: "dict[str, str]", lock: "IO[str]") -> None:
    venv, stamp = root / ".venv", _read_stamp(root / ".venv")
    usable, missing = _state(root, wanted)
    if not missing:  # another one has done it meanwhile
        return
    needed = sum(NEEDED_GB[name] for name in missing)
    _check_disk(root, needed)
    if venv.exists() and not usable:
        print(f"{venv} is half-made or was moved; making it anew", flush=True)
        shutil.rmtree(venv)
    venv.mkdir(exist_ok=True)
    _write_stamp(venv, {INCOMPLETE: True, "root": str(root)})
    if not (venv / "bin" / "python").exists():
        print(f"Making {venv}", flush=True)
        _make_venv(venv)
    print(
        "Installing {}: up to {:.1f} GB while it lasts".format(" and ".join(missing), needed),
        flush=True,
    )
    _pip_install(root, venv, list(wanted), lock)
    known = (
        {name: digest for name, digest in stamp.items() if not isinstance(digest, bool)}
        if usable
        else {}
    )
    _write_stamp(venv, {**known, **wanted, "root": str(root)})


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _read_stamp(venv: Path) -> "dict[str, object]":
    try:
        stamp = json.loads((venv / STAMP).read_text())
    except (OSError, ValueError):
        return {}
    return stamp if isinstance(stamp, dict) else {INCOMPLETE: True}


def _write_stamp(venv: Path, stamp: "dict[str, object]") -> None:
    partial = venv / (STAMP + ".partial")
    with partial.open("w") as file:
        file.write(json.dumps(stamp))
        file.flush()
        os.fsync(file.fileno())
    partial.replace(venv / STAMP)


def _check_disk(root: Path, needed_gb: float) -> None:
    free_gb = shutil.disk_usage(root).free / 1e9
    if free_gb < needed_gb:
        needed = f"{free_gb:.1f} GB free and the installation needs about {needed_gb:.1f}"
        raise CannotInstall(f"{root} has {needed}; make room and run it again.")


def _make_venv(venv: Path) -> None:
    python = getattr(
        sys, "_base_executable", sys.executable
    )  # ours may be that of the .venv which was just deleted, when it is activated
    result = subprocess.run(
        [python, "-m", "venv", str(venv)], capture_output=True, text=True, check=False
    )
    if result.returncode == 0:
        return
    if "ensurepip" in result.stdout + result.stderr:
        raise CannotInstall(
            "This Python comes without its venv module; on Debian and Ubuntu: apt install python3.11-venv"
        )
    raise CannotInstall(f"python -m venv {venv} failed: {(result.stderr or result.stdout).strip()}")


def _pip_install(root: Path, venv: Path, files: "list[str]", lock: "IO[str]") -> None:
    """Run pip with its own progress on stdout; its stderr is passed on and kept, so that the reason can be told."""
    scratch = (
        venv / "tmp"
    )  # the wheels are unpacked on the disk that was checked, not in a /tmp that may be small and in memory
    scratch.mkdir(exist_ok=True)
    environment = {
        "TMPDIR": str(scratch),
        **{name: value for name, value in os.environ.items() if name not in NOT_FOR_PIP},
    }
    environment["PIP_USER"] = (
        "0"  # some machines' pip.conf says user = true, which no environment of one's own takes
    )
    command = [str(venv / "bin" / "python"), "-m", "pip", "install", "--disable-pip-version-check"]
    for name in files:
        command += ["-r", str(root / name)]
    said = []
    # it holds the lock too: when we are killed it goes on for a while, and nobody else may write
    # there then
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, env=environment, pass_fds=(lock.fileno(),)
    ) as pip:
        for line in pip.stderr or ():
            sys.stderr.write(line)
            said.append(line)
    shutil.rmtree(scratch, ignore_errors=True)
    if pip.returncode:
        raise CannotInstall(_why(pip.returncode, "".join(said)))


def _why(status: int, said: str) -> str:
    if any(sign in said for sign in NO_SPACE):
        return "pip ran out of disk space: the reason above says where. Make room and run it again."
    if any(sign in said for sign in NO_NETWORK):
        return "pip could not reach its package index; is there a network, or a proxy to set (HTTPS_PROXY)? Run it again when there is."
    return (
        f"pip ended with status {status}; the reason stands above. Running it again starts afresh."
    )


def main(arguments: "list[str]") -> int:
    """Install, or say in one sentence why not."""
    if sys.version_info[:2] != WANTED:
        found = "{}.{}".format(*sys.version_info[:2])
        print(
            f"Freshet needs Python 3.11 and this is {found} ({sys.executable}); say make PYTHON=/path/to/python3.11",
            file=sys.stderr,
        )
        return 1
    files = ["requirements.txt"] + [
        name for option, names in MORE.items() if option in arguments for name in names
    ]
    try:
        bootstrap(Path(__file__).resolve().parent.parent, files)
    except CannotInstall as why:
        print(why, file=sys.stderr)
        return 1
    except OSError as why:
        print(f"The installation failed: {why}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Interrupted; running it again starts afresh.", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
