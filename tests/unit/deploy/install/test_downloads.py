"""A run of uv becomes a few lines."""

from __future__ import annotations

import io

import pytest

from deploy.install.downloads import Downloads

RUN = """\
Using Python 3.11.7 environment at: .venv
Resolved 105 packages in 727ms
Downloading torch (502.2MiB)
Downloading numpy (512.0KiB)
 Downloaded numpy
 Downloaded torch
Prepared 105 packages in 22.54s
Installed 105 packages in 659ms
 + numpy==2.4.6
 - setuptools==65.5.0
Bytecode compiled 14604 files in 2m 04s
warning: something to know
"""


def test_a_log_gets_a_few_lines(capsys: pytest.CaptureFixture[str]) -> None:
    """The two minutes of compiling are announced, so the installation does not seem to hang."""
    out = io.StringIO()
    downloads = Downloads(out)
    for line in RUN.splitlines(keepends=True):
        downloads.show(line)
    assert out.getvalue() == (
        "  Resolved 105 packages in 727ms\n"
        "  Downloaded 2 of 2 large packages, 503 of 503 MiB\n"
        "  Installed 105 packages in 659ms\n"
        "  Compiling bytecode, a minute or two\n"
        "  Bytecode compiled 14604 files in 2m 04s\n"
    )
    assert capsys.readouterr().err == "warning: something to know\n"
