"""The structure holds: imports go down only, and light packages stay light."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import blockqnn

PACKAGE = Path(blockqnn.__file__).parent
# Each layer may import those before it, and its own.
LAYERS = (
    ("errors", "seeds", "npz", "version", "quantity", "place", "machine", "users_code"),
    ("diagram",),
    ("space",),
    ("records",),
    ("network.plan",),
    ("config",),
    ("data",),
    ("config_file",),
    ("strategy",),
    ("plugins",),
    ("network", "evaluation", "runtime", "tables"),
    ("journal",),
    ("report", "export"),
    ("figures", "pages"),
    ("dashboard", "callbacks"),
    ("setup",),
    ("forking", "rebuilding", "searching"),
    ("training",),
    ("calibration",),
    ("automatic",),
    ("doctor",),
    ("api",),
    ("cli",),
    ("__main__",),
)


def layer_of(module):
    """The number of the layer with the longest matching name."""
    matches = [
        (len(name), number)
        for number, names in enumerate(LAYERS)
        for name in names
        if module == name or module.startswith(name + ".")
    ]
    return max(matches)[1]


def modules():
    for path in sorted(PACKAGE.rglob("*.py")):
        name = ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
        if name != "__init__":
            yield name.removesuffix(".__init__"), path


def imported(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("blockqnn."):
            yield node.module.removeprefix("blockqnn.")
        if isinstance(node, ast.Import):
            yield from (a.name.removeprefix("blockqnn.") for a in node.names if "blockqnn." in a.name)


@pytest.mark.parametrize(("module", "path"), list(modules()))
def test_imports_go_down_only(module, path):
    up = [other for other in imported(path) if layer_of(other) > layer_of(module)]
    assert not up, f"{module} imports {up}"


def test_runtime_and_evaluation_do_not_know_each_other():
    for module, path in modules():
        for one, other in (("runtime", "evaluation"), ("evaluation", "runtime")):
            if module.startswith(one):
                assert not [name for name in imported(path) if name.startswith(other)], module


def test_no_import_cycle():
    graph = {module: set(imported(path)) & dict(modules()).keys() for module, path in modules()}
    while free := [module for module, others in graph.items() if not others & graph.keys()]:
        for module in free:
            del graph[module]
    assert not graph


@pytest.mark.parametrize(
    "code",
    [
        "import blockqnn.space.code, blockqnn.space.mdp, blockqnn.space.graph, blockqnn.space.zoo",
        "import blockqnn.strategy.q_agent, blockqnn.strategy.random_search, blockqnn.strategy.reward",
        "import blockqnn.runtime.search, blockqnn.runtime.store, blockqnn.runtime.local,"
        " blockqnn.runtime.worker, blockqnn.runtime.facts",
        "import blockqnn.network.plan, blockqnn.plugins, blockqnn.strategy.own",
        "import blockqnn.data.dataset",
        "import blockqnn.report.rows, blockqnn.report.drawing, blockqnn.callbacks.live,"
        " blockqnn.report.notebook, blockqnn.pages.page",
        "import blockqnn.tables.compare",
        "import blockqnn.figures.catalogue, blockqnn.figures.tables",
        "import blockqnn.doctor.command",
        "import blockqnn.cli, blockqnn.api",
    ],
)
def test_no_torch_in_a_fresh_process(code):
    check = f"{code}; import sys; assert 'torch' not in sys.modules, sorted(sys.modules)"
    subprocess.run([sys.executable, "-c", check], check=True)


def test_a_run_is_read_without_numpy():
    """Which takes as long to import as all the rest."""
    heavy = "{'numpy', 'scipy', 'sklearn'}"
    check = f"import blockqnn.report.rows, sys; assert not {heavy} & sys.modules.keys()"
    subprocess.run([sys.executable, "-c", check], check=True)
