"""Every command that a document names exists, with the options it is given; nothing is run."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path

import pytest

from screening.cli import COMMANDS, command_parser

ROOT = Path(__file__).resolve().parents[1]
TEXTS = [
    ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(ROOT.glob("reports/**/*.md")),
    *sorted(ROOT.glob("docs/**/*.md")), *sorted(ROOT.glob("screening/bundles/*/MODEL_CARD.md")),
]  # fmt: skip
CONFIGS = sorted(ROOT.glob("configs/*.yaml"))
SCRIPTS = sorted(ROOT.glob("scripts/*.py"))
LEFT_OUT = re.compile(r"…|\.\.\.")
"""Stands for what a reader knows: then the options are checked, not that none is missing."""


def name(path: Path) -> str:
    """What a test of a file is called."""
    return path.relative_to(ROOT).as_posix()


def spans(path: Path) -> Iterator[str]:
    """The pieces of code in a text: lines of fenced blocks, and what stands between backticks."""
    text = path.read_text("utf-8")
    for block in re.findall(r"^```\w*\n(.*?)^```", text, re.S | re.M):
        yield from block.replace("\\\n", " ").splitlines()
    text = re.sub(r"^```.*?^```", "", text, flags=re.S | re.M)
    yield from (" ".join(span.split()) for span in re.findall(r"`([^`]+)`", text))


def headed(path: Path) -> Iterator[str]:
    """The commands in the comments on top of a file of settings."""
    for line in path.read_text("utf-8").splitlines():
        if not line.startswith("#"):
            return
        for found in re.findall(r"(?:screening|make|python) [^,;()]*", line):
            yield found.strip()


def docstring(path: Path) -> Iterator[str]:
    """The commands in a script's docstring."""
    text = (ast.get_docstring(ast.parse(path.read_text("utf-8"))) or "").replace("\\\n", " ")
    yield from re.findall(r"^    (python scripts/.*?)(?:   .*)?$", text, re.M)
    yield from re.findall(r"`([^`]+)`", text)


def words_of(span: str) -> list[str]:
    """The words of a command, without its comment and without what only sets the stage."""
    bare = re.split(r"\s#\s|&&|\|\|", span)[0].strip().removeprefix("$ ")
    try:
        words = shlex.split(bare)
    except ValueError:  # prose with an apostrophe
        return []
    while words and (re.fullmatch(r"[A-Z_]+=\S*", words[0]) or words[0] in ("env", "nice")):
        words = words[1:]
    words = words[:1] and [words[0].removeprefix(".venv/bin/"), *words[1:]]
    return ["screening", *words[3:]] if words[:3] == ["python", "-m", "screening"] else words


