"""Every template and word that is there: ours, and the operator's own in their place. Checked whole when it is read.

A folder of texts holds one folder a language with `words.toml` and one `<stage>.txt` a stage. In the operator's folder
every file is optional in a language that we have; `<receiver>/<language>/<stage>.txt` serves one receiver alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from frostline_cloud.notify.stage import Stage, stage_of
from frostline_cloud.notify.texts.fields import DIGEST_FIELDS, FIELDS, GROUP_FIELDS, Reader, fields_of
from frostline_cloud.notify.texts.template import MOST_CHARACTERS, Template, Text, parse_template
from frostline_core.config import nearest, read
from frostline_core.errors import ConfigError

BUILT_IN: Final = ("en", "zh-Hans", "zh-Hant")
"""Languages that come with Frostline."""

_HERE = Path(__file__).parent
_WORDS = "words.toml"
_OPEN = ("metric.", "kind.")  # these name what is on site: nobody knows all of them
_Key = tuple[str, str, Stage]  # receiver or "", language, stage


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All texts.

    Attributes:
        templates: By receiver ("" is any), language and stage.
        words: By language.
    """

    templates: Mapping[_Key, Template]
    words: Mapping[str, Mapping[str, str]]

    @classmethod
    def read(cls, folder: Path | None = None, receivers: Sequence[str] = ()) -> Catalogue:
        """Reads our texts, and those of a folder in their place.

        Args:
            folder: The operator's; None for none.
            receivers: Names that may have texts of their own.

        Raises:
            ConfigError: Every fault of every file, a line each.
        """
        reading = _Reading()
        for language in BUILT_IN:
            reading.language(_HERE / language, "")
        if folder is not None:
            reading.folder(folder, receivers)
        if reading.faults:
            raise ConfigError("\n".join(reading.faults))
        english = reading.words["en"]  # where a language of the operator's lacks a word
        return cls(reading.templates, {language: english | words for language, words in reading.words.items()})

    @property
    def languages(self) -> tuple[str, ...]:
        """Languages that have every stage and the words."""
        return tuple(name for name in sorted(self.words) if all(("", name, stage) in self.templates for stage in Stage))

    def check(self, language: str, source: str) -> None:
        """Checks that a language is there.

        Raises:
            ConfigError: It is not, or it lacks a stage.
        """
        if language in self.languages:
            return
        lacks = [stage.value for stage in Stage if ("", language, stage) not in self.templates]
        if language in self.words or len(lacks) < len(Stage):
            what = ", ".join([f"{stage}.txt" for stage in lacks] + ([] if language in self.words else [_WORDS]))
            raise ConfigError(f"{source}: the language {language} lacks {what}")
        raise ConfigError(f"{source}: no texts in {language}{nearest(language, list(self.languages))}")

    def render(self, body: Mapping[str, Any], receiver: str, language: str, zone: str) -> Text:
        """The text of a notification.

        Args:
            body: Of the notification.
            receiver: Its own templates come first.
            language: One that `check` accepts.
            zone: IANA name.
        """
        stage = stage_of(body)
        template = self.templates.get((receiver, language, stage)) or self.templates["", language, stage]
        return template.render(fields_of(body, Reader(self.words[language], ZoneInfo(zone))))


class _Reading:
    """What has been read so far, and every fault."""

    def __init__(self) -> None:
        self.templates: dict[_Key, Template] = {}
        self.words: dict[str, dict[str, str]] = {}
        self.faults: list[str] = []

    def folder(self, folder: Path, receivers: Sequence[str]) -> None:
        """The operator's folder: languages, and receivers with languages of their own."""
        for each in self._entries(folder):
            if not each.is_dir():
                self.faults.append(f"{each}: only folders belong here, one a language or a receiver")
            elif each.name in receivers:
                for language in self._entries(each):
                    self.language(language, each.name)
            else:
                self.language(each, "")

    def language(self, folder: Path, receiver: str) -> None:
        """One language's folder."""
        stages = [stage.value for stage in Stage]
        for file in self._entries(folder):
            if file.name == _WORDS:
                self._read_words(file, folder.name)
            elif file.suffix == ".txt" and file.stem in stages:
                self._read_template(file, (receiver, folder.name, Stage(file.stem)))
            else:
                known = [f"{stage}.txt" for stage in stages] + [_WORDS]
                self.faults.append(f"{file}: is no text that is used{nearest(file.name, known)}")

    def _entries(self, folder: Path) -> Iterator[Path]:
        try:
            yield from sorted(each for each in folder.iterdir() if not each.name.startswith((".", "__")))
        except OSError as error:
            self.faults.append(f"{folder}: cannot be read: {error.strerror}")

    def _read_template(self, file: Path, key: _Key) -> None:
        known = {Stage.DIGEST: DIGEST_FIELDS, Stage.GROUP: GROUP_FIELDS}.get(key[2], FIELDS)
        try:
            if file.stat().st_size > 4 * MOST_CHARACTERS:
                raise ConfigError(f"{file}: longer than {MOST_CHARACTERS} characters")
            self.templates[key] = parse_template(file.read_text(encoding="utf-8-sig"), known, str(file))
        except OSError as error:
            self.faults.append(f"{file}: cannot be read: {error.strerror}")
        except UnicodeDecodeError:
            self.faults.append(f"{file}: is not UTF-8 text")
        except ConfigError as error:
            self.faults.append(str(error))

    def _read_words(self, file: Path, language: str) -> None:
        try:
            table = read(file)
        except ConfigError as error:
            self.faults.append(str(error))
            return
        known = list(_flat(read(_HERE / "en" / _WORDS)))
        given = _flat(table)
        for name, value in given.items():
            if name not in known and not name.startswith(_OPEN):
                self.faults.append(f"{file}: {name}: unknown word{nearest(name, known)}")
            elif not isinstance(value, str):
                self.faults.append(f"{file}: {name}: must be text")
        self.words[language] = self.words.get(language, {}) | {name: str(value) for name, value in given.items()}


def _flat(table: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in table.items():
        if isinstance(value, Mapping):
            found |= {f"{name}.{inner}": each for inner, each in value.items()}
        else:
            found[name] = value
    return found
