"""Laws of the grid: every combination once, and points that are one run without the axes that do not reach it."""

from augstudy.study.grid import distinct, grid


def test_every_combination_once_the_last_axis_first():
    assert grid({"a": [1, 2], "b": "xy"}) == [{"a": a, "b": b} for a in (1, 2) for b in "xy"]
    assert grid({}) == [{}]


def test_without_equal_runs_the_grid_stays_as_it_is():
    points = grid({"a": [1, 2], "b": [3, 4]})
    assert distinct(points, range(4)) == list(enumerate(points))


def test_an_axis_that_changes_no_run_goes():
    points = grid({"a": [1, 2], "b": [3, 4, 5]})
    assert distinct(points, [point["a"] for point in points]) == [(0, {"a": 1}), (3, {"a": 2})]
    assert distinct(points, ["same"] * 6) == [(0, {})]


def test_an_axis_may_reach_a_row_at_some_points_only():
    points = grid({"a": [1, 2], "b": [3, 4]})
    found = distinct(points, [(p["a"], p["b"] if p["a"] == 1 else None) for p in points])
    assert found == [(0, {"a": 1, "b": 3}), (1, {"a": 1, "b": 4}), (2, {"a": 2})]


def test_lists_are_values_too():
    points = grid({"a": [[0, 1], [1, 1]]})
    assert distinct(points, ["x", "x"]) == [(0, {})]
