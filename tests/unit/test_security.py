"""What must never be in the source, by its syntax trees: each exception is named with its reason."""

import ast
import builtins
from collections.abc import Iterator
from pathlib import Path

import pytest

import blockqnn

PACKAGE = Path(blockqnn.__file__).parent
# What runs code from data, hands text to a shell or fetches; a name stands for all below it.
CODE = {
    "pickle", "cPickle", "dill", "cloudpickle", "marshal", "shelve", "joblib", "jsonpickle",
    "eval", "exec", "compile", "__import__", "os.system", "os.popen", "subprocess.getoutput",
    "subprocess.getstatusoutput", "importlib.import_module", "importlib.util.spec_from_file_location",
    "importlib.util.module_from_spec", "runpy", "torch.load", "torch.hub", "torch.jit.load",
    "torch.export.load", "pandas.read_pickle", "yaml.load", "yaml.load_all", "yaml.full_load",
    "yaml.unsafe_load", "yaml.UnsafeLoader", "yaml.FullLoader", "yaml.Loader", "shutil.unpack_archive",
    "tarfile", "http", "urllib.request", "socketserver", "xmlrpc",
}  # fmt: skip
CLOCK = {
    "time.time", "time.time_ns", "time.localtime", "time.gmtime", "time.strftime", "time.ctime",
    "datetime.datetime", "datetime.date",
}  # fmt: skip
SOCKETS = {"socket", "asyncio.start_server"}
METHODS = {
    "exec_module",
    "load_module",
    "extractall",
    "extract",
    "listen",
}  # whatever they are called on
KEYWORDS = {"shell": False, "allow_pickle": False, "weights_only": True, "trust_remote_code": False}

ALLOWED = {
    ("__init__", "importlib.import_module"): "the public names, imported when first asked for",
    ("runtime.worker", "importlib.import_module"): "the evaluator that our own parent names",
    ("runtime.cluster.reach", "socket"): "asks whether the cluster that the user named answers",
    ("runtime.file.lock", "socket"): "this machine's name, for who meets the lock",
    ("runtime.file.lock", "time.strftime"): "since when the lock is held, for who meets it",
    ("plugins", "importlib.util.module_from_spec"): "a file that the user names with --plugin",
    ("plugins", "exec_module"): "a file that the user names with --plugin",
    ("export.forms", "importlib.util.spec_from_file_location"): "the model.py that it has just written",
    ("export.forms", "importlib.util.module_from_spec"): "the model.py that it has just written",
    ("export.forms", "exec_module"): "the model.py that it has just written",
    ("export.forms", "torch.export.load"): "the file that it has just written",
    ("config_file", "yaml.load"): "with a loader that is a SafeLoader without tags",
    ("dashboard.serve", "socket"): "the live page, on the loopback address alone",
    ("setup", "datetime.date"): "the name of a new run's directory",
    (
        "data.cache",
        "time.time",
    ): "against a file's time: what was left a day ago is removed",
    ("callbacks.tensorboard", "time.time"): "the time that TensorBoard shows",
    ("callbacks.tensorboard", "time.time_ns"): "a file's name, so that sessions are read in their order",
}


def found(source: str) -> Iterator[str]:
    """Each forbidden name that the source imports, calls or mentions, by what it stands for."""
    tree = ast.parse(source)
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {a.asname or a.name.split(".")[0]: a.name for a in node.names if a.asname}
            names |= {(top := a.name.split(".")[0]): top for a in node.names if not a.asname}
            yield from (name for a in node.names if (name := forbidden(a.name)))
        if isinstance(node, ast.ImportFrom) and node.level == 0:
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                names[alias.asname or alias.name] = full
                if name := forbidden(full):
                    yield name
    for node in ast.walk(tree):
        if isinstance(node, ast.Name | ast.Attribute):
            dotted = full_name(node, names)
            if dotted and (name := forbidden(dotted)):
                yield name
        method = node.func if isinstance(node, ast.Call) else None
        if isinstance(method, ast.Attribute) and method.attr in METHODS:
            yield method.attr
        if isinstance(node, ast.keyword) and node.arg in KEYWORDS:
            value = node.value.value if isinstance(node.value, ast.Constant) else "unknown"
            if value is not KEYWORDS[node.arg]:
                yield f"{node.arg}={value}"


def forbidden(dotted: str) -> str | None:
    """The shortest forbidden name that it is or lies below."""
    parts = dotted.split(".")
    heads = (".".join(parts[:end]) for end in range(1, len(parts) + 1))
    return next((head for head in heads if head in CODE | CLOCK | SOCKETS), None)


def full_name(node: ast.expr, names: dict[str, str]) -> str | None:
    """`t.load` after `import torch as t` is torch.load; a builtin is its own name."""
    attributes: list[str] = []
    while isinstance(node, ast.Attribute):
        attributes.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name) or (node.id not in names and node.id not in dir(builtins)):
        return None  # a value, or what belongs to it
    return ".".join((names.get(node.id, node.id), *reversed(attributes)))


def in_the_package() -> set[tuple[str, str]]:
    everything = set()
    for path in sorted(PACKAGE.rglob("*.py")):
        module = ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
        everything |= {(module, name) for name in found(path.read_text())}
    return everything


def test_what_may_run_code_is_where_the_list_says():
    assert in_the_package() == ALLOWED.keys()


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("import pickle", "pickle"),
        ("import pickle as p", "pickle"),
        ("from pickle import loads as parse", "pickle"),
        ("def f():\n    import cloudpickle", "cloudpickle"),
        ("import torch\ntorch.load('x')", "torch.load"),
        ("import torch as t\nread = t.load", "torch.load"),
        ("from torch import load", "torch.load"),
        ("import torch.hub", "torch.hub"),
        ("import yaml\nyaml.load(x, yaml.Loader)", "yaml.Loader"),
        ("import yaml\nyaml.unsafe_load(x)", "yaml.unsafe_load"),
        ("eval('1')", "eval"),
        ("list(map(exec, texts))", "exec"),
        ("import os\nos.system('ls')", "os.system"),
        ("import subprocess\nsubprocess.run('ls', shell=True)", "shell=True"),
        ("run('ls', shell=anything)", "shell=unknown"),
        ("import numpy as np\nnp.load(x, allow_pickle=True)", "allow_pickle=True"),
        ("archive.extractall('here')", "extractall"),
        ("import tarfile", "tarfile"),
        ("import socket", "socket"),
        ("import time\ntime.time()", "time.time"),
        ("from time import time", "time.time"),
        ("from datetime import datetime\ndatetime.now()", "datetime.datetime"),
        ("spec.loader.exec_module(module)", "exec_module"),
    ],
)
def test_what_is_planted_is_found(source, name):
    assert name in set(found(source))


@pytest.mark.parametrize(
    "source",
    [
        "import pickletools",
        "network.eval()",
        "import time\ntime.monotonic()",
        "import torch\ntorch.export.export(model)",
        "import yaml\nyaml.safe_load(x)",
        "np.load(x, allow_pickle=False)",
        "import re\nre.compile('a')",
        "match.time",
        "import subprocess\nsubprocess.run(['ls'])",
    ],
)
def test_what_is_harmless_is_not(source):
    assert not set(found(source))
