"""Plugins: what is refused, and that their code runs only where they are named."""

import textwrap
from pathlib import Path

import pytest
import torch

from blockqnn import InputError, parse, search
from blockqnn.config import Plugin
from blockqnn.network.model import build
from blockqnn.network.ops import module_of
from blockqnn.network.plan import Image, PlannedNode, Skeleton, plan_network
from blockqnn.plugins import load, named, named_again
from blockqnn.report import rows
from blockqnn.report.drawing import draw
from blockqnn.runtime.facts import OperationFacts, problem_of, strategy_of
from runs import TINY, facts

OPERATION = """
import torch
from torch import nn
from blockqnn import Operation

class Scale(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.factor = nn.Parameter(torch.randn(channels))

    def forward(self, x):
        return x * self.factor[:, None, None]
"""
STATED = {
    "name": "'scale'",
    "kernels": "(0,)",
    "params": "lambda kernel, ins, out: out",
    "flops": "lambda kernel, ins, out, pixels: 0",
    "build": "lambda kernel, ins, out: Scale(out)",
    "channels": "lambda ins, filters: ins[0]",
}


def operation(number: object = 8, **changes: str) -> str:
    """A plugin with one operation: a learned factor for each channel."""
    stated = ", ".join(f"{name}={value}" for name, value in {**STATED, **changes}.items())
    return f"{OPERATION}\nOPERATIONS = {{{number}: Operation({stated})}}\n"


def written(folder: Path, text: str, name: str = "plugin.py") -> Path:
    path = folder / name
    path.write_text(textwrap.dedent(text))
    return path


def logging(log: Path) -> str:
    """Code that shows each time it is run."""
    return f"with open({str(log)!r}, 'a') as log: log.write('x')"


def loaded(*paths: Path):
    return load(named(paths))


WRONG = {
    "syntax": ("def (:\n", r"SyntaxError: invalid syntax \(plugin\.py, line 1\)"),
    "not text": ("\0", "SyntaxError"),
    "raises": ("x = 1\nraise RuntimeError('two\\nlines')", r"RuntimeError: two lines \(line 2\)"),
    "exits": ("import sys\nsys.exit(3)", r"SystemExit: 3 \(line 2\)"),
    "missing module": ("import no_such_module_here", r"ModuleNotFoundError: .* \(line 1\)"),
    "nothing": ("x = 1", "defines nothing; it needs one of OPERATIONS, STRATEGIES, EVALUATORS"),
    "empty": ("OPERATIONS = {}", "defines nothing"),
    "no dict": ("STRATEGIES = [1]", "STRATEGIES must be a dict, not list"),
    "not callable": ("STRATEGIES = {'mine': 3}", r"STRATEGIES: 'mine' must be a function .* not 3"),
    "evaluator": ("EVALUATORS = {'mine': None}", "EVALUATORS: 'mine' must be a function"),
    "built in": ("STRATEGIES = {'random': dict}", "'random' is taken by the built-in one"),
    "built-in evaluator": ("EVALUATORS = {'early-stop': dict}", "'early-stop' is taken"),
    "name": ("STRATEGIES = {'Mine!': dict}", "name 'Mine!': allowed are letters"),
    "name of another kind": ("EVALUATORS = {3: dict}", "name 3: allowed are letters"),
    "no operation": ("OPERATIONS = {8: 'conv'}", r"OPERATIONS\[8\]: must be a blockqnn.Operation, not"),
    "type 7": (operation(7), "type 7: whole numbers from 8 to 999"),
    "type text": (operation("'8'"), "type '8': whole numbers from 8"),
    "operation name": (
        operation(name="'max pool'"),
        "name 'max pool': allowed .* none of conv, max pool",
    ),
    "no kernel": (operation(kernels="()"), r"kernels \(\): a tuple of different whole numbers up to 99"),
    "a kernel": (operation(kernels="3"), "kernels 3: a tuple"),
    "kernel twice": (operation(kernels="(3, 3)"), r"kernels \(3, 3\): a tuple of different"),
    "kernel": (operation(kernels="(-1,)"), r"kernels \(-1,\): a tuple"),
    "predecessors": (operation(predecessors="3"), "predecessors 3: 1 or 2"),
    "no function": (operation(flops="12"), "flops must be a function, not 12"),
    "argument": (operation(filters="1"), "TypeError: .* unexpected keyword argument 'filters'"),
    "fraction": (
        operation(params="lambda *_: 1.5"),
        "params = 1.5 for kernel 0, .* a whole number from 0",
    ),
    "no channels": (operation(channels="lambda *_: 0"), "channels = 0 .* a whole number from 1"),
    "raising": (operation(params="lambda *_: 1 // 0"), r"8 scale, .* ZeroDivisionError: .* \(line 14\)"),
    "parameters": (operation(params="lambda *_: 3"), "states 3 parameters, but its module has 8"),
    "FLOPs": (operation(flops="lambda *_: 7"), "states 7 FLOPs for an image of 6x5, torch counts 0"),
    "shape": (operation(channels="lambda ins, filters: ins[0] + 1"), "RuntimeError"),
    "no module": (operation(build="lambda *_: 3", params="lambda *_: 0"), "must give a torch module"),
    "pooling": (
        operation(build="lambda *_: nn.MaxPool2d(2)", params="lambda *_: 0"),
        r"must map 2 images of 6x5 to \[2, 8, 6, 5\], not to \[2, 8, 3, 2\]",
    ),
}


