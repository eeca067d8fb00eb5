"""Rules: pure functions of (rule, state, sample) that raise and resolve alerts in event time."""

from frostline_core.rules.dated import History, history
from frostline_core.rules.engine import LATENESS_MS, Evaluator
from frostline_core.rules.files import load_files, load_folder
from frostline_core.rules.hold import ESCALATED, WORSE
from frostline_core.rules.hole import HOLE_MS
from frostline_core.rules.model import RuleSet, parse, schema
from frostline_core.rules.rule import Category, Rule, Severity, Where
from frostline_core.rules.selector import Selector
from frostline_core.rules.series import Series
from frostline_core.rules.state import NEVER, OPEN, Phase, State, Track
from frostline_core.rules.transition import Staged, Transition

__all__ = [
    "ESCALATED",
    "HOLE_MS",
    "LATENESS_MS",
    "NEVER",
    "OPEN",
    "WORSE",
    "Category",
    "Evaluator",
    "History",
    "Phase",
    "Rule",
    "RuleSet",
    "Selector",
    "Series",
    "Severity",
    "Staged",
    "State",
    "Track",
    "Transition",
    "Where",
    "history",
    "load_files",
    "load_folder",
    "parse",
    "schema",
]
