"""The sets of requirements, the lock of each, and the disk space that each needs."""

BASE = "requirements.txt"
TESTS = "tests/requirements.txt"
SERVERS = "deploy/stack/requirements.txt"
CLIENTS = "deploy/stack/clients.txt"
CONSTRAINTS = "deploy/install/constraints.txt"  # of the locks
# The options of `python -m deploy.install`: for the tests, and for the servers of `make stack`.
MORE = {"--tests": [TESTS], "--stack": [SERVERS, CLIENTS]}
LOCK_OF = {
    BASE: "requirements.lock",
    TESTS: "tests/requirements.lock",
    SERVERS: "deploy/stack/requirements.lock",
    CLIENTS: "deploy/stack/requirements.lock",
}
# What the packages of a file take on disk, most of it the CUDA build of torch. uv's cache is not
# counted: on the same disk its files are those of .venv, as hard links.
NEEDED_GB = {BASE: 6.0, TESTS: 0.8, SERVERS: 0.3, CLIENTS: 0.1}


def locks_of(files: "list[str]") -> "list[str]":
    """Return the locks of requirement files, each once, in the order of the files."""
    return list(dict.fromkeys(LOCK_OF[name] for name in files))
