"""What values cannot stand together: method and scenario, stream and order, model and widths. No torch."""

from collections.abc import Mapping
from typing import Any

from ..errors import SettingsError
from ..networks import network_problem
from .catalog import MODELS, StreamEntry
from .fields import MethodFacts, method_facts, method_names
from .names import classes_of, closest

_ORDERS = ("natural", "seeded", "1993", "icarl")


def check_together(
    values: Mapping[str, Any], asked: Mapping[str, Any], facts: MethodFacts, entry: StreamEntry, stream: str
) -> None:
    """Everything that each value alone does not show; all problems at once."""
    checks = (
        _scenario_problem(values["scenario"], facts, entry, stream),
        _share_problem(values["scenario"], entry, stream),
        _order_problem(values.get("class_order", "natural"), entry, stream),
        _model_problem(values["model"], asked),
        _growth_problem(values),
        _channels_problem(asked, entry),
        _validation_problem(values),
        _floor_problem(values),
        f"tasks: {stream} has {entry.tasks} tasks; {values['tasks']} cannot be learned."
        if (values.get("tasks") or 0) > entry.tasks
        else "",
        "size: only a folder's images are brought to a size; this stream has its own."
        if asked.get("size") and entry.kind != "folder"
        else "",
    )
    if problems := [problem for problem in checks if problem]:
        raise SettingsError("\n".join(problems))


def _scenario_problem(scenario: str, facts: MethodFacts, entry: StreamEntry, stream: str) -> str:
    offered = entry.scenarios
    if scenario not in offered:
        return f"{stream} has no {scenario} scenario; it has {' and '.join(offered)}."
    defined = _defined(facts)
    if scenario in defined:
        return ""
    others = [other for other in method_names() if scenario in _defined(method_facts(other))]
    why = "must be told the task at test time, which the" if facts.needs_task else "is not defined in the"
    hides = " scenario hides" if facts.needs_task else " scenario"
    elsewhere = [place for place in defined if place in offered]
    where = " and ".join(f"the {place} scenario" for place in defined)
    use = (
        f"Use --scenario {' or '.join(elsewhere)}"
        if elsewhere
        else f"It is defined in {where}, which {stream} does not have. Use another stream"
    )
    return (
        f"{facts.name} {why} {scenario}{hides}. {use}, or a method that is defined in the {scenario} scenario: "
        f"{', '.join(others)}."
    )


def _defined(facts: MethodFacts) -> tuple[str, ...]:
    """The scenarios in which a method is defined; one that must be told the task has no other."""
    return tuple(place for place in facts.scenarios if place == "task" or not facts.needs_task)


def _share_problem(scenario: str, entry: StreamEntry, stream: str) -> str:
    """In the domain scenario all tasks have the same labels, so as many classes each."""
    if entry.kind not in ("split", "folder") or scenario != "domain":
        return ""
    classes = classes_of(entry)
    if not entry.base and classes % entry.tasks == 0:
        return ""
    return (
        f"{stream} has no domain scenario: its {classes} classes make tasks of different sizes. "
        f"Ask for a number of tasks that divides {classes}, or for another scenario."
    )


def _order_problem(order: str, entry: StreamEntry, stream: str) -> str:
    if order != "natural" and not entry.has_order:
        return f"class_order: every task of {stream} has all classes, so there is no order to choose; leave it out."
    count = classes_of(entry)
    if order == "icarl" and count != 100:
        return f"class_order: icarl is an order of the 100 classes of CIFAR-100; {stream} has others."
    if order in _ORDERS:
        return ""
    parts = [part.strip() for part in order.split(",")]
    if not all(part.isdecimal() for part in parts):
        hint = closest(order, _ORDERS)
        return f"class_order: {order!r} is not an order.{hint} Orders: {', '.join(_ORDERS)}, or 3,1,2,..."
    if sorted(map(int, parts)) != list(range(count)):
        return f"class_order: each of the numbers 0 to {count - 1} must stand in it once."
    return ""


def _model_problem(model: str, asked: Mapping[str, Any]) -> str:
    if model not in MODELS:
        return f"There is no model {model!r}.{closest(model, MODELS)} Models: {', '.join(MODELS)}."
    if asked.get("hidden") and model != "mlp":
        return f"hidden: only an mlp has hidden layers to set; the model is {model}. Add --model mlp, or leave it out."
    return ""


def _growth_problem(values: Mapping[str, Any]) -> str:
    """What comes with each growth of the head, where the head never grows or the network has no room for it."""
    head_layers, widen = values.get("head_layers", 1), values.get("widen", 0)
    for key, asked in (("head_layers", head_layers > 1), ("widen", widen)):
        if asked and values["scenario"] == "domain":
            return f"{key}: in the domain scenario all tasks share one head, which never grows; leave it out."
    return network_problem(values["model"], values.get("hidden"), head_layers, widen)


def _validation_problem(values: Mapping[str, Any]) -> str:
    """Whatever looks at the validation loss needs examples that are held out."""
    if values.get("validation"):
        return ""
    for key, value in (("schedule", "plateau"), ("keep", "best")):
        if values.get(key) == value:
            return f"{key}: {value} goes by the loss on held-out data; hold some out, --validation 0.1."
    return ""


def _floor_problem(values: Mapping[str, Any]) -> str:
    """A plateau that begins below its floor would end each task before its first step."""
    rate, floor = values.get("lr"), values.get("lr_floor")
    if values.get("schedule") != "plateau" or rate is None or floor is None or floor < rate:
        return ""
    return (
        f"lr_floor: a task ends once the rate is below {floor:g}, and it begins at {rate:g}. "
        "Give a floor below the rate, --lr."
    )


def _channels_problem(asked: Mapping[str, Any], entry: StreamEntry) -> str:
    channels = len(entry.mean)
    for key in ("mean", "std"):
        count = len(asked[key]) if asked.get(key) is not None else channels
        if channels and count not in (1, channels):
            return f"{key}: the images have {channels} channel{'s' * (channels > 1)}; {count} numbers were given."
    return ""
