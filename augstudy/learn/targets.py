"""What a student is to say: a teacher's logits made probabilities that do not all fall on one prototype."""

from torch import Tensor
from torch.nn.functional import softmax

from augstudy.learn.transport import codes
from augstudy.learn.world import gathered, place

__all__ = ["OPERATIONS", "centred", "sinkhorn"]

OPERATIONS = ("centering", "sinkhorn", "softmax")


def centred(logits: Tensor, center: Tensor, temperature: float) -> Tensor:
    """Softmax of (B, K) logits over K, what all pictures have in common taken off, (K,).

    Source: Caron et al. (DINO), ICCV 2021, section 3.1.
    """
    return softmax((logits.float() - center) / temperature, 1)


def sinkhorn(logits: Tensor, temperature: float, rounds: int) -> Tensor:
    """Probabilities over K of each of B samples, close to using all K alike: (B, K) -> (B, K), rows add up to 1.

    Columns and rows of exp(logits / temperature) are scaled in turn, columns first, over the batches of all processes.

    Source: Cuturi, NeurIPS 2013; Caron et al. (DINO), ICCV 2021, appendix, whose "softmax over the batch" is one round.
    """
    rank, count = place()
    return codes(gathered(logits), temperature, rounds).chunk(count)[rank]
