import torch

from triptych.algos.metric_means import MetricMeans


def test_each_metric_has_a_mean_over_as_often_as_it_was_told():
    means = MetricMeans()
    means.add({"loss": torch.tensor(1.0), "epsilon": 0.5})
    means.add({"loss": torch.tensor(4.0)})
    means.add({"loss": torch.tensor(1.0, dtype=torch.bfloat16), "epsilon": 0.25})
    found = means.take()
    assert found == {"loss": 2.0, "epsilon": 0.375}
    assert all(type(value) is float for value in found.values())


def test_what_was_taken_is_forgotten():
    means = MetricMeans()
    assert means.take() == {}
    means.add({"loss": 1.0})
    means.take()
    means.add({"value": 3.0})
    assert means.take() == {"value": 3.0}
    assert means.take() == {}


def test_a_metric_keeps_no_graph_and_is_summed_in_single_precision():
    means, weight = MetricMeans(), torch.tensor(256.0, dtype=torch.bfloat16, requires_grad=True)
    for _ in range(3):
        means.add({"loss": weight * 1})
    means.add({"loss": torch.tensor(1.0, dtype=torch.bfloat16)})  # which 768 in bfloat16 would swallow
    assert not means._sums["loss"].requires_grad
    assert means.take() == {"loss": 769 / 4}
