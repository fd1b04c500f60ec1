"""What is read of a method's source, and what is refused in it."""

from pathlib import Path
from typing import Literal

import pytest

from forgetless.errors import SettingsError
from forgetless.kinds import Positive
from forgetless.settings.fields import method_facts, method_fields
from forgetless.settings.types import describe, explain

SOURCE = '''"""A title.

More of it.
"""
from typing import ClassVar, Literal
from forgetless import Method, method
from forgetless import kinds

Words = Literal["a", "b"]
START = 3.5


class Base(Method):
    first: int = 1  # of the base


@method("mine")
class Mine(Base):
    """What it does.

    And how.
    """

    scenarios: ClassVar[tuple[str, ...]] = ("task", "class")
    needs_past = True
    positive: kinds.Positive = START  # noqa: X1
    # over two lines,
    # above
    words: Words = "b"
    maybe: "float | None" = None  # may be left open  # type: ignore[x]
    long: Literal["x", "y"] = (
        "x"  # within parentheses
    )
    pair: tuple[int, float] = (1, -2.5)
    plain = 3
    _: ClassVar[int] = 0
'''


def facts_of(tmp_path: Path, source: str):
    path = tmp_path / "mine.py"
    path.write_text(source)
    return method_facts(str(path))


def refused(tmp_path: Path, source: str) -> str:
    with pytest.raises(SettingsError) as caught:
        facts_of(tmp_path, source)
    return str(caught.value)


def test_fields_with_types_defaults_and_comments(tmp_path):
    facts = facts_of(tmp_path, SOURCE)
    assert [tuple(field) for field in facts.fields] == [
        ("first", int, 1, "of the base"),
        ("positive", Positive, 3.5, ""),
        ("words", Literal["a", "b"], "b", "over two lines, above"),
        ("maybe", float | None, None, "may be left open"),
        ("long", Literal["x", "y"], "x", "within parentheses"),
        ("pair", tuple[int, float], (1, -2.5), ""),
    ]
    assert (facts.name, facts.title, facts.summary) == ("mine", "A title.", "What it does.")
    assert (facts.scenarios, facts.needs_task, facts.needs_past) == (("task", "class"), False, True)


def test_nothing_in_the_file_is_run(tmp_path):
    marker = tmp_path / "ran"
    facts_of(tmp_path, f"{SOURCE}\nopen({str(marker)!r}, 'w')\n")
    assert not marker.exists()


def test_the_fields_of_a_method_that_is_built_upon(tmp_path):
    source = (
        "from forgetless.methods.lwf import LwF\nfrom forgetless import method\n\n\n"
        '@method("mine")\nclass Mine(LwF):\n    """Mine."""\n\n    weight: float = 9.0  # mine\n    more: int = 1\n'
    )
    fields = {field.name: field for field in facts_of(tmp_path, source).fields}
    assert set(fields) == {field.name for field in method_fields("lwf")} | {"more"}
    assert fields["weight"].default == 9.0


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('@method("mine")', "", "registers no method"),
        ("class Base", '@method("base")\nclass Base', "registers 2 methods (base, mine). Keep one"),
        ("class Base(Method):", "class Base(Method)", "line 13 is not valid Python"),
        (
            "first: int",
            "first: Tensor",
            "line 14: the setting 'first' has the type 'Tensor', which settings do not know",
        ),
        ("first: int = 1", "first: int = compute()", "which would have to be computed"),
        ("first: int = 1", "first: int = [1]", "has a list as its default. Use a tuple."),
        ("first: int = 1", "first: int", "'first' has no default value"),
        ("needs_past = True", "needs_past = not False", "write needs_past out as a plain value"),
        (
            '@method("mine")',
            '@method("lwf")',
            "registers 'lwf', the name of a method that comes with forgetless",
        ),
        (
            "from forgetless import kinds",
            "from ..data import Task",
            "Write `from forgetless.data import Task`",
        ),
        ("from forgetless import kinds", "from .base import Fit", "Write `from forgetless import Fit`"),
        ("first: int", "seed: int", "the setting 'seed' has the name of one that every method has"),
    ],
)
def test_what_is_wrong_in_a_file_is_a_sentence(tmp_path, old, new, words):
    from forgetless.settings.schema import method_flags

    assert old in SOURCE
    path = tmp_path / "mine.py"
    path.write_text(SOURCE.replace(old, new, 1))
    with pytest.raises(SettingsError) as caught:
        method_flags(method_facts(str(path)))
    assert words in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_setting_may_not_have_the_name_of_a_flag_or_a_key(tmp_path):
    from forgetless.cli.flags import OURS, SWITCHES
    from forgetless.settings.schema import RESERVED, method_flags

    assert {*OURS, *SWITCHES, "method", "methods", "stream", "on", "help"} <= RESERVED
    for name in sorted(RESERVED):
        facts = facts_of(tmp_path, SOURCE.replace("first: int", f"{name}: int", 1))
        with pytest.raises(
            SettingsError, match=f"the setting '{name}' has the name of one that every method has"
        ):
            method_flags(facts)


NO_NAMES = ["../../bad name", "mi né", "né", "Mine", "my-method", "2mine", "_mine", "mine\n", "class", ""]


@pytest.mark.parametrize("name", NO_NAMES)
def test_a_method_is_called_by_a_plain_word_in_a_file_and_in_python(tmp_path, name):
    from forgetless import Method, method
    from forgetless.methods import METHODS

    words = "lower-case letters, digits and underscores, the first a letter"
    told = refused(tmp_path, SOURCE.replace('"mine"', repr(name), 1))
    assert words in told
    assert repr(name) in told
    assert str(tmp_path / "mine.py") in told
    with pytest.raises(SettingsError, match=words):

        @method(name)
        class Mine(Method):
            """Mine."""

    assert name not in METHODS


@pytest.mark.parametrize("name", ["mine", "m", "lwf_mc_2"])
def test_plain_words_are_names(tmp_path, name):
    assert facts_of(tmp_path, SOURCE.replace('"mine"', repr(name), 1)).name == name


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("mine", "mine"),
        ("My-method 2", "my_method_2"),
        ("2022_né", "my_2022_n_"),
        ("class", "my_class"),
        ("lwf", "my_lwf"),
    ],
)
def test_a_name_that_is_proposed_may_be_taken(tmp_path, file, name):
    path = tmp_path / f"{file}.py"
    path.write_text(SOURCE.replace('@method("mine")', ""))
    with pytest.raises(SettingsError, match=rf'Put @method\("{name}"\) on'):
        method_facts(str(path))
    path.write_text(SOURCE.replace('"mine"', '"lwf"', 1))
    with pytest.raises(SettingsError, match=rf'such as @method\("{name}"\)'):
        method_facts(str(path))


def test_types_in_words():
    assert describe(Positive) == "FLOAT>0"
    assert explain(Positive | None) == "a number above 0"
    assert describe(Literal["a", "b"] | None) == "a|b"
    assert explain(tuple[Positive, ...]) == "a list with commas, each a number above 0"
