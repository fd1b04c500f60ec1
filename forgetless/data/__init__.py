"""Streams of tasks: sources of images, how they are cut into tasks, and what a method sees of them."""

from .augment import Pixels
from .task import Batch, Layout, Scenario, Scope, Split, Stream, Task, compile_layouts

__all__ = ["Batch", "Layout", "Pixels", "Scenario", "Scope", "Split", "Stream", "Task", "compile_layouts"]
