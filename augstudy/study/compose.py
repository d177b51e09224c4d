"""From a study file and the command line to a `Study`; the only file that knows Hydra."""

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import GrammarParseError, InterpolationResolutionError, OmegaConfBaseException

from augstudy.core.build import build, settings
from augstudy.core.errors import UserError, culprit, nearest
from augstudy.core.plain import check_plain
from augstudy.core.slips import not_yaml
from augstudy.core.store import from_here, read_yaml
from augstudy.study.regimes import Data, Image
from augstudy.study.sections import SECTIONS, family
from augstudy.study.spec import Study
from augstudy.study.written import read_study

__all__ = ["compose", "configs_folder", "presets"]

ROW_SECTIONS = (*SECTIONS, "image")
MAPPINGS = (*SECTIONS, "methods", "full", "features", "mi", "compute", "monitor", "resources", "sweep")

DEFAULTS = "defaults: [/study, /scale: laptop, _self_]"


@cache
def configs_folder() -> Path:
    """`configs/`: inside the package in a wheel, beside it in a checkout."""
    package = Path(__file__).parents[1]
    return package / "configs" if (package / "configs").is_dir() else package.parent / "configs"


def presets() -> dict[str, dict[str, Any]]:
    """Method name -> the sections in `configs/method/<name>.yaml`."""
    return {path.stem: read_yaml(path) or {} for path in sorted((configs_folder() / "method").glob("*.yaml"))}


def compose(path: Path, overrides: Sequence[str] = ()) -> Study:
    """Read a study file, its scale preset, and overrides in Hydra's grammar.

    Overrides of a row's sections (`method.lr=0.1`, `view.strength=0,1,2`) beat what rows say, and their sweeps become
    sweep axes; the others (`scale=smoke`, `seeds=[0,1]`) are Hydra's.

    Raises:
        UserError: names the file or the override, and the key.
    """
    written = read_study(path)
    check_plain(written, str(path))
    for text in overrides:
        check_plain(text, f"override {text!r}")
    for key, value in written.items():
        if key not in (*_study_keys(), "defaults"):
            raise UserError(f"{path}: unknown key {key!r}", nearest(str(key), _study_keys()))
        if key in MAPPINGS:
            _section(value, f"{path}: {key}")
    try:
        return _composed(path, written, overrides)
    except UserError as error:
        guilty = culprit(overrides, lambda some: _composed(path, written, some))
        if guilty is None or error.what.startswith("override"):
            raise
        raise UserError(f"override {guilty!r}: {error.what.removeprefix(f'{path}: ')}", error.fix) from None


def _composed(path: Path, written: Mapping[str, Any], overrides: Sequence[str]) -> Study:
    fixed, sweep, plain = _sort(overrides)
    node = _hydra(path, _with_seeds(plain, written, path))
    own = _preset_of(written) or written.get("scale", "paper")
    _folder_name(path, node.get("scale"))
    node["name"] = path.stem if node.get("scale") == own else f"{path.stem}-{node.get('scale')}"
    node["command"] = shlex.join(["augstudy", "run", str(from_here(path)), *overrides])
    study = _study({**node, "overrides": fixed, "typed": tuple(plain), "file": str(path)}, str(path))
    methods, view = _without_said(study.methods, written, plain), _of_its_family(study.view, written, str(path))
    return replace(study, methods=methods, view=view, sweep={**study.sweep, **sweep})


def _folder_name(path: Path, scale: Any) -> None:
    """Raises UserError where the results of a study would lie outside the results folder."""
    if path.stem.startswith("."):
        raise UserError(f"{path} cannot name a results folder", "Rename the file, such as to toy.yaml.")
    if scale is not None and not re.fullmatch(r"\w[\w.-]*", str(scale)):
        raise UserError(f"{path}: scale: {scale!r} is not a word", "Name a scale: smoke, laptop, gpu or paper.")


def _study_keys() -> list[str]:
    return [key for key in settings(Study) if key not in ("name", "file", "overrides", "typed", "command")]


