"""uv gets the index, proxy and certificate that pip is configured with."""

from __future__ import annotations

import sys
from pathlib import Path

from deploy.install.pip_settings import parse_pip_settings, read_pip_settings, uv_environment


def test_the_environment_wins_over_files() -> None:
    """An empty setting is none to pip; settings of other commands are not for installing."""
    listed = """\
:env:.index-url='https://env.example/simple'
:env:.proxy=''
download.cert='/download.pem'
global.cert='/global.pem'
global.index-url='https://global.example/simple'
global.proxy='http://proxy.example:3128'
install.cert='/install.pem'
"""
    assert parse_pip_settings(listed) == {
        "index-url": "https://env.example/simple",
        "proxy": "http://proxy.example:3128",
        "cert": "/install.pem",
    }


def test_settings_are_read_from_a_configuration_file(tmp_path: Path) -> None:
    file = tmp_path / "pip.conf"
    file.write_text("[global]\nindex-url = https://a.example/simple\ntrusted-host =\n  a\n  b\n")
    settings = read_pip_settings(sys.executable, {"PIP_CONFIG_FILE": str(file)})
    assert settings["index-url"] == "https://a.example/simple"
    assert settings["trusted-host"].split() == ["a", "b"]


def test_each_setting_has_the_name_that_uv_reads(tmp_path: Path) -> None:
    environment = uv_environment(
        {
            "index-url": "https://a.example/simple",
            "extra-index-url": "\nhttps://b.example\nhttps://c.example",
            "trusted-host": "b.example c.example",
            "find-links": f"{tmp_path} /nowhere https://d.example/wheels",
            "cert": "/ca.pem",
            "proxy": "http://proxy.example:3128",
            "default-timeout": "180",
            "cache-dir": "/big/pip",
            "no-index": "false",
        },
        {"PATH": "/bin", "UV_TARGET": "/elsewhere"},
    )
    assert environment == {
        "PATH": "/bin",
        "UV_DEFAULT_INDEX": "https://a.example/simple",
        "UV_EXTRA_INDEX_URL": "https://b.example https://c.example",
        "UV_INSECURE_HOST": "b.example c.example",
        "UV_FIND_LINKS": f"{tmp_path},https://d.example/wheels",
        "SSL_CERT_FILE": "/ca.pem",
        "HTTP_PROXY": "http://proxy.example:3128",
        "HTTPS_PROXY": "http://proxy.example:3128",
        "ALL_PROXY": "http://proxy.example:3128",
        "UV_HTTP_TIMEOUT": "180",
        "UV_CACHE_DIR": "/big/pip/uv",
    }


def test_what_is_set_for_uv_itself_wins() -> None:
    environment = uv_environment(
        {"index-url": "https://pip.example"}, {"UV_DEFAULT_INDEX": "https://uv.example"}
    )
    assert environment["UV_DEFAULT_INDEX"] == "https://uv.example"
