"""How the command line asks a running process: paths and tokens."""

from __future__ import annotations

from pathlib import Path

import pytest

from frostline_cloud.client import api_client, place
from frostline_core.errors import ConfigError


def test_a_name_that_means_something_in_a_url_stays_a_name() -> None:
    assert place("nodes", "a b", "gw?1#2%41", "retire") == "/api/v1/nodes/a%20b/gw%3F1%232%2541/retire"


@pytest.mark.parametrize("content", [b"", b"two\nlines", b"t\xc3\xb6ken", b"\xff\xfe"])
def test_a_file_that_holds_no_token_is_said(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_bytes(content)

    with pytest.raises(ConfigError, match="token"), api_client("http://127.0.0.1:1", file):
        pass