@pytest.mark.parametrize(("text", "reason"), WRONG.values(), ids=WRONG)
def test_a_wrong_plugin_is_refused_in_one_line_before_anything_is_written(tmp_path, text, reason):
    path, run = written(tmp_path, text), tmp_path / "new" / "run"
    with pytest.raises(InputError, match=reason) as caught:
        search("digits", run=run, preset="small", settings=TINY, plugins=[path])
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 700
    assert not run.parent.exists()


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("missing.py", "missing.py: cannot be read .No such file"),
        ("folder.py", "folder.py: cannot be read .Is a directory"),
        ("plugin.txt", "plugin.txt: must be a Python file"),
    ],
)
def test_a_path_that_is_no_plugin(tmp_path, name, reason):
    (tmp_path / "folder.py").mkdir()
    written(tmp_path, "STRATEGIES = {'mine': dict}", "plugin.txt")
    with pytest.raises(InputError, match=reason):
        search("digits", run=tmp_path / "run", settings=TINY, plugins=[tmp_path / name])
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (
            {"strategy": "mine"},
            "strategy 'mine' is unknown; there are q-learning, .*, local-search, other",
        ),
        (
            {"evaluator": "mine"},
            "evaluator 'mine' is unknown; there are early-stop, and those of --plugin",
        ),
        ({"strategy": "other"}, r"strategy other: ValueError: no \(line 3\)"),
    ],
)
def test_names_that_no_plugin_defines(tmp_path, options, reason):
    path = written(tmp_path, "def make(*_):\n\n    raise ValueError('no')\nSTRATEGIES = {'other': make}")
    with pytest.raises(InputError, match=reason):
        search("digits", run=tmp_path / "run", settings=TINY, plugins=[path], **options)
    assert not (tmp_path / "run").exists()


def test_one_number_or_name_for_two_things(tmp_path):
    one = written(tmp_path, operation(), "one.py")
    for text, reason in (
        (operation(name="'other'"), "two.py: type 8 is taken by .*one.py"),
        (operation(9), "two.py: operation 'scale' is taken by .*one.py"),
    ):
        with pytest.raises(InputError, match=reason):
            loaded(one, written(tmp_path, text, "two.py"))


