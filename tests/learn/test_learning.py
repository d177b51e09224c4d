"""Every method learns something in a minute on one core, on crops of a photograph, by a margin that is stated here.

Margins leave room to what was measured when they were set (one seed each): they tell learning from none.
"""

import csv
import math

import pytest
import torch

from augstudy.core import registry
from augstudy.data.images import find_image, load_image

pytestmark = pytest.mark.slow

TRAINED = [n for n in registry.names("learn.methods") if registry.find("learn.methods", n).trains]
BASE = ["corpus.count=3000", "backbone.width=0.5", "view.scale=[0.14,0.4]", "view.blur_p=0", "method.batch_size=64"]
ADAMW = ["method.optimizer=adamw", "method.lr=0.003", "method.warmup=0.05", "method.schedule=cosine"]
JITTER = ["view.brightness=0.4", "view.contrast=0.4", "view.saturation=0.4", "view.hue=0.1"]
CLUSTERS = 50
OWN = {
    "bigan": ["method.epochs=9", "method.batch_size=32", "view.scale=[1,1]"],
    "colorization": ["method.epochs=6", "view.scale=[0.5,1]", *ADAMW],
    "context_encoder": ["method.epochs=6", "view.scale=[1,1]", "method.decoder_width=32"],
    "context_prediction": ["method.epochs=4", "method.color=keep", "method.hidden=128", "view.scale=[1,1]", *ADAMW],
    "byol": ["method.epochs=6", "method.dim=64", "method.hidden=128", "method.ema=0.95", *ADAMW],
    "deepcluster": [f"method.clusters={CLUSTERS}", "method.head_lr=2", "method.epochs=3", *ADAMW],
    "deepcluster_v2": [
        f"method.prototypes=[{CLUSTERS},{CLUSTERS}]", "method.dim=64", "method.hidden=128", "method.epochs=6", *JITTER,
        *ADAMW,
    ],
    "distillation": ["method.epochs=4", *ADAMW],
    "exemplar": ["view.name=standard", "method.classes=500", "method.hidden=[128]", "method.epochs=40", *ADAMW],
    "dino": [
        "method.epochs=6", "method.prototypes=256", "method.hidden=128", "method.bottleneck=32", "view.crops=2x16",
        "method.teacher_temperature=0.04", "method.head_norm=true", "method.ema=0.95", "method.frozen=0.05", *ADAMW,
    ],
    "mae": ["method.epochs=8", "method.decoder_dim=32", "method.decoder_depth=1", *ADAMW],
    "jigsaw": [
        "method.epochs=4", "method.deals=8", "method.hidden=128", "method.tile_width=64", "method.dropout=0",
        "method.channel_jitter=0", "view.scale=[1,1]", *ADAMW,
    ],
    "learned_views": ["method.epochs=4", "method.view_epochs=2", "method.dim=64", "view.scale=[0.5,1]", *ADAMW],
    "moco": ["method.queue=1024", "method.dim=64", "method.head_norm=true", "method.symmetric=true", *ADAMW],
    "nnclr": [
        "method.queue=512", "method.dim=64", "method.hidden=128", "method.predictor_hidden=128", "method.epochs=15",
        *ADAMW,
    ],
    "npid": ["method.negatives=0", "method.temperature=0.1", "method.dim=64", "method.epochs=15", *ADAMW],
    "pcl": [
        "method.queue=1024", "method.dim=64", "method.head_norm=true", "method.epochs=4", "method.infonce_epochs=2",
        f"method.clusters=[{CLUSTERS},{2 * CLUSTERS}]", *ADAMW,
    ],
    "rotnet": ["method.epochs=2", *ADAMW],
    "sela": [
        f"method.clusters={CLUSTERS}", "method.heads=2", "method.hidden=[]", "method.epochs=4", *ADAMW,
    ],
    "sela_v2": [
        f"method.prototypes=[{CLUSTERS},{CLUSTERS}]", "method.dim=64", "method.hidden=128", "method.epochs=6",
        "method.epsilon=0.01", *JITTER, *ADAMW,
    ],
    "swav": [
        f"method.prototypes={CLUSTERS}", "method.dim=64", "method.hidden=256", "method.queue=0", "method.epochs=6",
        "method.frozen=1", "method.epsilon=0.02", "view.crops=2x100%", *JITTER, *ADAMW,
    ],
    "simclr": ["method.epochs=10", "method.temperature=0.2", "method.dim=64", "method.hidden=128", *ADAMW],
    "simmim": ["method.epochs=24", *ADAMW],
    "supervised": ["method.epochs=20", "method.batch_size=16", *ADAMW],
}  # fmt: skip


