"""Settings of published experiments, by name, with where each is taken from."""

from dataclasses import dataclass, field
from typing import Any

from ..errors import SettingsError
from .catalog import StreamEntry
from .names import closest

Values = dict[str, Any]

_GREY = ("mnist", "fashion-mnist")  # images of 28 x 28, to which a paper's padding and normalisation apply


@dataclass(frozen=True)
class Preset:
    """What a paper sets. Methods and sources that it does not speak of are given only what is for all."""

    summary: str
    source: str  # citation
    shared: Values = field(default_factory=dict)
    methods: dict[str, Values] = field(default_factory=dict)  # a method's own, and its training
    images: Values = field(default_factory=dict)  # for images of 28 x 28
    split: Values = field(default_factory=dict)  # for streams that share classes out over their tasks
    # a method's in one scenario, or on one stream, where the paper has them so: (method, scenario or stream) -> values
    where: dict[tuple[str, str], Values] = field(default_factory=dict)

    def values(self, method: str, entry: StreamEntry, scenario: str) -> Values:
        """The settings for one method on one stream in one scenario."""
        images = self.images if entry.source in _GREY else {}
        split = self.split if entry.kind in ("split", "folder") else {}
        stream = entry.name.partition("/")[0]
        there = self.where.get((method, scenario), {}) | self.where.get((method, stream), {})
        return self.shared | images | split | self.methods.get(method, {}) | there

    @property
    def speaks_of(self) -> tuple[str, ...]:
        """The methods that it has settings of their own for."""
        return tuple(dict.fromkeys([*self.methods, *(method for method, _ in self.where)]))


_MLP = {"model": "mlp", "hidden": (400, 400)}
_ADAM = {
    "optimizer": "adam",
    "lr": 1e-3,
    "batch": 128,
    "momentum": 0.0,
    "weight_decay": 0.0,
    "schedule": "constant",
}
# The code adds 1e-5 times the sum of the squared weights to the loss; torch's decay has a half in front.
_ICARL = {
    "class_reduction": "mean_total", "fixed_width": 100, "epochs": 70.0, "batch": 128, "lr": 2.0,
    "optimizer": "sgd", "momentum": 0.9, "weight_decay": 2e-5, "schedule": "step", "milestones": (0.7, 0.9),
    "step_factor": 0.2,
}  # fmt: skip

_HSU = "Hsu, Liu, Ramasamy & Kira, Re-evaluating Continual Learning Scenarios, 2018, arXiv:1810.12488"
_SPLIT_MNIST = _MLP | _ADAM | {"epochs": 4.0, "class_order": "natural"}
_BORDER = {"padding": 2, "mean": (0.1,), "std": (0.2752,)}

# Kang et al., section A.3, with the mean and deviation of their loader; its batch normalisation is the batch's own.
_WSN_CIFAR = {
    "model": "alexnet-small-bn", "bn": "batch_stats", "epochs": 200.0, "batch": 64, "lr": 1e-3, "optimizer": "adam",
    "momentum": 0.0, "weight_decay": 0.0, "schedule": "plateau", "patience": 6, "lr_factor": 0.5, "lr_floor": 1e-6,
    "keep": "best", "validation": 0.05, "augment": False, "mean": (125.3 / 255, 123 / 255, 113.9 / 255),
    "std": (63 / 255, 62.1 / 255, 66.7 / 255),
}  # fmt: skip
_LWM = {"epochs": 10.0, "lr": 0.01, "beta": 1.0, "gamma": 1.0}
_LWM_CIFAR = {"model": "resnet34"}

