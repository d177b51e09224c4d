"""Synthetic results: every number comes from the formulas below, none from a run."""

import json
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from augstudy.core.bundle import save_arrays
from augstudy.core.store import StudyFolder, digest, save_array, write_yaml

LAYERS = ("conv1", "conv2", "conv3", "conv4")
TURNS, FLAG = "rotation accuracy", "task too easy"  # diagnostics of the synthetic trainings
AXES = ("method.temperature", "view.strength")
Line = tuple[str, str, str]  # label, method, data
LINES: tuple[Line, ...] = (
    ("random", "random", "none"),
    ("RotNet, 1 image", "rotnet", "single_image"),
    ("RotNet, 1 image, without any colour jitter or blur", "rotnet", "single_image"),
    ("MoCo, 1 image, strong crops | queue 4096", "moco", "single_image"),
    ("MoCo, full data", "moco", "full"),
    ("supervised", "supervised", "full"),
)


def accuracy(row: int, depth: int, seed: int) -> float:
    """Synthetic top-1 in per cent: rises with the row, peaks at the second layer, varies a little with the seed."""
    return 40 + 3.0 * row + 4 * np.sin(1 + depth) + 0.37 * np.cos(5 * seed + row + depth)


def study_index(
    lines: tuple[Line, ...], seeds: tuple[int, ...], values: tuple[Any, ...] = (), others: tuple[Any, ...] = ()
) -> dict[str, Any]:
    """An index as the pipeline writes it; `values` are of the sweep axis `method.temperature`, `others` of a second."""
    image = "retina (fallback for A)"
    runs = [
        {
            "label": label,
            "method": method,
            "data": data,
            "image": image if data == "single_image" else "-",
            "seed": seed,
            "axes": {key: v for key, v in zip(AXES, point, strict=True) if v is not None},
            "hash": digest([label, seed, *(point if others else point[:1])]),
            "samples": 0 if method == "random" else 40_000,
        }
        for label, method, data in lines
        for point in product(values or (None,), others or (None,))
        for seed in seeds
    ]
    return {
        "study": "synthetic",
        "title": "What one image teaches, layer by layer (synthetic numbers)",
        "question": "How far does one image go?",
        "command": "augstudy run studies/synthetic.yaml",
        "scale": "laptop",
        "image": {"asked": "A", "used": "retina", "label": image, "credit": "a made-up photographer, CC0"},
        "probe_data": {
            "asked": "cifar10",
            "used": "photos",
            "label": "photos (fallback for cifar10)",
            "note": "twelve kinds of photographs",
            "classes": 12,
            "train": 4800,
            "test": 1200,
        },
        "probes": [{"name": "linear", "key": "aaaa1111"}],
        "figures": ["layer_curves", "filters", "corpus"],
        "axes": [axis for axis, swept in zip(AXES, (values, others), strict=True) if swept],
        "runs": runs,
    }


def record(run: dict[str, Any], row: int, layers: tuple[str, ...] = LAYERS, probes: Any = None) -> dict[str, Any]:
    """A finished record; an evaluation under a key that is no longer the study's is there to be ignored."""
    old = {"probe": "linear", "key": "outdated", "probe_data": "photos", "metrics": [metric("conv1", -1.0)]}
    found = [
        {
            "probe": probe["name"],
            "key": probe["key"],
            "probe_data": "photos (fallback for cifar10)",
            "metrics": [metric(layer, accuracy(row, LAYERS.index(layer), run["seed"]) - 2 * k) for layer in layers],
        }
        for k, probe in enumerate(probes or [{"name": "linear", "key": "aaaa1111"}])
    ]
    pretext = {"metric": "rotation accuracy", "value": 70 + row + run["seed"], "chance": 25.0, "better": "higher"}
    return {
        "hash": run["hash"],
        "method": run["method"],
        "status": "finished",
        "reason": None,
        "seconds": 1.0,
        "layers": list(layers),
        "pretext": [{**pretext, "unit": "%"}] if run["method"] == "rotnet" else [],
        "evaluations": [old, *found],
    }


def metric(layer: str, value: float) -> dict[str, Any]:
    return {"layer": layer, "metric": "top1", "value": value}


def failed(run: dict[str, Any]) -> dict[str, Any]:
    return {**record(run, 0, layers=()), "status": "failed", "reason": "loss became NaN at epoch 3", "evaluations": []}


