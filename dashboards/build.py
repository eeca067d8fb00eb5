"""Writes every dashboard to grafana/dashboards/: `python -m dashboards.build` from the repository's root."""

from __future__ import annotations

from pathlib import Path

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from dashboards import cold_rooms

FOLDER = Path(__file__).parent / "grafana" / "dashboards"


def rendered() -> dict[str, str]:
    """File name and content of every dashboard."""
    built = [cold_rooms.build().build()]
    return {f"{each.uid}.json": JSONEncoder(sort_keys=True, indent=2).encode(each) + "\n" for each in built}


def main() -> None:
    """Writes the files."""
    for name, text in rendered().items():
        (FOLDER / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
