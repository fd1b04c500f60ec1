"""How the documentation is built: `make docs`. Nothing here reaches the network."""

import sys
from pathlib import Path
from typing import Any

from sphinx.errors import ConfigError

HERE = Path(__file__).parent
STATIC = HERE / "_build" / "static"  # what is made for every page
sys.path.insert(0, str(HERE.parent))

from docs import generated, methods, pictures  # noqa: E402 - after the path is set
from forgetless.version import __version__  # noqa: E402

project = "forgetless"
release = version = __version__
extensions = ["myst_parser"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build", "differences"]
myst_heading_anchors = 3
myst_enable_extensions = ["attrs_block"]  # `{.fields}` above a table names its style
smartquotes = False  # `--seeds` is two hyphens

html_theme = "furo"
html_title = f"forgetless {__version__}"
html_static_path = ["_static", "_build/static"]
html_css_files = ["site.css", "drawn.css"]
html_copy_source = False
html_show_copyright = False
pygments_style, pygments_dark_style = "friendly", "github-dark"


def setup(app: Any) -> None:
    """Write the methods' pages before they are looked for, and fill the gaps in the others as they are read."""
    STATIC.mkdir(parents=True, exist_ok=True)
    app.add_config_value("draw_pictures", True, "env", types=frozenset({bool}))
    app.connect("builder-inited", _prepare)
    app.connect("source-read", _fill)


def _prepare(app: Any) -> None:
    if missing := methods.without_differences():
        files = ", ".join(f"docs/differences/{name}.md" for name in missing)
        raise ConfigError(f"Say where these methods differ from their papers: {files}.")
    drawn = pictures.Pictures(HERE / "_build") if app.config.draw_pictures else None
    app.forgetless_pictures = drawn
    (STATIC / "drawn.css").write_text(pictures.style(), "utf-8")
    methods.write_pages(drawn.of_method if drawn else pictures.left_out)


def _fill(app: Any, _name: str, source: list[str]) -> None:
    source[0] = generated.filled(source[0], app.forgetless_pictures)