def filter_bank(row: int, count: int = 24, size: int = 7) -> np.ndarray:
    """Gratings in eight directions, grey ones first, then coloured ones; no training made them."""
    v, u = np.mgrid[:size, :size] - size // 2
    angles = np.pi * np.arange(count) / 8
    waves = np.cos((0.9 + 0.1 * row) * (u * np.cos(angles)[:, None, None] - v * np.sin(angles)[:, None, None]))
    tint = np.where(np.arange(count)[:, None] < count // 2, 1.0, [[1.0, 0.2, -0.8]])
    return (waves[..., None] * tint[:, None, None, :]).astype(np.float32)


def crop_sheet(seed: int, count: int = 30) -> np.ndarray:
    """Colour ramps that differ from crop to crop."""
    ramp = np.linspace(0, 1, 16)
    base = ramp[None, :, None, None] * ramp[None, None, :, None] * np.ones(3)
    turn = np.sin(np.arange(count)[:, None] + seed + np.arange(3)) ** 2
    return (255 * base * turn[:, None, None, :]).astype(np.uint8)


def write_study(folder: StudyFolder, index: dict[str, Any], records: dict[str, dict[str, Any]]) -> StudyFolder:
    """Put an index and records where the pipeline puts them."""
    write_yaml(folder.index, index)
    for key, value in records.items():
        path = folder.run(key).record
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(value), encoding="utf-8")  # store.write_json would wait for the disk
    return folder


def write_pictures(folder: StudyFolder, index: dict[str, Any]) -> None:
    """filters.npy for every run, crops.npy for those on an image corpus, and a picture of the method's for MoCo."""
    labels = list(dict.fromkeys(run["label"] for run in index["runs"]))
    for run in index["runs"]:
        place = folder.run(run["hash"])
        place.path.mkdir(parents=True, exist_ok=True)
        np.save(place.filters, filter_bank(labels.index(run["label"])))
        if run["data"] == "single_image":
            np.save(place.crops, crop_sheet(run["seed"]))
        if run["method"] == "moco":
            save_array(place.picture("samples"), crop_sheet(run["seed"]))
        if run["seed"] == min(other["seed"] for other in index["runs"]):
            for name, arrays in gallery_arrays(labels.index(run["label"])).items():
                if name != "clusters" or run["method"] == "moco":
                    save_arrays(place.gallery(name), arrays, "synthetic")


def gallery_arrays(row: int, classes: int = 12) -> dict[str, dict[str, np.ndarray]]:
    """One of each gallery, of ramps and of formulas."""
    crops, picture = crop_sheet(row, 72).reshape(9, 8, 16, 16, 3), crop_sheet(row, 2)
    names = np.array([f"class {i}" for i in range(classes)])
    counts = 40 * np.eye(classes, dtype=np.int64) + (np.arange(classes**2).reshape(classes, classes) * (row + 1)) % 7
    told = "style at all layers (weight 10), content at the middle layer, 30 steps"
    words = {
        "told": told,
        "content_name": "chelsea",
        "style_name": "ihc",
        "content_credit": "one",
        "style_credit": "other",
    }
    return {
        "clusters": {
            "crops": crops,
            "kind": np.repeat(["tightest", "largest", "drawn"], 3),
            "size": 100 - np.arange(9),
            "spread": np.linspace(0.1, 0.9, 9),
            "clusters": np.array(300),
            "mean_purity": np.array(np.nan if row % 2 else 0.31),
            "chance_purity": np.array(np.nan if row % 2 else 0.14),
            "images": crops[:, :4],
            "image_size": np.arange(9) % 4 * 11 - (np.arange(9) == 8),
            "image_purity": np.where(np.arange(9) % 4, 0.4, np.nan),
            "image_class": np.where(np.arange(9) % 4, "class 2", ""),
            "image_mean_purity": np.array(0.27),
            "image_chance_purity": np.array(0.13),
        },
        "neighbours": {
            "query": crops[:8, 0],
            "nearest": crops[:8, 1:],
            "cosine": np.ones((8, 7)),
            "same": np.arange(56).reshape(8, 7) % 3 == 0,
            "classes": names[:8],
            "layer": np.array("conv4"),
            "all_same": np.array(0.3),
        },
        "confusions": {"counts": counts, "classes": names, "layer": np.array("conv4")},
        "pca_colours": {
            "pictures": picture,
            "names": np.array(["chelsea", "coffee"]),
            "layers": np.array(LAYERS),
            "shown": np.array([0.9, 0.7, 0.5, 0.3]),
            **{f"map_{i}": picture[:, :: 2**i, :: 2**i] for i in range(4)},
        },
        "attention": {
            "pictures": picture,
            "names": np.array(["chelsea", "coffee"]),
            "maps": np.linspace(0, 1, 2 * 3 * 16).reshape(2, 3, 4, 4) / (row + 1),
            "used": np.full((2, 3), 0.5),
        },
        "style_transfer": {
            **{name: np.array(text) for name, text in words.items()},
            **{name: crop_sheet(row + i, 1)[0] for i, name in enumerate(("content", "style", "picture"))},
            "likeness": np.array([0.8, 0.1]),
        },
    }


