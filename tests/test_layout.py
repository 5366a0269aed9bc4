"""The house keeps its floors: read from the imports, those inside functions included."""

import ast
import functools
import graphlib
from pathlib import Path

import pytest

from digitline.models import registry

ROOT = Path(__file__).parent.parent
# A floor, and what it stands on. `serving.artifacts` opens what `models` evaluates and `export`
# verifies; `serving.description` reads what lies beside it.
ARTIFACTS = ("serving.artifacts", "serving.description")
FLOORS = {
    "base": (),
    "data": ("base",),
    "serving": ("base",),
    "models": ("base", "data", *ARTIFACTS),
    "export": ("base", "data", "models", *ARTIFACTS),
    "cli": ("base", "data", "models", "serving", "export"),
    "api": ("base", "data", "models", "serving", "export"),
}
FILES = sorted(path for floor in FLOORS for path in (ROOT / floor).rglob("*.py"))
MODULES = {".".join(path.relative_to(ROOT).with_suffix("").parts): path for path in FILES}


@functools.cache
def imports(path):
    """The modules of ours that a file imports, wherever in it."""
    return list(_imports(path))


def _imports(path):
    package = path.relative_to(ROOT).parent.parts
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = [*package[: len(package) - node.level + 1], *(node.module or "").split(".")]
            parent = ".".join(part for part in base if part)
            for name in node.names:
                module = f"{parent}.{name.name}"
                yield (module if module in MODULES else parent), name
        elif isinstance(node, ast.Import):
            assert not any(name.name.startswith("digitline") for name in node.names), path


def is_in(module, package):
    return module == package or module.startswith(f"{package}.")


def graph(node_of):
    """Node to the nodes that it imports."""
    found = {}
    for module, path in MODULES.items():
        wanted = {node_of(target) for target, _ in imports(path)} - {node_of(module), ""}
        found.setdefault(node_of(module), set()).update(wanted)
    return found


def assert_no_circle(edges):
    try:
        list(graphlib.TopologicalSorter(edges).static_order())
    except graphlib.CycleError as error:
        pytest.fail(f"a circle of imports: {' → '.join(error.args[1])}")


@pytest.mark.parametrize("floor", FLOORS)
def test_a_floor_imports_only_what_it_stands_on(floor):
    upward = [
        f"{module} imports {target}"
        for module, path in MODULES.items()
        if is_in(module, floor)
        for target, _ in imports(path)
        if target and not any(is_in(target, each) for each in (floor, *FLOORS[floor]))
    ]
    assert upward == []


def test_no_circle_of_files():
    assert_no_circle(graph(lambda module: module))


@pytest.mark.parametrize("floor", FLOORS)
def test_no_circle_of_folders(floor):
    """A folder is one node here; a file beside the folders is a node of its own."""

    def node(module):
        if not is_in(module, floor):
            return ""
        parts = module.split(".")
        is_folder = (ROOT / floor / parts[1]).is_dir() if len(parts) > 1 else False
        return ".".join(parts[:2]) if is_folder or len(parts) == 2 else module

    assert_no_circle({name: targets for name, targets in graph(node).items() if name})


@pytest.mark.parametrize(
    "folder", sorted({path.parent.relative_to(ROOT).as_posix() for path in FILES})
)
def test_a_folder_holds_4_to_15_files(folder):
    """Networks do not count: one looks for a network by its name."""
    files = [path for path in (ROOT / folder).iterdir() if path.is_file()]
    if folder == "models":
        files = [path for path in files if path.stem not in registry.NAMES]
    assert 4 <= len(files) <= 15 + 1, [path.name for path in files]  # And __init__.py.


def test_a_module_keeps_its_name_where_it_is_imported():
    renamed = [
        f"{module}: {name.name} as {name.asname}"
        for module, path in MODULES.items()
        for target, name in imports(path)
        if name.asname and target.endswith(name.name)
    ]
    assert renamed == []
