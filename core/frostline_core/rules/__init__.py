"""Rules: pure functions of (rule, state, sample) that raise and resolve alerts in event time."""

from frostline_core.rules.engine import LATENESS_MS, Evaluator, Staged, Transition
from frostline_core.rules.hold import WORSE
from frostline_core.rules.model import RuleSet, load_folder, parse, schema
from frostline_core.rules.rule import Rule, Severity
from frostline_core.rules.selector import Selector
from frostline_core.rules.series import Series
from frostline_core.rules.state import NEVER, OPEN, Phase, State

__all__ = [
    "LATENESS_MS",
    "NEVER",
    "OPEN",
    "WORSE",
    "Evaluator",
    "Phase",
    "Rule",
    "RuleSet",
    "Selector",
    "Series",
    "Severity",
    "Staged",
    "State",
    "Transition",
    "load_folder",
    "parse",
    "schema",
]
