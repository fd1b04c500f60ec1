"""Streams of tasks: sources of images, how they are cut into tasks, and what a method sees of them."""

from .arrays import stream_from_arrays
from .augment import Pixels
from .scan import Scan, scan_folder
from .source import Source
from .sources import load_source
from .streams import build_stream, stream_from_folder
from .task import Batch, Layout, Scenario, Scope, Split, Stream, Task, compile_layouts

__all__ = [
    "Batch",
    "Layout",
    "Pixels",
    "Scan",
    "Scenario",
    "Scope",
    "Source",
    "Split",
    "Stream",
    "Task",
    "build_stream",
    "compile_layouts",
    "load_source",
    "scan_folder",
    "stream_from_arrays",
    "stream_from_folder",
]
