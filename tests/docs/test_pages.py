"""What pages point to is there: other pages, files, functions."""

import ast
import re
from functools import cache

import pytest

from tests.docs.pages import DOCS, Page
from tests.house.checkout import ROOT

PAGES = sorted(DOCS.glob("*.md"))
# `realtime/hub.py:Hub.deliver`: a name of a module, or of a class in it.
REFERENCE = re.compile(r"`([\w/]+\.py):([\w.]+)`")


@cache
def names(path):
    """Return what a module defines: functions, classes and their methods, constants."""
    found = set()

    def visit(body, prefix):
        for node in body:
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                found.add(prefix + node.name)
                if isinstance(node, ast.ClassDef):
                    visit(node.body, f"{prefix}{node.name}.")
            elif isinstance(node, ast.Assign):
                found.update(
                    prefix + name.id for name in node.targets if isinstance(name, ast.Name)
                )
            elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                found.add(prefix + node.target.id)

    visit(ast.parse((ROOT / path).read_text()).body, "")
    return found


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_every_function_that_a_page_names_exists(path):
    references = REFERENCE.findall(Page(path).text)
    missing = [
        f"{file}:{name}"
        for file, name in references
        if not (ROOT / file).is_file() or name not in names(file)
    ]
    assert missing == []


def test_the_data_path_names_where_each_step_is():
    assert len(REFERENCE.findall(Page.of("DATAPATH.md").text)) > 50


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_every_link_leads_somewhere(path):
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", Page(path).prose):
        if target.startswith(("http://", "https://")):
            continue
        file, _, anchor = target.partition("#")
        linked = (path.parent / file).resolve() if file else path
        if not linked.exists() or (anchor and anchor not in Page(linked).anchors):
            broken.append(target)
    assert broken == []


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_every_file_that_a_page_names_exists(path):
    named = re.findall(r"`((?:\w+/)+[\w-]+\.(?:py|graphql|md|mjs))`", Page(path).prose)
    assert [file for file in named if not (ROOT / file).is_file()] == []
