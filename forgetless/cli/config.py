"""`forgetless config METHOD STREAM`: every setting with its meaning, ready for --config."""

import json
from collections.abc import Sequence

from ..errors import SettingsError
from .asked import read_run

ABOUT = "Print every setting of a run, as it would be resolved, each with its meaning."
EXAMPLES = (
    "forgetless config lwf split-mnist > settings.yaml",
    "forgetless config lwf split-mnist --preset vandeven",
    "forgetless run --config settings.yaml",
)


def main(argv: Sequence[str]) -> int:
    """Resolve, and print."""
    asked = read_run("config", argv, EXAMPLES, ABOUT)
    cells = asked.cells(jobs=1)
    if len(cells) > 1:
        raise SettingsError("A file of settings is for one run. Give one --seed and one --scenario.")
    from ..settings.fields import method_facts
    from ..settings.files import to_mapping, to_yaml
    from ..settings.schema import all_flags

    if "json" in asked.switches:
        print(json.dumps(to_mapping(cells[0]), indent=1))
        return 0
    print(f"# {asked.methods[0]} on {asked.stream}; `forgetless run --config FILE` runs this file.")
    print(to_yaml(cells[0], all_flags(method_facts(asked.methods[0]))), end="")
    return 0
