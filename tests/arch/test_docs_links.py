"""What the documents point at exists."""

import re
from pathlib import Path

import pytest

from tests.arch.source import ROOT

DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
LINK = re.compile(r"\[[^\]]*\]\((?!https?://|mailto:|#)([^)#\s]+)")
CODE = re.compile(r"`([^`\n]+)`")
TOP = {"sfu", "director", "bench", "tests", "docs", "tools", "deploy", ".ci"}


def named_paths(text: str) -> set[str]:
    """Paths from the root of the checkout in back quotes, without wildcards and arguments."""
    words = {word.rstrip("/.,:") for code in CODE.findall(text) for word in code.split()[:1]}
    return {w for w in words if w.split("/")[0] in TOP and "/" in w and not set(w) & set("*{}<>[]")}


def test_there_are_documents() -> None:
    required = {"README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "THREAT_MODEL.md"}
    assert required <= {path.name for path in DOCUMENTS}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_and_named_files_exist(document: Path) -> None:
    text = document.read_text()
    missing = [link for link in LINK.findall(text) if not (document.parent / link).exists()]
    missing += [name for name in named_paths(text) if not (ROOT / name.split("::")[0]).exists()]
    assert missing == []


def test_tests_named_in_the_threat_model_exist() -> None:
    text = (ROOT / "THREAT_MODEL.md").read_text()
    for path, name in re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", text):
        assert f"def {name}(" in (ROOT / path).read_text(), (path, name)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_make_verbs_named_in_documents_exist(document: Path) -> None:
    verbs = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"`make ([a-z0-9-]+)", document.read_text())) <= verbs
