"""The whole system in a folder, and a device whose every value can be told from the others."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.stack import Counter, Settings, Stack


@pytest.fixture
def settings() -> Settings:
    """As delivered; a file whose tests need another cloud overrides it."""
    return Settings()


@pytest.fixture
def stack(tmp_path: Path, settings: Settings) -> Iterator[Stack]:
    with Stack(tmp_path, settings=settings) as started:
        yield started


@pytest.fixture
def counter(tmp_path: Path) -> Iterator[Counter]:
    with Counter(tmp_path / "field") as device:
        yield device
