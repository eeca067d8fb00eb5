"""The kinds of rules: every module in this folder is one; adding a kind is adding a file."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator, Mapping
from types import MappingProxyType, ModuleType

from frostline_core.rules.rule import Rule


def _modules() -> Iterator[ModuleType]:
    for found in sorted(pkgutil.iter_modules(__path__), key=lambda found: found.name):
        yield importlib.import_module(f"{__name__}.{found.name}")


def _kinds() -> dict[str, type[Rule]]:
    classes = [
        value
        for module in _modules()
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, Rule) and value.__module__ == module.__name__
    ]
    return {str(kind.model_fields["type"].default): kind for kind in classes}


KINDS: Mapping[str, type[Rule]] = MappingProxyType(_kinds())
"""Every kind of rule by its `type`."""
