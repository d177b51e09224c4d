"""Style transfer: what an encoder keeps of one picture and takes from another."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity, interpolate

from augstudy.core import rng
from augstudy.core.build import check_choice, check_range, check_types
from augstudy.core.errors import UserError, nearest
from augstudy.learn.backbones.base import Encoder, signed

__all__ = ["STARTS", "Progress", "StyleTransfer", "Stylised", "fitted", "gram"]

STARTS = ("noise", "content")
MIN_SIDE = 32  # px, of the shorter side of what is made
TINY = 1e-12
BEYOND = 1000.0  # weight of the mean squared excess of pixels beyond [0, 1]

Progress = Callable[[int, int, dict[str, float]], None]  # step, steps, losses


@dataclass(frozen=True)
class Stylised:
    """What came out.

    Args:
        picture: (3, h, w) float in [0, 1].
        before, after: the losses of the first picture and of this one: "style" and "content", see `StyleTransfer`.
        content_layer, style_layers: where they were taken.
        likeness: cosine between the picture's and the content's features at the content layer, less their mean over
            all positions; and that between the style image's and the content's.
    """

    picture: Tensor
    before: dict[str, float]
    after: dict[str, float]
    content_layer: str
    style_layers: tuple[str, ...]
    likeness: tuple[float, float]

    def told(self) -> str:
        """The losses at the beginning and at the end, and the cosines, in one line."""
        losses = ", ".join(f"{name} {self.before[name]:.2g} -> {value:.2g}" for name, value in self.after.items())
        mine, other = self.likeness
        return f"{losses}; cosine to the content at {self.content_layer} {mine:.2f} (style image: {other:.2f})"


@dataclass(frozen=True)
class StyleTransfer:
    """Pixels that have one picture's features and another one's correlations between features, found by L-BFGS.

    Loss = content + style_weight * style + tv_weight * variation. So that one weight fits every encoder, whatever the
    scale of its features, the losses are shares: content is the mean squared difference of the features, divided by
    their variance over the positions of the content picture (1: no more than each channel's mean is kept); style is
    the squared difference of Gram matrices, divided by that between the two pictures' own, averaged over layers (1: the
    content picture's style, 0: the style picture's). Variation is the mean squared difference of neighbouring pixels in
    [0, 1]. Batch norm stands in eval mode.

    Args:
        content_layer: "" takes the middle layer.
        style_layers: () takes all.
        style_weight, tv_weight: see above.
        steps: of L-BFGS, each of one or more passes through the network.
        start: "noise", as published, or the "content" picture, from which far fewer steps are needed.
        seed: of the noise.

    Source: Gatys, Ecker, Bethge, CVPR 2016, sections 2.1 to 2.3, their Gram matrices divided by C h w; variation as in
    Mahendran and Vedaldi, CVPR 2015, with beta 2.
    """

    content_layer: str = ""
    style_layers: tuple[str, ...] = field(default=())
    style_weight: float = 10.0
    tv_weight: float = 50.0
    steps: int = 100
    start: str = "content"
    seed: int = 0

    def __post_init__(self) -> None:
        check_types(self)
        check_range("style_weight", self.style_weight, 0)
        check_range("tv_weight", self.tv_weight, 0)
        check_range("steps", self.steps, 1)
        check_choice("start", self.start, STARTS)

    def __call__(
        self, encoder: Encoder, content: Tensor, style: Tensor, report: Progress = lambda *_: None
    ) -> Stylised:
        """Paint a content picture in the style of another, of any size.

        Args:
            content, style: (3, h, w) float in [0, 1], on the encoder's device.
            report: told after every step.

        Raises:
            UserError: the encoder has no such layer, or the pictures are too small for it.
        """
        content_layer, style_layers = self.layers(encoder)
        encoder = encoder.eval().requires_grad_(False)
        goal = _Goal.of(encoder, content, style, content_layer, style_layers)
        x = self._first(content).requires_grad_()
        before = goal.losses(x.detach())
        optimizer = torch.optim.LBFGS([x], max_iter=1, max_eval=6, history_size=20, line_search_fn="strong_wolfe")

        def closure() -> Tensor:
            optimizer.zero_grad()
            parts = goal.parts(x)
            # Pixels may leave [0, 1] on the way, but not for long.
            beyond = (x - x.clamp(0, 1)).square().mean()
            loss = parts["content"] + self.style_weight * parts["style"]
            loss = loss + self.tv_weight * variation(x) + BEYOND * beyond
            loss.backward()
            latest.update({name: float(value.detach()) for name, value in parts.items()})
            return loss

        latest: dict[str, float] = {}
        for step in range(self.steps):
            optimizer.step(closure)
            report(step + 1, self.steps, dict(latest))
        picture = x.detach().clamp(0, 1)
        return Stylised(
            picture[0], before, goal.losses(picture), content_layer, style_layers, goal.likeness(picture, style)
        )

    def told(self) -> str:
        """The settings, for a caption."""
        layers = ", ".join(self.style_layers) or "all layers"
        return (
            f"style at {layers} (weight {self.style_weight:g}), content at {self.content_layer or 'the middle layer'}, "
            f"total variation (weight {self.tv_weight:g}), {self.steps} steps of L-BFGS from "
            f"{'noise' if self.start == 'noise' else 'the content picture'}"
        )

    def layers(self, encoder: Encoder, where: str = "the encoder") -> tuple[str, tuple[str, ...]]:
        """The content layer and the style layers that are used of an encoder.

        Raises:
            UserError: it has no such layer.
        """
        names = encoder.names
        content_layer = self.content_layer or names[len(names) // 2]
        for name in (content_layer, *self.style_layers):
            if name not in names:
                raise UserError(f"{where} has no layer {name!r}", nearest(name, names))
        return content_layer, self.style_layers or tuple(names)

    def _first(self, content: Tensor) -> Tensor:  # (3, h, w) -> (1, 3, h, w)
        if self.start == "content":
            return content[None].clone()
        u = rng.uniform(self.seed, "style/noise", torch.arange(content.shape[-2] * content.shape[-1]), 3)
        return u.T.reshape(1, *content.shape).to(content).contiguous()


@dataclass(frozen=True)
class _Goal:
    """What the picture is to have: features at one layer, Gram matrices at some, each with what 1 stands for."""

    encoder: Encoder
    content_layer: str
    features: Tensor  # (1, C, h, w)
    spread: Tensor
    grams: dict[str, tuple[Tensor, Tensor]]

    @classmethod
    @torch.no_grad()
    def of(
        cls, encoder: Encoder, content: Tensor, style: Tensor, content_layer: str, style_layers: Sequence[str]
    ) -> "_Goal":
        try:
            mine, other = (encoder.layers(signed(x[None])) for x in (content, style))
        except RuntimeError:
            sizes = " and ".join(f"{x.shape[-1]} x {x.shape[-2]} px" for x in (content, style))
            raise UserError(f"pictures of {sizes} are too small for this encoder", "Give a larger size.") from None
        features = mine[content_layer]
        spread = (features - features.mean((2, 3), keepdim=True)).square().mean().clamp(min=TINY)
        grams = {name: (gram(other[name]), gram(mine[name])) for name in style_layers}
        scaled = {
            name: (wanted, (wanted - own).square().sum().clamp(min=TINY)) for name, (wanted, own) in grams.items()
        }
        return cls(encoder, content_layer, features, spread, scaled)

    def parts(self, x: Tensor) -> dict[str, Tensor]:
        """The two losses of a picture (1, 3, h, w)."""
        found = self.encoder.layers(signed(x))
        style = [(gram(found[name]) - wanted).square().sum() / scale for name, (wanted, scale) in self.grams.items()]
        content = (found[self.content_layer] - self.features).square().mean() / self.spread
        return {"content": content, "style": torch.stack(style).mean()}

    @torch.no_grad()
    def losses(self, x: Tensor) -> dict[str, float]:
        return {name: float(value) for name, value in self.parts(x).items()}

    @torch.no_grad()
    def likeness(self, x: Tensor, style: Tensor) -> tuple[float, float]:
        """Cosine to the content's features of the picture's, and of the style image's at the same size."""
        other = interpolate(style[None], x.shape[-2:], mode="bilinear", antialias=True, align_corners=False)
        mine, rival = (self.encoder.layers(signed(y))[self.content_layer] for y in (x, other))
        flat = [(y - y.mean((2, 3), keepdim=True)).flatten(1) for y in (self.features, mine, rival)]
        return float(cosine_similarity(flat[0], flat[1])), float(cosine_similarity(flat[0], flat[2]))