def _study(node: dict[str, Any], where: str) -> Study:
    """A mapping -> Study, each field checked for what it must be; null leaves the default."""
    node = {key: value for key, value in node.items() if value is not None}
    for key in ("title", "question", "scale", "device", "precision"):
        _text(node.get(key, ""), f"{where}: {key}")
    for key, kind in (("image", Image), ("probe_data", Data)):
        value = node.get(key, {})
        value = {"name": value} if isinstance(value, str) else value
        node[key] = build(kind, _mapping(value, f"{where}: {key}"), f"{where}: {key}")
    for key in ("rows", "seeds", "figures", "claims", "loggers"):
        value = node.get(key, getattr(Study, key))
        if not isinstance(value, list | tuple):
            raise UserError(
                f"{where}: {key} is {value!r}, not a list", f"Write {key}: [...], or '{key}=[...]' where it is typed."
            )
        node[key] = tuple(value)
    probes = node.get("probes", ["linear"])
    node["probes"] = {_text(name, f"{where}: probes"): {} for name in probes} if isinstance(probes, list) else probes
    for key in MAPPINGS:
        node[key] = _section(node.get(key), f"{where}: {key}")
    node["probes"] = _sections(node["probes"], f"{where}: probes")
    node["methods"] = {
        name: _sections(value, f"{where}: methods: {name}")
        for name, value in _sections(node["methods"], f"{where}: methods").items()
    }
    for row in node["rows"]:
        _mapping(row, f"{where}: rows")
    for claim in node["claims"]:
        _mapping(claim, f"{where}: claims")
    for key in ("figures", "loggers"):
        for name in node[key]:
            _text(name, f"{where}: {key}")
    for seed in node["seeds"]:
        if not isinstance(seed, int) or isinstance(seed, bool):
            raise UserError(f"{where}: seeds has {seed!r}, which is no whole number", "Write seeds: [0, 1, 2].")
    for key, values in node["sweep"].items():
        _text(key, f"{where}: sweep")
        if not isinstance(values, list):
            raise UserError(f"{where}: sweep: {key} is {values!r}, not a list", f"Write {key}: [...].")
    return Study(**node)


def _section(value: Any, where: str) -> dict[str, Any]:
    if isinstance(value, str):
        return {"name": value}
    return {} if value is None else dict(_mapping(value, where))


def _sections(value: Any, where: str) -> dict[str, dict[str, Any]]:
    return {str(key): _section(node, f"{where}: {key}") for key, node in _mapping(value, where).items()}


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str):
        raise UserError(f"{where}: {value!r} is not a word", "Write a word or a text, in quotes if it looks otherwise.")
    return value