def records_of(index: dict[str, Any], **options: Any) -> dict[str, dict[str, Any]]:
    """A finished record for every run; the row number in the formula is the label's place in the study."""
    labels = list(dict.fromkeys(run["label"] for run in index["runs"]))
    return {run["hash"]: record(run, labels.index(run["label"]), **options) for run in index["runs"]}


def write_curves(folder: StudyFolder, index: dict[str, Any]) -> None:
    """metrics.csv and run.yaml of every run that trains: three epochs, a flag that is never raised, a rare monitor."""
    for run in index["runs"]:
        place = folder.run(run["hash"])
        place.path.mkdir(parents=True, exist_ok=True)
        write_yaml(place.provenance, {"device": "a made-up machine", "threads": 2, "commit": "abc", "seconds": 1.0})
        if run["method"] == "random":
            continue
        lines = [f"epoch,loss,lr,seconds,{TURNS},{TURNS} (chance),{FLAG},monitor: knn top-1"]
        for epoch in (1, 2, 3):
            told = 30 + 10 * epoch + run["seed"]
            lines.append(f"{epoch},{2 / epoch + 0.1 * run['seed']},0.1,1,{told},25,0,{told / 2 if epoch == 3 else ''}")
        place.metrics.write_text("\n".join(lines) + "\n")


def write_informed(path: Path) -> StudyFolder:
    """A study of one row over five values of one axis, three seeds, with I_NCE of the views, and some views."""
    index = study_index(LINES[3:4], (0, 1, 2), (0.0, 0.5, 1.0, 1.5, 2.0)) | {"mi": [{"name": "infonce", "key": "mi"}]}
    records = records_of(index)
    for run in index["runs"]:
        run["mi"] = True
        nats = 3.0 - run["axes"][AXES[0]] + 0.05 * run["seed"]
        found = [{"layer": "embedding", "metric": name, "value": v} for name, v in (("nats", nats), ("ceiling", 4.16))]
        records[run["hash"]]["evaluations"].append(
            {"probe": "infonce", "key": "mi", "probe_data": "held-out pairs", "metrics": found}
        )
    folder = write_study(StudyFolder(path), index, records)
    for run in index["runs"]:
        np.save(folder.run(run["hash"]).views, crop_sheet(run["seed"]))
    return folder


PROBES = [
    {"name": "linear", "key": "aaaa1111", "protocol": "fast"},
    {"name": "linear_paper", "key": "bbbb2222", "protocol": "paper"},
    {"name": "knn", "key": "cccc3333"},
]


def write_probed(path: Path, change: Any = lambda label, layer, value: value) -> StudyFolder:
    """Six rows, two seeds, three probes; `change(label, layer, value)` is what the second finds."""
    index = study_index(LINES, (0, 1)) | {"probes": PROBES}
    records = records_of(index, probes=PROBES)
    for run in index["runs"]:
        for found in records[run["hash"]]["evaluations"]:
            if found["key"] == "bbbb2222":
                for metric in found["metrics"]:
                    metric["value"] = change(run["label"], metric["layer"], metric["value"])
    return write_study(StudyFolder(path), index, records)


PERCENTS = (1, 2, 5, 10, 20, 50, 100)


def write_few_labels(path: Path, low: bool = True) -> StudyFolder:
    """Five rows, two seeds, accuracy against the share of labels: it rises with that and the row; conv2 is the best."""
    probe = {"name": "low_label", "key": "aaaa1111", "protocol": "fast"}
    index = study_index(LINES[:5], (0, 1)) | {"probes": [probe]}
    records, labels = records_of(index), [line[0] for line in LINES]
    for run in index["runs"] if low else []:
        row = labels.index(run["label"])
        records[run["hash"]]["evaluations"][1]["metrics"] = [
            {**metric(layer, 30 + 3 * row + 4 * i + 5 * (layer == "conv2")), "metric": f"top1@{percent}%"}
            for layer in ("conv1", "conv2")
            for i, percent in enumerate(PERCENTS)
        ]
    return write_study(StudyFolder(path), index, records)