def gram(features: Tensor) -> Tensor:
    """Inner products of the channels: (1, C, h, w) -> (C, C), divided by C h w."""
    flat = features[0].flatten(1)  # (C, h w)
    return flat @ flat.T / flat.numel()


def variation(x: Tensor) -> Tensor:
    """Mean squared difference of neighbouring pixels: (1, 3, h, w) -> ()."""
    return x.diff(dim=-1).square().mean() + x.diff(dim=-2).square().mean()


def fitted(image: Tensor, size: int, where: str = "the image") -> Tensor:
    """Scale the longer side to `size` px, antialiased: (3, H, W) uint8 -> (3, h, w) float in [0, 1].

    Raises:
        UserError: the other side would be shorter than 32 px.
    """
    h, w = image.shape[-2:]
    scale = size / max(h, w)
    sides = max(1, round(h * scale)), max(1, round(w * scale))
    if min(sides) < MIN_SIDE:
        what = f"{where} would be {sides[1]} x {sides[0]} px at size {size}, less than {MIN_SIDE} px on a side"
        raise UserError(what, "Give a larger --size, or an image that is less narrow.")
    scaled = image[None].float() / 255
    return interpolate(scaled, sides, mode="bicubic", antialias=True, align_corners=False)[0].clamp(0, 1)