def _mapping(value: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise UserError(f"{where} is {value!r}, not settings", "Write key: value pairs, or {} for none.")
    return value


def _without_said(
    methods: Mapping[str, Any], written: Mapping[str, Any], typed: Sequence[str]
) -> dict[str, dict[str, Any]]:
    """Sections of single methods, less what the study file says for all rows: it beats its scale, even there."""
    own = written.get("methods") or {}
    left: dict[str, dict[str, Any]] = {}
    for name, sections in methods.items():
        left[name] = {}
        for section, node in sections.items():
            said = set(_section(written.get(section), section)) - set((own.get(name) or {}).get(section) or {})
            said -= {key for key in said if f"++methods.{name}.{section}.{key}" in (t.split("=")[0] for t in typed)}
            left[name][section] = {key: value for key, value in node.items() if key not in said}
    return left


def _of_its_family(view: Mapping[str, Any], written: Mapping[str, Any], where: str) -> dict[str, Any]:
    """The view section, less what the scale says of settings that the family named in the study file has not."""
    said = _section(written.get("view"), "view")
    known = settings(family(said["name"], where)) if "name" in said else view
    return {key: value for key, value in view.items() if key in said or key in known}


def _preset_of(written: Mapping[str, Any]) -> str | None:
    """The scale in the defaults of a study file."""
    defaults = written.get("defaults")
    entries = [entry for entry in defaults if isinstance(entry, Mapping)] if isinstance(defaults, list) else []
    found = [value for entry in entries for key, value in entry.items() if key.split("@")[0].strip("/") == "scale"]
    return str(found[0]) if found else None


def _with_seeds(plain: list[str], written: Mapping[str, Any], path: Path) -> list[str]:
    """Overrides for Hydra; a scale that is typed brings its seeds along, which beat the file's as any override does.

    Raises:
        UserError: there is no such scale, or the file has none that could be replaced.
    """
    typed = {key: value for key, _, value in (text.lstrip("+").partition("=") for text in plain)}
    own = _preset_of(written)
    if "scale" not in typed:
        if own is not None:
            _scale(own, f"{path}: scale")
        return plain
    where = f"override 'scale={typed['scale']}'"
    seeds = _scale(typed["scale"], where).get("seeds")
    if own is None:
        raise UserError(f"{where}: {path} has no scale to replace", f"Begin the file with {DEFAULTS}.")
    return plain if seeds is None or "seeds" in typed else [*plain, f"seeds={seeds}"]


def _scale(name: str, where: str) -> dict[str, Any]:
    """What the preset says. Raises UserError, `where` before it, when there is none."""
    known = {path.stem: path for path in (configs_folder() / "scale").glob("*.yaml")}
    if name not in known:
        raise UserError(f"{where}: unknown scale {name!r}", nearest(name, known))
    return dict(read_yaml(known[name]))


def _sort(overrides: Sequence[str]) -> tuple[dict[str, Any], dict[str, list[Any]], list[str]]:
    """Overrides of row sections with one value, those with several, and the rest as they are."""
    fixed: dict[str, Any] = {}
    sweep: dict[str, list[Any]] = {}
    plain: list[str] = []
    for text in overrides:
        override = _parse(text)
        key = override.key_or_group
        if key.split(".")[0] not in _study_keys():
            raise UserError(f"override {text!r}: unknown key {key!r}", nearest(key.split(".")[0], _study_keys()))
        if key.split(".")[0] in ROW_SECTIONS and "." not in key:
            key = f"{key}.name"  # backbone=conv5 is short for backbone.name=conv5
        if key.split(".")[0] not in ROW_SECTIONS:
            if override.is_sweep_override():
                fix = f"Give one value: {key}=... (a list in brackets and quotes: '{key}=[a,b]')."
                raise UserError(f"override {text!r}: {key} cannot be swept", fix)
            # A scale is a choice among files; what else is typed may add to a section.
            plain.append(f"++{text}" if key != "scale" and text[0].isalpha() else text)
        elif override.is_sweep_override():
            sweep[key] = _values(override, text)
        else:
            fixed[key] = _plain(override.value())
    return fixed, sweep, plain


def _parse(text: str) -> Override:
    try:
        return OverridesParser.create().parse_override(text)
    except HydraException:
        fix = "Write key=value, brackets closed and texts with commas, colons or = in quotes; a sweep is key=a,b."
        raise UserError(f"override {text!r} cannot be read", fix) from None


def _values(override: Override, text: str) -> list[Any]:
    try:
        return [_plain(v) for v in override.sweep_iterator(transformer=lambda value: value)]
    except HydraException:
        raise UserError(f"override {text!r} lists no values", "Write key=a,b or key=range(1,4).") from None


def _plain(value: Any) -> Any:
    """Hydra's parsed value (quoted strings and the like) as plain Python."""
    if isinstance(value, list):
        return [_plain(v) for v in value]
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    return value.text if hasattr(value, "text") else value


def _hydra(path: Path, overrides: list[str]) -> dict[str, Any]:
    """Hydra's composition of the study file over `configs/`."""
    search = f"hydra.searchpath=[file://{configs_folder()}]"
    try:
        with initialize_config_dir(str(path.parent.resolve()), version_base="1.3"):
            config = hydra_compose(path.name, [*overrides, search])
        check_plain(OmegaConf.to_container(config, resolve=False), str(path))  # files named in its defaults too
        node = OmegaConf.to_container(config, resolve=True)
        assert isinstance(node, dict)
        return {str(k): v for k, v in node.items()}
    except yaml.YAMLError as error:  # Hydra refuses more than the parser: a key that stands there twice
        raise not_yaml(path, error) from None
    except RecursionError:
        what = f"{path}: its defaults lead back to the file itself, as those of a file called {path.name} may"
        raise UserError(what, f"Give the file another name than configs/ has, and begin it with {DEFAULTS}.") from None
    except (HydraException, OmegaConfBaseException, ValueError) as caught:
        told = caught if str(caught) else caught.__cause__ or caught  # Hydra wraps some without a word
        if isinstance(told, GrammarParseError | InterpolationResolutionError):  # of a text with ${ in it
            what = f"{path}: {told.full_key}: {str(told).splitlines()[0]}"
            fix = r"Name a key of the study in ${...}, or write \${ for a dollar and a brace."
            raise UserError(what, fix) from None
        text = " ".join(str(told).split())
        if found := re.search(r"Could not load '([^']*)'", text):
            what = f"{path}: defaults: there is no {found[1]!r} in {configs_folder()}"
            raise UserError(what, f"Begin the file with {DEFAULTS}.") from None
        text = text.split(" To append")[0][:240]
        raise UserError(f"{path}: {text}", "Mend the key or override named above.") from None
    except OSError as error:  # a name in its defaults that no file can have, such as one too long
        what = f"{path}: defaults: a file that they name cannot be read ({error.strerror})"
        raise UserError(what, f"Begin the file with {DEFAULTS}.") from None
