"""Laws of the transport: marginals, no empty cluster, and a slow reference in extended precision."""

import numpy as np
import pytest
import torch
from lightly.loss.swav_loss import sinkhorn

from augstudy.learn.transport import codes, hard, in_blocks, transport


def scores(n=40, k=7, spread=1.0, seed=0):
    return torch.randn(n, k, generator=torch.Generator().manual_seed(seed), dtype=torch.double) * spread


def solved(table, parts=1, **settings):
    blocks = [*table.tensor_split(parts)]
    return transport(lambda: iter(blocks), *table.shape, **settings), lambda: iter(blocks)


def plan_of(table, plan):
    return (table + plan.rows[:, None] + plan.columns).exp()


def slow(table, rounds=5000):
    """Both scalings in turn, number by number, on exp(scores) in extended precision."""
    p = np.exp(table.numpy().astype(np.longdouble))
    n, k = p.shape
    columns = np.ones(k, dtype=np.longdouble)
    for _ in range(rounds):
        rows = np.array([1 / (n * sum(p[i] * columns)) for i in range(n)])
        columns = np.array([1 / (k * sum(p[:, j] * rows)) for j in range(k)])
    return rows[:, None] * p * columns


def test_plan_is_that_of_the_slow_reference():
    table = scores(12, 4, spread=3)
    plan, _ = solved(table, tolerance=1e-12, rounds=5000)
    np.testing.assert_allclose(plan_of(table, plan).numpy(), slow(table, 600).astype(float), rtol=1e-9)


@pytest.mark.parametrize("spread", [0.1, 5, 60])
def test_marginals_are_uniform_to_a_millionth(spread):
    table = scores(60, 6, spread=spread)
    plan, _ = solved(table, rounds=20000)
    found = plan_of(table, plan)
    assert plan.error <= 1e-6
    torch.testing.assert_close(60 * found.sum(1), torch.ones(60, dtype=torch.double), rtol=0, atol=1.001e-6)
    torch.testing.assert_close(6 * found.sum(0), torch.ones(6, dtype=torch.double), rtol=0, atol=1e-6)


def test_error_is_the_largest_deviation_of_a_sample():
    table = scores(spread=4)
    plan, _ = solved(table, tolerance=1e-2)
    deviation = (len(table) * plan_of(table, plan).sum(1) - 1).abs().max().item()
    assert 1e-6 < deviation <= 1e-2
    assert plan.error == pytest.approx(deviation, rel=1e-6)


def test_rounds_are_a_bound_and_what_is_left_is_told():
    plan, _ = solved(scores(spread=30), rounds=3)
    assert plan.rounds == 3
    assert plan.error > 1e-6


def test_a_constant_of_a_sample_changes_no_plan():
    table, shift = scores(), scores(40, 1, spread=100, seed=1)
    first, second = (plan_of(t, solved(t)[0]) for t in (table, table + shift))
    torch.testing.assert_close(first, second, rtol=1e-5, atol=1e-12)


def test_blocks_give_what_the_whole_table_gives():
    table = scores(41, 5)
    whole, parts = solved(table)[0], solved(table, parts=4)[0]
    torch.testing.assert_close(whole.rows, parts.rows)
    torch.testing.assert_close(whole.columns, parts.columns)


def test_scores_whose_exponentials_vanish_are_solved():
    """A cluster that is less likely than any other by e^5000 gets its share all the same."""
    table = scores(50, 5)
    table[:, 2] -= 5000
    plan, blocks = solved(table)
    assert plan.error <= 1e-6
    assert plan_of(table, plan).sum(0)[2].item() == pytest.approx(1 / 5, rel=1e-6)
    assert hard(blocks, plan)[0].bincount(minlength=5).min() > 0


def test_tables_beyond_the_budget_are_made_anew_block_by_block():
    x, asked = torch.randn(100, 3), []

    def made(part):
        asked.append(len(part))
        return part @ torch.ones(3, 4)

    whole, small = in_blocks(x, made, 4), in_blocks(x, made, 4, budget=4 * 8 * 4 * 10)
    assert asked == [100]  # held
    for _ in range(2):
        torch.testing.assert_close(torch.cat([*small()]), torch.cat([*whole()]))
    assert asked[1:] == [10] * 20


