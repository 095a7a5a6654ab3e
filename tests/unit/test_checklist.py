"""What docs/checklist.md points at exists: files, sections, and commands with their options."""

import re
import shlex
from pathlib import Path

import pytest
from typer.main import get_command

from blockqnn.cli import app

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "checklist.md").read_text()
LINKS = sorted(set(re.findall(r"\]\(([^)]+)\)", TEXT)))
SPANS = sorted(set(re.findall(r"`([^`]+)`", TEXT)))
COMMANDS = [span for span in SPANS if span.startswith("blockqnn ")]
PATHS = [span for span in SPANS if re.match(r"(benchmarks|tests|docs|results|src|examples)/\S+$", span)]
QUESTIONS = {
    "Code that is released": 5,
    "Comparison with other methods": 8,
    "Details that are told": 3,
}


def anchors(path):
    """As GitHub makes them of headings."""
    headings = re.findall(r"^#+ (.+)$", path.read_text(), re.MULTILINE)
    kept = [re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings]
    return {heading.replace(" ", "-") for heading in kept}


@pytest.mark.parametrize("link", [link for link in LINKS if not link.startswith("https://")])
def test_a_link_leads_to_a_file_and_its_section(link):
    path, _, anchor = link.partition("#")
    target = ROOT / "docs" / path
    assert target.exists()
    assert not anchor or anchor in anchors(target)


@pytest.mark.parametrize("path", PATHS)
def test_a_file_that_is_named_exists(path):
    assert (ROOT / path).exists()


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_has_these_options_and_its_files(command):
    _, name, *words = shlex.split(command)
    parameters = get_command(app).commands[name].params
    options = [option for parameter in parameters for option in parameter.opts]
    assert {word for word in words if word.startswith("--")} <= set(options)
    assert all((ROOT / word).exists() for word in words if word.startswith("results/"))


def test_there_is_something_to_check():
    assert len(COMMANDS) > 4
    assert len(PATHS) > 3
    assert len(LINKS) > 15


@pytest.mark.parametrize(("group", "questions"), QUESTIONS.items())
def test_each_question_of_a_group_is_answered(group, questions):
    """The checklist has 5, 8 and 3."""
    section = TEXT.split(f"## {group}\n")[1].split("\n## ")[0]
    rows = [line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("| ")]
    answers = [row for row in rows if row[0].endswith("?")]
    assert len(answers) == questions
    assert all(len(row) == 3 and all(row) for row in answers)