def test_a_file_is_run_once_a_process_and_with_the_hashed_content_only(tmp_path):
    text = f"{logging(tmp_path / 'log')}\nSTRATEGIES = {{'mine': dict}}"
    path = written(tmp_path, text)
    plugins = named([path, path])
    assert len(plugins) == 1
    assert load(plugins).strategies == load(plugins).strategies == {"mine": dict}
    assert (tmp_path / "log").read_text() == "x"
    changed = [Plugin(path=str(path), sha256="0" * 64)]
    with pytest.raises(InputError, match=rf"changed; sha256 was 0{{12}}, is {plugins[0].sha256[:12]}"):
        load(changed)
    assert (tmp_path / "log").read_text() == "x"
    assert not list(tmp_path.rglob("__pycache__"))


def test_what_a_plugin_prints_is_kept_from_standard_output(tmp_path, capsys):
    loaded(written(tmp_path, "print('hello')\nSTRATEGIES = {'mine': dict}"))
    assert capsys.readouterr() == ("", "hello\n")


def test_plugins_must_be_those_of_the_beginning():
    one, other = (Plugin(path=f"/a/{n}.py", sha256=n * 32) for n in ("ab", "cd"))
    named_again([one, other], [other, one], "run r")
    named_again([one], [one.model_copy(update={"path": "/elsewhere/x.py"})], "run r")
    for now, reason in (
        ([other], "run r: was begun with --plugin /a/ab.py; name it again"),
        ([one, other], "run r: was begun without --plugin /a/cd.py; leave it out"),
        (
            [Plugin(path="/b/ab.py", sha256="ef" * 32)],
            "run r: was begun with --plugin ab.py of sha256 abababababab; /b/ab.py has efefefefefef",
        ),
    ):
        with pytest.raises(InputError, match=reason):
            named_again([one], now, "run r")


def test_an_operation_keeps_its_own_first_values_and_they_come_from_the_seed(tmp_path):
    (op,) = loaded(written(tmp_path, operation())).operations
    block, skeleton = parse("(1,8,0,0,0) (2,1,1,1,0)", [op]), Skeleton(("conv",), (4,), (1,))
    plan = plan_network(block, skeleton, Image(1, 8, 8), 2)
    torch.manual_seed(5)
    state = torch.get_rng_state()
    factors = [build(plan, seed).stages[0][0].layers[0].factor for seed in (1, 1, 2)]
    assert torch.equal(factors[0], factors[1])
    assert not torch.equal(factors[0], factors[2])
    assert torch.equal(torch.get_rng_state(), state)
    assert plan.params == 9 * 4 + 8 + 4 + 4 * 4 + 8 + 5 * 2
    assert op.operation is not None
    assert "Scale(out)" in op.operation.source


def test_parameters_that_are_misstated_for_some_channels_only_fail_where_they_are_built(tmp_path):
    (op,) = loaded(
        written(tmp_path, operation(params="lambda kernel, ins, out: min(out, 8)"))
    ).operations
    with pytest.raises(InputError, match="states 8 parameters, but its module has 16"):
        module_of(PlannedNode(op, 0, (0,), (16,), 16))


def test_a_run_is_read_without_its_plugin_and_beside_another_of_the_same_number():
    described = [
        OperationFacts(number=8, name=name, kernels=(kernel,), predecessors=predecessors)
        for name, kernel, predecessors in (("one", 3, 1), ("two", 0, 2))
    ]
    one, two = (facts().model_copy(update={"operations": (o,)}) for o in described)
    assert "one 3x3  from input" in draw(one.block("(1,8,3,0,0)"))
    assert "two       from input, 1" in draw(two.block("(1,4,0,0,0) (2,8,0,0,1)"))
    for run, code in ((two, "(1,8,3,0,0)"), (one, "(1,4,0,0,0) (2,8,0,0,1)"), (facts(), "(1,8,3,0,0)")):
        with pytest.raises(InputError, match=r"type 8|allows kernel"):
            run.block(code)
    assert {a.op for a in problem_of(facts()).mdp.actions(problem_of(one).mdp.start)} == {1, 2, 3, 4}
    assert {a.op for a in problem_of(one).mdp.actions(problem_of(one).mdp.start)} == {1, 2, 3, 4, 8}
    with pytest.raises(InputError, match=r"operation 8 one: belongs to a plugin; .* --plugin FILE\.py"):
        problem_of(one).admit(problem_of(one).mdp.episode("(1,8,3,0,0)"))


