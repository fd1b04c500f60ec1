"""Streams of tasks: sources of images, how they are cut into tasks, and what a method sees of them."""

from .augment import Pixels
from .source import Source
from .sources import load_source
from .streams import build_stream
from .task import Batch, Layout, Scenario, Scope, Split, Stream, Task, compile_layouts

__all__ = [
    "Batch",
    "Layout",
    "Pixels",
    "Scenario",
    "Scope",
    "Source",
    "Split",
    "Stream",
    "Task",
    "build_stream",
    "compile_layouts",
    "load_source",
]
