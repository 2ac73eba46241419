"""Jars from Maven: Kafka's and Flink's connectors, each set in its own folder.

The folders and Maven's own cache are in one parts folder.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path
from xml.sax.saxutils import escape

from cron.errors import FreshetError
from cron.project_root import PROJECT_ROOT
from deploy.servers.java import find_java
from deploy.servers.program import find_executable, new_folder
from trainer.machine.file_lock import file_lock

PARTS = PROJECT_ROOT / "var" / "stack" / "parts"
GOAL = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"
LIMIT_S = 600.0  # a slow line; 43 MB of Kafka came in 21 s
_POM = """\
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>freshet</groupId>
  <artifactId>parts</artifactId>
  <version>1</version>
  <packaging>pom</packaging>
  <dependencies>
{dependencies}
  </dependencies>
</project>
"""
_DEPENDENCY = """\
    <dependency>
      <groupId>{}</groupId><artifactId>{}</artifactId><version>{}</version>
    </dependency>"""


class CannotFetch(FreshetError):
    """Maven is installed, but could not fetch the jars."""

    def __init__(self, artefacts: Iterable[str], *, why: str) -> None:
        super().__init__(
            f"Maven could not fetch {', '.join(artefacts)}; is its repository reachable? Its "
            f"output ends with:\n{why}"
        )


def fetch_jars(
    name: str, artefacts: tuple[str, ...], *, parts: Path = PARTS, with_dependencies: bool = True
) -> Path:
    """Return the folder `parts/NAME` with the jars of these `group:artefact:version`s.

    They are fetched if the folder does not exist; one that exists is complete, so put the version
    into its name. Several processes may call it at once. Raise MissingPart or CannotFetch.
    """
    folder = parts / name
    if folder.is_dir():
        return folder
    maven = find_executable("mvn", remedy="apt-get install -y maven")
    new_folder(parts)
    with file_lock(parts / f"{name}.lock"):
        if not folder.is_dir():  # another process was quicker
            _fetch(maven, artefacts, folder, with_dependencies=with_dependencies)
    return folder


def _fetch(
    maven: str, artefacts: tuple[str, ...], folder: Path, *, with_dependencies: bool
) -> None:
    partial = Path(tempfile.mkdtemp(prefix=f"{folder.name}.", dir=folder.parent))
    try:
        pom = partial / "pom.xml"
        dependencies = "\n".join(
            _DEPENDENCY.format(*map(escape, artefact.split(":"))) for artefact in artefacts
        )
        pom.write_text(_POM.format(dependencies=dependencies), encoding="utf-8")
        command = [maven, "-q", "-B", "-ntp", "-f", str(pom), GOAL]
        command += [f"-Dmaven.repo.local={folder.parent / 'maven-repository'}"]
        command += [f"-DoutputDirectory={partial / 'jars'}", "-DincludeScope=runtime"]
        command += [] if with_dependencies else ["-DexcludeTransitive=true"]
        environment = {**os.environ, "JAVA_HOME": str(find_java().parent.parent)}
        try:
            done = subprocess.run(
                command,
                env=environment,
                capture_output=True,
                text=True,
                check=False,
                timeout=LIMIT_S,
            )
        except subprocess.TimeoutExpired as error:
            raise CannotFetch(artefacts, why=f"nothing within {LIMIT_S:.0f} s") from error
        if done.returncode or not (partial / "jars").is_dir():
            raise CannotFetch(
                artefacts, why="\n".join((done.stdout + done.stderr).splitlines()[-8:])
            )
        (partial / "jars").rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