def test_measurements_belong_to_the_plugins_they_were_made_with():
    """Those with an operation or an evaluator; a strategy measures nothing."""
    plain = facts()
    own = OperationFacts(number=8, name="mine", kernels=(3,), predecessors=1)

    def protocol(operations=(), **changes):
        settings = plain.settings.model_copy(update=changes)
        return plain.model_copy(update={"settings": settings, "operations": operations}).protocol

    def named(path, sha256):
        return (Plugin(path=path, sha256=sha256),)

    one = protocol((own,), plugins=named("/a.py", "1"))
    assert protocol(strategy="mine", plugins=named("/a.py", "1")) == plain.protocol
    assert protocol((own,), plugins=named("/b.py", "1")) == one
    other = protocol((own,), plugins=named("/a.py", "2"))
    evaluator = protocol(evaluator="mine", plugins=named("/a.py", "1"))
    assert len({plain.protocol, one, other, evaluator}) == 4


@pytest.mark.parametrize(
    ("ask", "reason"),
    [
        ("raise KeyError(7)", r"strategy mine: ask: KeyError: 7 \(line 4\)"),
        ("return [(1, 1, 3, 0, 0)]", r"stops at \(1,1,3,0,0\), before a terminal action"),
        ("return [(1, 1, 4, 0, 0)]", r"proposed \(1, 1, 4, 0, 0\) after \(0,4,0,0,0\): not legal there"),
        ("return None", "TypeError"),
    ],
)
def test_a_proposal_that_is_no_design(tmp_path, ask, reason):
    text = f"class Mine:\n    def __init__(self, *_): pass\n    def ask(self, *_):\n        {ask}\n"
    extensions = loaded(written(tmp_path, f"{text}STRATEGIES = {{'mine': Mine}}"))
    settings = facts(strategy="mine").settings
    strategy = strategy_of(settings, problem_of(facts()), extensions.strategies)
    with pytest.raises(InputError, match=reason):
        strategy.ask(0.0, None, set())


def test_a_proposal_of_plain_tuples_becomes_layers(tmp_path):
    text = """
    class Mine:
        def __init__(self, *_): pass
        def ask(self, *_): return [(1, 1, 3, 0, 0), (2, 7, 0, 0, 0)]
    STRATEGIES = {'mine': Mine}
    """
    problem = problem_of(facts())
    strategy = strategy_of(
        facts(strategy="mine").settings, problem, loaded(written(tmp_path, text)).strategies
    )
    assert problem.mdp.text(strategy.ask(0.0, None, set())) == "(1,1,3,0,0) (2,7,0,0,0)"


def test_settings_that_name_a_plugin_do_not_run_it(tmp_path):
    path = written(tmp_path, "raise RuntimeError\n")
    settings = {**TINY, "plugins": [p.model_dump() for p in named([path])]}
    with pytest.raises(
        InputError, match=r"settings: was begun with --plugin .*plugin\.py; name it again"
    ):
        search("digits", run=tmp_path / "run", settings=settings)


def test_reading_a_run_runs_nothing(tmp_path):
    log = tmp_path / "log"
    path = written(tmp_path, f"{logging(log)}\n{operation()}")
    search("digits", run=tmp_path / "run", settings=TINY, plugins=[path])
    assert log.read_text() == "x"
    view = rows.read(tmp_path / "run")
    view.status(), view.entries(), view.by_iteration(3)
    assert log.read_text() == "x"
