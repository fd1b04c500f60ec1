"""What a process must not import to learn: each costs every run, however short, a second or half of one."""

import subprocess
import sys
from pathlib import Path

RUN = """
import sys
from pathlib import Path
from forgetless.run import run_settings
from forgetless.settings.recipe import Recipe
from forgetless.settings.settings import Settings

for optimizer in ("sgd", "adam", "adamw"):
    recipe = Recipe(steps=2, batch=16, optimizer=optimizer)
    settings = Settings("finetune", "split-digits", "class", recipe=recipe, hidden=(8,))
    run_settings(settings, runs=Path(sys.argv[1]))
print([name for name in ("torch._dynamo", "torch._inductor", "sympy") if name in sys.modules])
"""


def test_a_run_imports_neither_torchs_compiler_nor_symbolic_mathematics(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", RUN, str(tmp_path)], capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout.strip() == "[]"
