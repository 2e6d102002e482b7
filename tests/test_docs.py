"""Whatever the documents claim, a test reads."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from click import Command, Group

from longpole.dashboard.cli.main import main
from longpole.model import semconv, settings

ROOT = Path(__file__).parent.parent
DOCUMENTS = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")])


def _blocks(language: str) -> list[tuple[str, str]]:
    return [
        (path.name, block)
        for path in DOCUMENTS
        for block in re.findall(rf"```{language}\n(.*?)```", path.read_text(), re.S)
    ]


def _commands() -> dict[str, Command]:
    assert isinstance(main, Group)
    return dict(main.commands)


def _command(words: list[str]) -> Command:
    """The command that a line calls, through groups of commands."""
    command: Command = main
    for word in words:
        if not isinstance(command, Group):
            break
        command = command.commands[word]
    return command


@pytest.mark.parametrize(("document", "block"), _blocks("python"))
def test_python_in_the_documents_imports_what_exists(document: str, block: str) -> None:
    imports: list[ast.stmt] = [
        node for node in ast.parse(block).body if isinstance(node, ast.Import | ast.ImportFrom)
    ]
    exec(compile(ast.Module(imports, []), document, "exec"), {})


@pytest.mark.parametrize(("document", "block"), _blocks("console"))
def test_commands_in_the_documents_exist(document: str, block: str) -> None:
    makefile = (ROOT / "Makefile").read_text()
    for line in block.splitlines():
        words = line.split()
        if words[:1] == ["make"]:
            assert re.search(rf"^{words[1]}:", makefile, re.M), line
        if words[:1] == ["longpole"]:
            command = _command(words[1:])
            options = {
                name
                for parameter in command.params
                for name in (*parameter.opts, *parameter.secondary_opts)
            }
            assert {word for word in words if word.startswith("--")} <= options, line


def test_every_command_is_in_the_readme() -> None:
    readme = (ROOT / "README.md").read_text()

    assert set(re.findall(r"^\| `longpole ([a-z-]+)", readme, re.M)) == set(_commands())


def test_every_setting_is_in_the_readme_under_its_name() -> None:
    readme = (ROOT / "README.md").read_text()

    assert set(re.findall(r"^\| `(LONGPOLE_\w+)`", readme, re.M)) == set(settings.VARIABLES)


def test_every_setting_is_a_constant_that_is_listed() -> None:
    constants = {name for name in vars(settings) if name.startswith("LONGPOLE_")}

    assert constants == set(settings.VARIABLES)


@pytest.mark.parametrize("module", [settings, semconv])
def test_every_constant_has_its_meaning_right_below(module: object) -> None:
    source = Path(str(vars(module)["__file__"])).read_text()
    body = ast.parse(source).body
    for node, below in zip(body, [*body[1:], None], strict=True):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            name = node.targets[0].id
            if name.isupper() and not name.startswith("_"):
                assert isinstance(below, ast.Expr), f"{name} is not explained"


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_links_and_pictures_in_the_documents_exist(path: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", path.read_text()):
        if not target.startswith("http"):
            assert (path.parent / target).exists(), target


def test_every_room_of_the_map_exists() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text()
    for folder in re.findall(r"^\| `(\w+)/`", text, re.M):
        assert (ROOT / folder).is_dir()


def test_every_option_of_the_langsmith_export_is_explained() -> None:
    text = (ROOT / "docs" / "langsmith.md").read_text()
    explained = set(re.findall(r"^\| `(--[a-z-]+)", text, re.M))
    options = {
        name
        for parameter in _command(["export", "langsmith"]).params
        for name in (*parameter.opts, *parameter.secondary_opts)
        if name.startswith("--")
    }

    assert explained <= options
    # What every command has, and what chooses runs, is explained in the README.
    assert options - explained <= {
        "--store",
        "--json",
        "--project",
        "--content",
        *("--filter", "--since", "--until", "--name", "--status", "--limit"),
    }
