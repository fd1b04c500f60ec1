"""How to get a configuration's numbers again: its settings as a file, and the command for its seeds."""

import re
import shlex
from dataclasses import dataclass

import yaml

from .groups import Group, Section


@dataclass(frozen=True)
class Recipe:
    """One configuration's settings file and the commands that run it."""

    label: str
    place: str
    file: str
    settings: str  # YAML; empty where the settings were not kept
    commands: tuple[str, ...]
    folders: tuple[str, ...]
    machine: str


def recipe_of(section: Section, group: Group) -> Recipe:
    """How to repeat one configuration."""
    name = re.sub(r"[^A-Za-z0-9.=_-]+", "-", f"{group.label}-{section.stream}-{section.scenario}").strip("-.")
    file = f"{name}.yaml"
    settings = yaml.safe_dump(group.settings, sort_keys=False, allow_unicode=True) if group.settings else ""
    machine = "; ".join(f"{key} {' and '.join(values)}" for key, values in group.machine.items())
    return Recipe(
        group.label, f"{section.stream}, {section.scenario} scenario", file, settings,
        tuple(_commands(group, file)), tuple(run.path.name for run in group.runs), machine,
    )  # fmt: skip


def _commands(group: Group, file: str) -> list[str]:
    command = f"forgetless run --config {shlex.quote(file)}"
    seeds = [run.seed for run in group.runs]
    if len(seeds) > 1 and seeds == list(range(len(seeds))):
        return [f"{command} --seeds {len(seeds)}"]
    return [f"{command} --seed {seed}" for seed in seeds]