@pytest.fixture(scope="module")
def picture():
    """In place of the texture of other tests: a photograph that scikit-image carries."""
    return load_image(find_image("astronaut", None).path)


@pytest.fixture
def trained(training):
    """`trained("moco")`: the training, its diagnostics by name, and the loss of its last epoch."""

    def run(name):
        pretraining = training(name, *BASE, *OWN[name])
        _, found = pretraining(lambda *words: None)
        with pretraining.folder.metrics.open() as f:
            loss = float(list(csv.DictReader(f))[-1]["loss"])
        return pretraining, {d.metric: d for d in found}, loss

    return run


def by_frequency(pretraining):
    """What the last epoch's labels cost who knows how frequent each is and nothing else: nats, mean of the heads."""
    labels = torch.load(pretraining.folder.checkpoint)["modules"]["labels"]
    shares = [head.bincount() / len(head) for head in labels]
    return sum(torch.special.entr(share).sum().item() for share in shares) / len(shares)


def test_there_is_a_test_for_every_method():
    tests = {name.removesuffix("_learns").removeprefix("test_") for name in globals() if name.endswith("_learns")}
    assert tests == set(TRAINED) == set(OWN)


def test_rotnet_learns(trained):
    """10 points over chance; the noise stays within 5 of it."""
    _, found, _ = trained("rotnet")
    assert found["rotation accuracy"].value > 25 + 10
    assert found["rotation accuracy on noise"].value < 25 + 5


def test_context_prediction_learns(trained):
    """12 points over chance; the noise stays within 3 of it."""
    _, found, _ = trained("context_prediction")
    assert found["position accuracy"].value > 12.5 + 12
    assert found["position accuracy on noise"].value < 12.5 + 3


def test_jigsaw_learns(trained):
    """5 points over chance, which is one order of ten; the noise stays within 3 points of it."""
    _, found, _ = trained("jigsaw")
    assert found["order accuracy"].value > 10 + 5
    assert found["order accuracy on noise"].value < 10 + 3


def test_colorization_learns(trained):
    """Beats the best constant answer by 0.1 nats."""
    _, found, _ = trained("colorization")
    assert found["cross-entropy of colours"].value < found["cross-entropy of colours"].chance - 0.1


def test_context_encoder_learns(trained):
    """Seven tenths of the error of the mean colour around the hole."""
    _, found, _ = trained("context_encoder")
    assert found["squared error in the hole"].value < 0.7 * found["squared error in the hole"].chance


def test_moco_learns(trained):
    """Finds the other view among 1,025 eight times as often as chance, without calling it easy.

    Both together: among the random vectors that a queue begins with an untrained network finds every one.
    """
    _, found, _ = trained("moco")
    assert found["top-1 of the positive"].value > 8 * found["top-1 of the positive"].chance
    assert found["task too easy"].value == 0


def test_simclr_learns(trained):
    """Tells the other view of a held-out crop among 1,023 by 0.3 nats (measured: 0.52; untrained 0.05)."""
    _, found, _ = trained("simclr")
    assert found["InfoNCE loss"].value < found["InfoNCE loss"].chance - 0.3


def test_distillation_learns(trained):
    """Takes half of what there is to know of the teacher's classes: here those of a network with its first weights."""
    _, found, _ = trained("distillation")
    gap = found["divergence from the teacher"]
    assert gap.value < gap.chance / 2


def test_nnclr_learns(trained):
    """Tells the other view of a held-out crop among 512, by a neighbour, by 0.25 nats (measured: 0.48; untrained 0)."""
    _, found, _ = trained("nnclr")
    assert found["InfoNCE loss"].value < found["InfoNCE loss"].chance - 0.25


def test_exemplar_learns(trained):
    """Puts views that it has not been trained on in the right one of 500 classes five times as often as chance."""
    _, found, _ = trained("exemplar")
    told = found["new views put in their class"]
    assert told.value > 5 * told.chance


def test_npid_learns(trained):
    """Tells the other view of a held-out crop among 512 by 0.3 nats (measured: 0.54; untrained 0.03)."""
    _, found, _ = trained("npid")
    assert found["InfoNCE loss"].value < found["InfoNCE loss"].chance - 0.3


def test_pcl_learns(trained):
    """Finds the other view among 1,025 eight times as often as chance, and views agree twice as often as chance.

    Measured: 18 times and 4 times.
    """
    _, found, _ = trained("pcl")
    assert found["top-1 of the positive"].value > 8 * found["top-1 of the positive"].chance
    assert found["views in the same cluster"].value > 2 * found["views in the same cluster"].chance


