"""What a language model is asked: an instruction, examples, and the lines of a brief.

The instruction and the examples of each language and kind are a file that an editor can change
(`copywriter/prompts/en/reason_line.toml`). Of a reader a prompt has what the brief has.
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import msgspec

from copywriter.brief import Brief, BriefAttribute, BriefItem, BriefReason, Kind, Language, Tone
from copywriter.writing.brief_lines import brief_lines
from copywriter.writing.writer import WriterError

SHIPPED_PROMPTS = Path(__file__).resolve().parent.parent / "prompts"
_BRIEF_LINES = Path(__file__).with_name("brief_lines.py")
Role = Literal["system", "user", "assistant"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatTurn:
    """One message of a conversation."""

    role: Role
    content: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """A conversation that ends with the question; what comes before is the same for many briefs."""

    opening: tuple[ChatTurn, ...]
    question: str

    def turns(self) -> tuple[ChatTurn, ...]:
        """Return the whole conversation."""
        return (*self.opening, ChatTurn(role="user", content=self.question))


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptExample:
    """A brief, as it is written in a file, and a text that is right for it."""

    text: str
    items: tuple[BriefItem, ...]
    reason: BriefReason | None = None
    audience: BriefAttribute | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptFile:
    """The instruction and the examples of one kind of text; `tones` completes the instruction."""

    instruction: str
    tones: Mapping[Tone, str]
    examples: tuple[PromptExample, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompts:
    """The prompt files of all languages and kinds; `digest` identifies what they say."""

    files: Mapping[tuple[Language, Kind], PromptFile]
    digest: str

    def prompt(self, brief: Brief) -> Prompt:
        """Return what a model is asked for a brief."""
        file = self.files[brief.language, brief.kind]
        limit = {"en": "At most {} characters.", "zh": "不超过{}个字。"}[brief.language]
        system = [file.instruction.strip(), file.tones.get(brief.tone, "").strip()]
        system.append(limit.format(brief.max_chars))
        opening = [ChatTurn(role="system", content=" ".join(part for part in system if part))]
        for example in _examples_like(file.examples, brief):
            lines = brief_lines(example_brief(example, brief.language, brief.kind))
            opening.append(ChatTurn(role="user", content=lines))
            opening.append(ChatTurn(role="assistant", content=example.text))
        return Prompt(opening=tuple(opening), question=brief_lines(brief))


def _examples_like(examples: Sequence[PromptExample], brief: Brief) -> Sequence[PromptExample]:
    """Return the examples with reasons of the same form; all examples if there are none.

    A small model imitates what it sees, and would give the reason of an example to another brief.
    """
    form = _form(brief.reason)
    return [one for one in examples if _form(one.reason) == form] or examples


def _form(reason: BriefReason | None) -> tuple[bool, ...]:
    """Return which parts a reason has."""
    if reason is None:
        return ()
    return (
        bool(reason.nearest),
        bool(reason.shared),
        bool(reason.facts),
        reason.popular_among is not None,
        reason.new,
    )


def example_brief(
    example: PromptExample, language: Language, kind: Kind, *, max_chars: int = 1000
) -> Brief:
    """Return the brief that an example's text was written for."""
    return Brief(
        kind=kind,
        items=example.items,
        reason=example.reason,
        audience=example.audience,
        language=language,
        max_chars=max_chars,
    )


def load_prompts(folder: Path | None = None) -> Prompts:
    """Read the prompt files of a folder, or the shipped ones; raise WriterError.

    A file that the folder lacks is taken from the shipped ones.
    """
    files: dict[tuple[Language, Kind], PromptFile] = {}
    digest = hashlib.sha256(_BRIEF_LINES.read_bytes())  # how briefs are put
    for language in get_args(Language):
        for kind in get_args(Kind):
            own = None if folder is None else folder / language / f"{kind}.toml"
            shipped = SHIPPED_PROMPTS / language / f"{kind}.toml"
            path = own if own is not None and own.is_file() else shipped
            files[language, kind] = _prompt_file(path)
            digest.update(msgspec.json.encode([language, kind, files[language, kind]]))
    return Prompts(files=files, digest=digest.hexdigest())


def _prompt_file(path: Path) -> PromptFile:
    try:
        return msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), PromptFile)
    except (OSError, ValueError) as error:
        raise WriterError(
            f"{path}: can't be read as instruction and examples ({error}); "
            "copywriter/prompts/en/reason_line.toml shows the format"
        ) from error
