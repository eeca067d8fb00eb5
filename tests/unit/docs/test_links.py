"""A link in a document leads to a file that is there, and to a heading that it has."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PAGES = sorted(
    page.relative_to(ROOT).as_posix()
    for pattern in ("*.md", "docs/**/*.md", "*/README.md", "*/frostline_*/**/*.md")
    for page in ROOT.glob(pattern)
)
_FENCED = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"\]\(([^)\s]+)\)")


def headings(page: Path) -> set[str]:
    """The names by which its headings are reached: small letters, hyphens for blanks, no punctuation."""
    found = re.findall(r"^#+ (.+)$", _FENCED.sub("", page.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", each.lower()).replace(" ", "-") for each in found}


def fault(page: str, link: str) -> str | None:
    """What is wrong with a link of a page; None where nothing is, or where it leads out of the repository."""
    if re.match(r"[a-z]+:", link):
        return None
    path, _, anchor = link.partition("#")
    target = (ROOT / page).parent / path if path else ROOT / page
    if not target.exists():
        return "no such file"
    if anchor and anchor not in headings(target):
        return "no such heading"
    return None


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_somewhere(page: str) -> None:
    links = _LINK.findall(_FENCED.sub("", (ROOT / page).read_text(encoding="utf-8")))

    assert {link: wrong for link in links if (wrong := fault(page, link))} == {}


def test_a_link_that_leads_nowhere_is_found() -> None:
    assert fault("README.md", "docs/none.md") == "no such file"
    assert fault("docs/rules.md", "alerts.md#none") == "no such heading"
    assert fault("docs/rules.md", "alerts.md#silences") is None
    assert fault("docs/rules.md", "#backlogs") is None