def test_byol_learns(trained):
    """Views of a crop are nearer each other than those of two crops by 0.3 of a cosine, and nothing collapsed.

    Measured: 0.43; a std of 0.107 where 0.125 is the most.
    """
    _, found, _ = trained("byol")
    assert found["cosine of views"].value > found["cosine of views"].chance + 0.3
    assert found["std of embeddings"].value > 0.5 / 64**0.5


def test_learned_views_learns(trained):
    """Encoders find the other view twelve times as often as chance, of views that a flow has learnt to set apart."""
    _, found, _ = trained("learned_views")
    top1 = found["top-1 of the positive"]
    assert top1.value > 12 * top1.chance
    assert found["nothing shared that is found"].value == 0


def test_deepcluster_learns(trained):
    """Predicts clusters 0.3 nats better than by their number alone."""
    assert trained("deepcluster")[2] < math.log(CLUSTERS) - 0.3


def test_deepcluster_v2_learns(trained):
    """Predicts clusters 0.3 nats better than by their frequencies, and views agree three times as often as chance.

    Measured: 0.57 nats, 13.7 % against 2.1 %.
    """
    pretraining, found, loss = trained("deepcluster_v2")
    assert loss < by_frequency(pretraining) - 0.3
    assert found["views in the same cluster"].value > 3 * found["views in the same cluster"].chance


def test_sela_learns(trained):
    """Predicts labels 0.15 nats better than by their number alone, though all are equally frequent (measured: 0.27)."""
    _, found, loss = trained("sela")
    assert loss < math.log(CLUSTERS) - 0.15
    assert found["empty clusters filled"].value == 0


def test_sela_v2_learns(trained):
    """Predicts labels 0.25 nats better than by their frequencies, and views agree twice as often as chance.

    Measured: 0.52 nats, 18.8 % against 4.9 %. At epsilon 0.05 labels are so uneven that a loss below
    ln K tells nothing.
    """
    pretraining, found, loss = trained("sela_v2")
    assert loss < by_frequency(pretraining) - 0.25
    assert found["views in the same cluster"].value > 2 * found["views in the same cluster"].chance


def test_swav_learns(trained):
    """Leaves ln K by 0.3 nats, and views stand at the same prototype twice as often as chance.

    Measured: 0.63 nats, 15.0 % against 3.3 %. With codes as soft as published (epsilon 0.05), the published jitter and
    four epochs it left it by 0.02.
    """
    _, found, loss = trained("swav")
    assert loss < math.log(CLUSTERS) - 0.3
    same = found["views at the same prototype"]
    assert same.value > 2 * same.chance


def test_mae_learns(trained):
    """Hidden patches are predicted better than flat by a tenth of their variance."""
    found = trained("mae")[1]["reconstruction error"]
    assert found.value < 0.9 * found.chance


def test_simmim_learns(trained):
    """Better than the mean colour of what is seen by a fifth. Measured: 0.74 of its error, after 8 epochs 0.90."""
    found = trained("simmim")[1]["reconstruction error"]
    assert found.value < 0.8 * found.chance


def test_dino_learns(trained):
    """Prototypes tell pictures apart, and views of one picture have the same half as often again as by chance.

    Measured: 0.43 nats, 52.9 % against 19.5 %. Without batch norm in the head, with an ema of 0.9 and
    prototypes free from the start it was 0.30 nats, 68.8 % against 40.4 %.
    """
    _, found, _ = trained("dino")
    assert found["information in what is said"].value > 0.2
    agree = found["views with the same prototype"]
    assert agree.value > 1.5 * agree.chance


def test_supervised_learns(trained):
    """Half of the way from chance to all right, on images not trained on."""
    [found] = trained("supervised")[1].values()
    assert found.value > (100 + found.chance) / 2


def test_bigan_learns(trained):
    """Samples are nearer to crops in mean and contrast than those of an untrained generator by half.

    Measured: 0.34 of the untrained distance. At budgets like this reconstructions do not beat a random pairing, so
    they are not asked to.
    """
    pretraining, _, _ = trained("bigan")
    distances = []
    for state in (None, torch.load(pretraining.folder.checkpoint)["modules"]):
        modules, _ = pretraining.make()
        if state:
            modules.load_state_dict(state)
        batch = pretraining.batch(pretraining.source.held_out(256), 0)
        with torch.no_grad():
            made, real = modules.eval().pictures(batch)["samples"], batch.views[0]
        facts = [torch.cat((x.mean((0, 2, 3)), x.std((0, 2, 3)))) for x in (made, real)]
        distances.append((facts[0] - facts[1]).abs().mean().item())
    assert distances[1] < 0.5 * distances[0]