def test_memory_is_a_block_and_not_the_table(live_bytes):
    x, n, k, budget = torch.randn(2000, 2), 2000, 50, 1 << 16
    with live_bytes() as live:
        blocks = in_blocks(x, lambda part: part @ torch.ones(2, k), k, budget)
        hard(blocks, transport(blocks, n, k, rounds=4))
    assert live.peak < budget + 16 * 8 * n < 8 * n * k


def test_labels_are_the_largest_shares():
    table = scores(spread=2)
    plan, blocks = solved(table, parts=3)
    labels, filled = hard(blocks, plan)
    assert torch.equal(labels, plan_of(table, plan).argmax(1))
    assert filled == 0


@pytest.mark.parametrize(("n", "k"), [(12, 5), (40, 39), (40, 40)])
def test_no_cluster_stays_empty_even_where_no_sample_gives_it_most(n, k):
    table = torch.zeros(n, k, dtype=torch.double)  # all shares are equal, so all samples would go to the first
    plan, blocks = solved(table)
    labels, filled = hard(blocks, plan)
    assert filled == k - 1
    assert labels.bincount(minlength=k).min() >= 1


def test_of_more_clusters_than_samples_as_many_are_filled_as_can_be():
    plan, blocks = solved(scores(5, 9))
    labels, _ = hard(blocks, plan)
    assert labels.bincount().max() == 1


def test_a_cluster_is_filled_by_the_sample_that_gives_it_most():
    table = torch.tensor([[5.0, 0, 2], [5, 0, 4], [0, 5, 0]], dtype=torch.double)
    plan, blocks = solved(table, rounds=1)
    plan = type(plan)(plan.rows * 0, plan.columns * 0, plan.error, plan.rounds)
    assert hard(blocks, plan)[0].tolist() == [0, 2, 1]


def slowly_filled(table, plan):
    """Empty clusters in their order, each with a look at all samples."""
    shares = (table + plan.rows[:, None] + plan.columns).numpy()
    labels = shares.argmax(1)
    for cluster in [c for c in range(shares.shape[1]) if c not in labels]:
        crowded = [i for i in range(len(labels)) if (labels == labels[i]).sum() > 1]
        if crowded:
            labels[max(crowded, key=lambda i: shares[i, cluster])] = cluster
    return labels.tolist()


@pytest.mark.parametrize(("n", "k"), [(60, 20), (30, 29), (12, 12), (9, 20)])
@pytest.mark.parametrize("parts", [1, 4])
def test_empty_clusters_are_filled_as_if_one_after_the_other(n, k, parts):
    for seed in range(5):
        table = scores(n, k, seed=seed)
        plan, blocks = solved(table, parts, rounds=1)
        plan = type(plan)(plan.rows, 3 * scores(1, k, seed=seed)[0], plan.error, plan.rounds)  # leaves many empty
        labels, filled = hard(blocks, plan)
        assert labels.tolist() == slowly_filled(table, plan)
        assert filled > 2


def test_filling_clusters_takes_one_pass_over_the_scores_however_many_are_empty():
    table, passes = torch.zeros(40, 30, dtype=torch.double), []
    plan, _ = solved(table)

    def blocks():
        passes.append(1)
        return table.split(7)

    assert hard(blocks, plan)[1] == 29
    assert len(passes) == 2  # one for the labels


def test_codes_are_those_of_the_published_order_of_steps():
    table = scores(16, 6).clamp(-1, 1)
    q = np.exp(table.numpy() / 0.05).T
    q /= q.sum()
    for _ in range(3):
        q = q / q.sum(1, keepdims=True) / 6
        q = q / q.sum(0, keepdims=True) / 16
    found = codes(table, 0.05, 3)
    np.testing.assert_allclose(found.numpy(), (q * 16).T, rtol=1e-4, atol=1e-7)
    torch.testing.assert_close(found, sinkhorn(table).float(), rtol=1e-4, atol=1e-7)
    torch.testing.assert_close(found.sum(1), torch.ones(16))


def test_codes_of_cosines_in_half_precision_do_not_overflow():
    table = scores(16, 6).clamp(-1, 1).half()
    assert not sinkhorn(table).isfinite().all()  # why lightly's is not used
    assert codes(table, 0.05, 3).isfinite().all()


def test_codes_with_many_iterations_have_both_marginals():
    q = codes(scores(16, 4), 1.0, 200)
    torch.testing.assert_close(q.sum(0), torch.full((4,), 4.0), rtol=1e-4, atol=0)
