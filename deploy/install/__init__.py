"""Install the packages into `.venv`: `python3.11 -m deploy.install [--tests] [--stack]`.

environment    `.venv`, the record of what is installed in it, the disk, one installation at a time
packages       uv installs what the locks name; pip steps in where uv can't; the locks are remade
pip_settings   the user's settings of pip (index, proxy, certificate), handed on to uv
requirements   the sets of requirements, their locks, and the disk space that each needs

Runs under the system's Python with the standard library alone, in a syntax that Python 3.6 can
read, so that a wrong version is reported in one sentence.
"""
