"""The embeddings of the last batches, kept to compare new ones with."""

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

__all__ = ["Queue"]


class Queue(nn.Module):
    """The last `size` keys in a ring; the oldest are overwritten, whatever the batch size.

    lightly's memory bank drops the rest of a batch at its end, asks the device where that end is, and is not saved.

    Args:
        size: K, keys kept.
        width: D of a key.
    """

    keys: Tensor
    place: Tensor

    def __init__(self, size: int, width: int) -> None:
        super().__init__()
        self.register_buffer("keys", normalize(torch.randn(size, width), dim=1))
        self.register_buffer("place", torch.zeros((), dtype=torch.long))

    @torch.no_grad()
    def push(self, keys: Tensor) -> None:
        """Add (B, D) keys; of more than K, the last K stay."""
        size = len(self.keys)
        slots = (self.place + torch.arange(len(keys), device=keys.device)) % size
        self.keys[slots[-size:]] = keys[-size:].to(self.keys.dtype)  # half under mixed precision
        self.place.copy_((self.place + len(keys)) % size)

    def nearest(self, x: Tensor) -> Tensor:
        """The key nearest to each unit vector by cosine: (B, D) -> (B, D)."""
        return self.keys[(x @ self.keys.T).argmax(1)]
