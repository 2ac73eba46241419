"""The user's settings of pip (index, proxy, certificate), handed on to uv.

uv reads none of pip's configuration, so a machine behind a mirror that only pip was configured for
could not install. What is set for uv itself wins.
"""

import ast
import subprocess
from collections.abc import Mapping
from pathlib import Path

# Other places than .venv, where no program would look; and what would leave packages out.
NOT_FOR_PIP = ("PIP_TARGET", "PIP_PREFIX", "PIP_ROOT")
NOT_FOR_UV = ("UV_TARGET", "UV_PREFIX", "UV_SYSTEM_PYTHON", "UV_NO_DEPS", "UV_PYTHON")
# pip's options with one value; `timeout` has two names.
ONE_VALUE = {
    "index-url": "UV_DEFAULT_INDEX",
    "client-cert": "SSL_CLIENT_CERT",
    "timeout": "UV_HTTP_TIMEOUT",
    "default-timeout": "UV_HTTP_TIMEOUT",
    "retries": "UV_HTTP_RETRIES",
}
# Options with several values, which pip separates by white space, and the separator of uv's.
SEVERAL_VALUES = {
    "extra-index-url": ("UV_EXTRA_INDEX_URL", " "),
    "trusted-host": ("UV_INSECURE_HOST", " "),
    "constraint": ("UV_CONSTRAINT", " "),
}
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
FALSE = ("", "0", "no", "off", "false")


def read_pip_settings(python: str, environment: "Mapping[str, str]") -> "dict[str, str]":
    """Return the options that `pip install` would take from its files and the environment."""
    listed = subprocess.run(
        [python, "-m", "pip", "config", "list"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=dict(environment),
        check=False,
    )
    return parse_pip_settings(listed.stdout)


def parse_pip_settings(listed: str) -> "dict[str, str]":
    """Parse the output of `pip config list`; the environment wins, then the section `install`."""
    by_section = {"global": {}, "install": {}, ":env:": {}}  # type: dict[str, dict[str, str]]
    for line in listed.splitlines():
        key, _, value = line.partition("=")
        section, _, option = key.rpartition(".")
        if section not in by_section:
            continue
        try:
            setting = str(ast.literal_eval(value))
        except (ValueError, SyntaxError):
            continue
        if setting:  # pip ignores an empty one
            by_section[section][option] = setting
    return {**by_section["global"], **by_section["install"], **by_section[":env:"]}


def uv_environment(
    settings: "Mapping[str, str]", environment: "Mapping[str, str]"
) -> "dict[str, str]":
    """Return the environment for uv: the given one, with pip's settings under uv's names."""
    theirs = {}
    for option, variable in ONE_VALUE.items():
        if settings.get(option):
            theirs[variable] = settings[option]
    for option, (variable, separator) in SEVERAL_VALUES.items():
        if settings.get(option, "").split():
            theirs[variable] = separator.join(settings[option].split())
    links = [link for link in settings.get("find-links", "").split() if _exists(link)]
    if links:
        theirs["UV_FIND_LINKS"] = ",".join(links)
    if settings.get("no-index", "").lower() not in FALSE:
        theirs["UV_NO_INDEX"] = "1"
    if settings.get("no-cache-dir", "").lower() not in FALSE:
        theirs["UV_NO_CACHE"] = "1"
    elif settings.get("cache-dir"):
        theirs["UV_CACHE_DIR"] = str(Path(settings["cache-dir"]) / "uv")
    if settings.get("proxy"):
        theirs.update(dict.fromkeys(PROXIES, settings["proxy"]))
    for certificate in (settings.get("cert"), environment.get("REQUESTS_CA_BUNDLE")):
        if certificate:
            theirs["SSL_CERT_FILE"] = certificate
            break
    own = {name: value for name, value in environment.items() if name not in NOT_FOR_UV}
    for_uv = {name: value for name, value in own.items() if name.startswith("UV_")}
    return {**own, **theirs, **for_uv}


def _exists(link: str) -> bool:
    """Return whether a link is a URL or there on this disk; pip ignores others, uv fails."""
    return "://" in link or Path(link).expanduser().exists()