PRESETS: dict[str, Preset] = {
    # The strengths of ewc are those of the scripts in the authors' repository, one for each scenario, and twice that
    # here: their penalty has no half in front. Their Fisher is taken at the label that the network answers.
    "hsu": Preset(
        "the three scenarios on Split MNIST: images padded to 32 x 32, 4 epochs a task",
        f"{_HSU}, table 1",
        shared=_SPLIT_MNIST,
        images=_BORDER,
        methods={"ewc": {"fisher": "predicted"}},
        where={
            ("ewc", "class"): {"strength": 2 * 600.0},
            ("ewc", "task"): {"strength": 2 * 100.0},
            ("ewc", "domain"): {"strength": 2 * 100.0},
        },
    ),
    "hsu-online": Preset(
        "the same with EWC in its online form; other methods are run as under hsu",
        f"{_HSU}, table 1",
        shared=_SPLIT_MNIST,
        images=_BORDER,
        methods={"ewc": {"online": True, "fisher": "predicted"}},
        where={
            ("ewc", "class"): {"strength": 2 * 100.0},
            ("ewc", "task"): {"strength": 2 * 400.0},
            ("ewc", "domain"): {"strength": 2 * 700.0},
        },
    ),
    # The published figures of LwF are from 2018, when its distillation was the mean over the labels, times the
    # temperature squared; the authors' code has summed over the labels since May 2019, and forgets less. The classes
    # of each task are drawn by the seed; their Adam goes on from task to task, ours begins anew.
    "vandeven": Preset(
        "the three scenarios on Split MNIST: pixels in [0, 1], 2,000 steps a task",
        "van de Ven & Tolias, Generative replay with feedback connections, 2018, arXiv:1809.10635, table 3; icarl: "
        "Three scenarios for continual learning, 2019, arXiv:1904.07734",
        shared=_MLP | _ADAM | {"steps": 2000},
        split={"class_order": "seeded"},
        methods={
            "lwf": {
                "scope": "seen", "grouping": "zero_padded", "balance": "tasks", "temperature": 2.0, "weight": 1.0,
                "kd_scale_t2": True, "kd_reduction": "mean",
            },
            "icarl": {"memory": 2000, "per_class": 0, "temperature": 2.0},
        },
        images={"padding": 0, "mean": (0.0,), "std": (1.0,)},
    ),
    "paper": Preset(
        "a method's own settings as its paper has them, and its training where the paper says how and does not begin "
        "with a trained network",
        "lwf: Li & Hoiem, Learning without Forgetting, TPAMI 2018, sections 3 and 3.1; lwf_mc: see lwfmc-icarl; lwm: "
        "see lwm-cvpr19; wsn: Kang et al., Winning Subnetworks, ICML 2022, the best capacity of tables 1 and 2",
        methods={
            "lwf": {"teacher": "recorded", "warmup": 4.0, "temperature": 2.0, "weight": 1.0},
            "lwf_mc": _ICARL,
            "lwm": _LWM,
            "wsn": {"capacity": 0.5},
        },
        where={
            ("wsn", "permuted-mnist-gpm"): {"capacity": 0.3},
            ("wsn", "split-cifar100"): _WSN_CIFAR,
            ("lwf_mc", "split-cifar100"): {"class_order": "icarl"},
            ("lwm", "split-cifar100"): _LWM_CIFAR,
        },
    ),
    "lwfmc-icarl": Preset(
        "LwF-MC as the code of iCaRL trains it on CIFAR-100",
        "Rebuffi, Kolesnikov, Sperl & Lampert, iCaRL, CVPR 2017, section 4 and its published code",
        methods={"lwf_mc": _ICARL},
        where={("lwf_mc", "split-cifar100"): {"class_order": "icarl"}},
    ),
    "lwm-cvpr19": Preset(
        "LwM as its paper says, which leaves most unsaid: 10 epochs a task at a rate of 0.01",
        "Dhar, Singh, Peng, Wu & Chellappa, Learning without Memorizing, CVPR 2019, sections 5.3 and 5.4",
        methods={"lwm": _LWM},
        where={("lwm", "split-cifar100"): _LWM_CIFAR},
    ),
}  # fmt: skip


def find_preset(name: str) -> Preset:
    """The preset of this name.

    Raises:
        SettingsError: there is none; the sentence names those there are.
    """
    if name not in PRESETS:
        raise SettingsError(
            f"There is no preset {name!r}.{closest(name, PRESETS)} Presets: {', '.join(PRESETS)}."
        )
    return PRESETS[name]
