"""The device that makes pixels, and all else that their last bit depends on."""

import zlib
from functools import lru_cache
from importlib.metadata import version

import torch
from llvmlite import binding

from augstudy.core.build import check_choice
from augstudy.core.errors import UserError

__all__ = ["DEVICES", "device_for", "made_with"]

DEVICES = ("auto", "cpu", "cuda")
PACKAGES = ("augstudy", "torch", "torchvision", "kornia", "numba", "numpy", "pillow")


def device_for(name: str) -> torch.device:
    """auto, cpu or cuda; raises UserError for another name, or for cuda where there is none."""
    check_choice("device", name, DEVICES)
    if name == "cuda" and not torch.cuda.is_available():
        raise UserError("device is cuda, but torch sees no CUDA device here", "Set device to auto or cpu.")
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")


@lru_cache
def made_with(device: torch.device) -> dict[str, str]:
    """Versions, and the processor: code compiled for another one may round otherwise, and so do other cards."""
    found = {name: version(name) for name in PACKAGES} | {"zlib": zlib.ZLIB_RUNTIME_VERSION}
    if device.type == "cuda":
        return found | {"device": torch.cuda.get_device_name(device), "cuda": str(torch.version.cuda)}
    return found | {"device": device.type, "cpu": binding.get_host_cpu_name()}