@cache
def options_of(script: Path) -> frozenset[str]:
    """The options that a script and the scripts it imports add to a parser."""
    tree = ast.parse(script.read_text("utf-8"))
    found = {
        argument.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        for argument in node.args
        if isinstance(argument, ast.Constant) and re.match(r"--\w", str(argument.value))
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (other := script.parent / f"{node.module}.py") in (
            SCRIPTS
        ):
            found |= options_of(other)
    return frozenset(found)


@cache
def parser_of(command: str):
    return command_parser(command, import_module(f"screening.commands.{COMMANDS[command].module}"))


@cache
def every_option() -> frozenset[str]:
    found = {"--version"}
    for command in COMMANDS:
        found |= set(parser_of(command)._option_string_actions)
    return frozenset(found).union(*(options_of(script) for script in SCRIPTS))


def asked(words: list[str]) -> list[str]:
    return [word.partition("=")[0] for word in words if re.match(r"--\w", word)]


def wrong(span: str) -> str:
    """What is wrong with a piece of code, when it is a command of ours; else an empty text."""
    words = words_of(span)
    if not words:
        return ""
    first, rest = words[0], words[1:]
    if first.startswith("--"):
        strange = set(asked(words)) - every_option()
        return f"no command has {sorted(strange)}" if strange else ""
    if first == "make" and rest and re.fullmatch(r"[a-z-]+", rest[0]):
        targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.M)
        strange = [w for w in rest if re.fullmatch(r"[a-z-]+", w) and w not in targets]
        return f"no target {strange}" if strange else ""
    if first in ("python", "python3") and rest and rest[0].startswith("scripts/"):
        script = ROOT / rest[0]
        if script not in SCRIPTS:
            return f"no script {rest[0]}"
        strange = set(asked(rest)) - options_of(script)
        return f"{rest[0]} has no {sorted(strange)}" if strange else ""
    if first.startswith("scripts/") and "*" not in first:
        return "" if (ROOT / first).exists() else f"no script {first}"
    if first != "screening" or not rest or not re.match(r"[a-z]+$", rest[0]):
        return ""
    if rest[0] not in COMMANDS:
        return f"no command {rest[0]}"
    parser = parser_of(rest[0])
    strange = set(asked(rest)) - set(parser._option_string_actions)
    if strange:
        return f"screening {rest[0]} has no {sorted(strange)}"
    if len(rest) > 1 and not LEFT_OUT.search(span) and "COMMAND" not in rest:
        try:
            parser.parse_args(rest[1:])
        except SystemExit:
            return "it is refused as wrong usage"
    return ""


def checked(path: Path, found: Iterator[str]) -> list[str]:
    return [f"{path.name}: `{span}`: {said}" for span in found if (said := wrong(span))]


@pytest.mark.parametrize("path", TEXTS, ids=name)
def test_every_command_in_a_text_exists(path):
    assert not checked(path, spans(path))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda p: p.name)
def test_every_command_above_settings_exists_and_names_them(path):
    found = list(headed(path))
    assert not checked(path, iter(found))
    assert f"configs/{path.name}" in found[0]


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda p: p.name)
def test_every_command_in_a_scripts_docstring_exists(path):
    assert not checked(path, docstring(path))


@pytest.mark.parametrize("path", [*TEXTS, *CONFIGS], ids=name)
def test_no_figure_is_multiplied_up_or_guessed(path):
    assert not re.search(r"estimated\)|, estimated|s for 1,000", path.read_text("utf-8"))


@pytest.mark.parametrize("path", [*TEXTS, *CONFIGS], ids=name)
def test_what_a_command_reads_is_made_by_another_one_of_the_text(path):
    """A text is to work by itself, or to name a folder of the reader's."""
    found = [words_of(span) for span in (headed(path) if path in CONFIGS else spans(path))]
    made = {w for words in found for o, w in zip(words, words[1:], strict=False) if o == "--out"}
    if ["make", "demo"] in [words[:2] for words in found]:
        made.add("out/demo")
    for words in found:
        for option, value in zip(words, words[1:], strict=False):
            if option != "--out" and re.match(r"(out|runs)/", value):
                assert any(value.startswith(folder) for folder in made), f"{words}: {value}"


@pytest.mark.parametrize("path", TEXTS, ids=name)
def test_every_file_that_a_text_links_to_exists(path):
    for target in re.findall(r"\]\(([^)#:]+)\)", path.read_text("utf-8")):
        assert (path.parent / target).exists(), target


@pytest.mark.parametrize(
    ("span", "said"),
    [
        ("screening screen FOLDER --out OUT --passes 50", ""),
        ("screening screen FOLDER", "wrong usage"),
        (".venv/bin/screening screen F --out O --pases 50  # text", "has no ['--pases']"),
        ("screening fly", "no command fly"), ("make bnch", "no target"),
        ("python scripts/gone.py", "no script"), ("--no-such", "no command has"),
        ("python scripts/make_demo.py --no-such 3", "has no ['--no-such']"),
        ("anything else --at-all", ""),
    ],
)  # fmt: skip
def test_what_does_not_exist_is_noticed(span, said, capsys):
    assert said in wrong(span) and bool(said) == bool(wrong(span))
