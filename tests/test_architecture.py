"""The house stands: floors, no circles, the libraries each room may use, and nothing where it does not belong."""

import ast
import graphlib
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import augstudy

ROOT = Path(augstudy.__file__).parent
FLOORS = ["core", "augment", "data", "learn", "evaluate", "show", "study", "bench", "commands", "cli"]
NOT_FOR_SHOW = {"augment", "data", "learn", "evaluate"}  # records are all it needs
FILES = sorted(ROOT.rglob("*.py"))
MODULES = {".".join(("augstudy", *path.relative_to(ROOT).with_suffix("").parts)): path for path in FILES}
MODULES = {name.removesuffix(".__init__"): path for name, path in MODULES.items()}


def imports(path):
    """Every module that a file imports, at the top or inside a function, as the module that the name comes from."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if inner in MODULES else node.module


def floor(module):
    """Height of the room that a module of ours lives in; the public API at the root is above all."""
    parts = module.split(".")
    return FLOORS.index(parts[1]) if len(parts) > 1 else len(FLOORS)


def ours(path):
    return [name for name in imports(path) if name.split(".")[0] == "augstudy"]


def test_the_rooms_are_the_ones_in_the_design():
    rooms = {name.split(".")[1] for name in MODULES if "." in name}
    assert rooms <= set(FLOORS)


@pytest.mark.parametrize("module", MODULES)
def test_a_room_imports_only_from_rooms_below_it(module):
    for name in ours(MODULES[module]):
        assert name in MODULES, f"{module} imports {name}, which is not there"
        assert floor(name) <= floor(module), f"{module} imports {name} from above"


def test_show_needs_only_records():
    for module, path in MODULES.items():
        if module.startswith("augstudy.show"):
            for name in ours(path):
                assert name.split(".")[1] not in NOT_FOR_SHOW, f"{module} imports {name}"


def test_there_are_no_circles():
    graph = {module: set(ours(path)) - {module} for module, path in MODULES.items()}
    graphlib.TopologicalSorter(graph).prepare()  # raises CycleError with the circle


def test_only_compose_imports_hydra():
    users = {module for module, path in MODULES.items() if any(name.split(".")[0] == "hydra" for name in imports(path))}
    assert users <= {"augstudy.study.compose"}


def test_packages_are_empty_but_for_the_public_api():
    for path in FILES:
        if path.name == "__init__.py" and path.parent != ROOT:
            assert path.read_text(encoding="utf-8") == "", path
    for folder in {path.parent for path in FILES}:
        assert (folder / "__init__.py").exists(), f"{folder} is no package"


def test_there_is_no_room_for_odds_and_ends():
    assert not [path for path in FILES if path.stem.strip("_") in {"utils", "util", "helpers", "misc", "common"}]


@pytest.mark.parametrize("module", MODULES)
def test_a_module_fits_in_one_reading(module):
    assert len(MODULES[module].read_text(encoding="utf-8").splitlines()) <= 300


@pytest.mark.parametrize("module", [name for name in MODULES if MODULES[name].name != "__init__.py"])
def test_what_a_module_exports_is_there(module):
    tree = ast.parse(MODULES[module].read_text(encoding="utf-8"))
    assert ast.get_docstring(tree), f"{module} does not say what it is"
    exported = [
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__all__"
    ]
    assert len(exported) == 1, f"{module} has no __all__"
    loaded = importlib.import_module(module)
    assert [name for name in exported[0] if not hasattr(loaded, name)] == []


def test_reading_results_needs_no_torch():
    shows = ["augstudy.cli", *(name for name in MODULES if name.startswith("augstudy.show"))]
    code = f"import sys, importlib\nfor m in {shows!r}: importlib.import_module(m)\nprint('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False"]


@pytest.mark.parametrize("name", augstudy.__all__)
def test_the_public_api_resolves(name):
    assert getattr(augstudy, name).__module__.startswith("augstudy.")


def test_an_unknown_public_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'Corpse'"):
        _ = augstudy.Corpse
