"""Config files: TOML in, one frozen model out, or one error that names the file, the key and the remedy."""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, SecretStr, ValidationError

from frostline_core.errors import ConfigError

_REFERENCE = re.compile(r"^\$\{(env|file):([^}]+)\}$")
_LOGIN = re.compile(r"://[^\s'\"]*@")
_MAX_BYTES = 4 * 1024 * 1024


class ConfigModel(BaseModel):
    """Base of every config model: frozen, strict about types, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)


Model = TypeVar("Model", bound=BaseModel)


def load(path: Path, model: type[Model]) -> Model:
    """Reads and checks a whole TOML file.

    Args:
        path: The file.
        model: The model of its content.

    Raises:
        ConfigError: The file is absent, is no TOML, or does not fit; the message lists every fault, a line each.
    """
    return parse(read(path), model, str(path))


def read(path: Path) -> dict[str, Any]:
    """The file's tables, unchecked.

    Raises:
        ConfigError: The file is absent, unreadable, over 4 MiB, or no TOML.
    """
    try:
        return tomllib.loads(text(path))
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: is not valid TOML: {error}") from error


def text(path: Path) -> str:
    """The file as it stands.

    Raises:
        ConfigError: The file is absent, unreadable, over 4 MiB, or no UTF-8.
    """
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise ConfigError(f"{path}: larger than {_MAX_BYTES} bytes; a config file is a few kilobytes")
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: is not UTF-8 text") from error


def parse(table: Mapping[str, Any], model: type[Model], source: str) -> Model:
    """Checks a table against a model; `source` is the file that errors name.

    Raises:
        ConfigError: Every fault, a line each, with the nearest known key for an unknown one.
    """
    try:
        return model.model_validate(table)
    except ValidationError as error:
        raise ConfigError("\n".join(_faults(error, model, source))) from error


def secret(value: SecretStr | str, source: str = "config") -> str:
    """The text behind a secret: `${env:NAME}` or `${file:/path}`.

    A secret that stands in the config itself is refused: config files are copied, mailed and committed.

    Raises:
        ConfigError: It is no reference, or what it refers to is absent, empty, or no text.
    """
    reference = value.get_secret_value() if isinstance(value, SecretStr) else value
    match = _REFERENCE.match(reference)
    if match is None:
        raise ConfigError(f"{source}: a secret must be a reference: ${{env:NAME}} or ${{file:/path}}")
    where, name = match.groups()
    if where == "env":
        found = os.environ.get(name, "")
    else:
        try:
            found = text(Path(name)).strip()
        except ConfigError as error:
            raise ConfigError(f"{source}: secret file {error}") from error
    if not found:
        raise ConfigError(f"{source}: the secret behind {reference} is empty or not set")
    return found


def nearest(word: str, known: Iterator[str] | list[str]) -> str:
    """` (did you mean 'x'?)` for the nearest known word, or ""."""
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f" (did you mean '{close[0]}'?)" if close else ""


def _faults(error: ValidationError, model: type[BaseModel], source: str) -> Iterator[str]:
    for fault in error.errors():
        path = [part for part in fault["loc"] if not _is_tag(part, fault["loc"])]
        key = ".".join(str(part) for part in path) or "(top level)"
        if fault["type"] == "extra_forbidden":
            known = _keys_at(model, fault["loc"][:-1])
            yield f"{source}: {key}: unknown key{nearest(str(path[-1]), known)}"
        else:
            message = fault["msg"].removeprefix("Value error, ")
            hidden = fault["type"] == "missing" or _is_secret(key) or isinstance(fault["input"], Mapping)
            shown = "" if hidden else f", not {_shown(fault['input'])}"
            yield f"{source}: {key}: {message}{shown}"


def _shown(value: object) -> str:
    """What stands there, without what a URL holds before its host: that may be a password."""
    return f"{_LOGIN.sub('://...@', repr(value)):.80}"


def _is_tag(part: int | str, loc: tuple[int | str, ...]) -> bool:
    """Pydantic puts the tag of a tagged union into the path; a person's file has no such key."""
    return isinstance(part, str) and part.startswith(("function-", "tagged-"))


def _is_secret(key: str) -> bool:
    return any(word in key.lower() for word in ("password", "secret", "token", "key"))


def _keys_at(model: type[BaseModel], loc: tuple[int | str, ...]) -> list[str]:
    """The keys that are known at a place in a model, walking through lists, mappings and unions."""
    models = [model]
    for part in loc:
        if isinstance(part, int):
            continue
        found = [m for each in models for m in _models_in(_annotation(each, part))]
        models = found or models
    return [name for each in models for name in _names(each)]


def _names(model: type[BaseModel]) -> list[str]:
    return [field.alias or name for name, field in model.model_fields.items()]


def _annotation(model: type[BaseModel], part: str) -> Any:
    for name, field in model.model_fields.items():
        if part in (name, field.alias):
            return field.annotation
    return None


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    elif get_origin(annotation) in (Union, UnionType) or get_args(annotation):
        for inner in get_args(annotation):
            yield from _models_in(inner)
