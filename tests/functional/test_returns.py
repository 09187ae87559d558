import pytest
import torch

from triptych.functional.returns import (
    generalized_advantages,
    is_of_ended_episode,
    lambda_returns,
    n_step_returns,
    successor_values,
)


def random_rollout(seed, length=12, num_envs=5):
    """Make rewards, discounts, values and ends; an end is a termination or, as often, a truncation."""
    generator = torch.Generator().manual_seed(seed)
    reward, value = torch.randn(2, length, num_envs, generator=generator)
    is_last, is_terminal = (
        torch.rand(2, length, num_envs, generator=generator) < torch.tensor([0.3, 0.5])[:, None, None]
    )
    discount = torch.where(is_last & is_terminal, 0.0, 0.9)
    is_cut = is_last.clone()
    is_cut[-1] = True
    bootstrap_value = torch.randn(int(is_cut.sum()), generator=generator)
    next_value = successor_values(value, is_cut, bootstrap_value)
    return reward, discount, value, next_value, is_cut, is_last


def n_step_return(reward, discount, next_value, is_cut, start, n_step):
    """Add up by the definition: at most n rewards, then the value of where they led."""
    total, factor = 0.0, 1.0
    for time in range(start, start + n_step):
        total += factor * float(reward[time])
        factor *= float(discount[time])
        if is_cut[time] or time == start + n_step - 1:
            return total + factor * float(next_value[time])
    raise AssertionError


def forward_view(reward, discount, next_value, is_cut, start, lambda_):
    """Mix the n-step returns (Sutton & Barto 2018, equation 12.3); the longest one gets what is left."""
    end = next(time for time in range(start, len(reward)) if is_cut[time])
    longest = end - start + 1
    returns = [n_step_return(reward, discount, next_value, is_cut, start, n + 1) for n in range(longest)]
    weights = [(1 - lambda_) * lambda_**n for n in range(longest - 1)] + [lambda_ ** (longest - 1)]
    return sum(weight * value for weight, value in zip(weights, returns, strict=True))


@pytest.mark.parametrize("lambda_", [0.0, 0.3, 0.95, 1.0])
@pytest.mark.parametrize("seed", range(3))
def test_lambda_returns_are_the_mixture_of_n_step_returns(seed, lambda_):
    reward, discount, _, next_value, is_cut, _ = random_rollout(seed)
    found = lambda_returns(reward, discount, next_value, is_cut, lambda_)
    for env in range(reward.shape[1]):
        columns = [field[:, env] for field in (reward, discount, next_value, is_cut)]
        for start in range(len(reward)):
            assert float(found[start, env]) == pytest.approx(forward_view(*columns, start, lambda_), abs=1e-5)


@pytest.mark.parametrize("seed", range(3))
def test_advantages_are_the_generalized_estimate(seed):
    reward, discount, value, next_value, is_cut, _ = random_rollout(seed)
    found, returns = generalized_advantages(reward, discount, value, next_value, is_cut, 0.95)
    torch.testing.assert_close(returns, found + value)
    assert torch.equal(returns, lambda_returns(reward, discount, next_value, is_cut, 0.95))
    for env in range(reward.shape[1]):
        for start in range(len(reward)):
            expected, factor = 0.0, 1.0
            for time in range(start, len(reward)):  # Schulman et al. 2016, equation 16
                delta = reward[time, env] + discount[time, env] * next_value[time, env] - value[time, env]
                expected += factor * float(delta)
                factor *= 0.95 * float(discount[time, env])
                if is_cut[time, env]:
                    break
            assert float(found[start, env]) == pytest.approx(expected, abs=1e-5)


def test_by_hand():
    # One environment: a truncation after the second step, a termination after the third, the rollout's end.
    reward = torch.tensor([[1.0], [2.0], [4.0], [8.0]])
    discount = torch.tensor([[0.5], [0.5], [0.0], [0.5]])
    is_cut = torch.tensor([[False], [True], [True], [True]])
    value = torch.tensor([[10.0], [20.0], [30.0], [40.0]])
    next_value = successor_values(value, is_cut, torch.tensor([100.0, 200.0, 300.0]))
    assert next_value.flatten().tolist() == [20, 100, 200, 300]
    assert lambda_returns(reward, discount, next_value, is_cut, 1.0).flatten().tolist() == [27, 52, 4, 158]
    assert lambda_returns(reward, discount, next_value, is_cut, 0.0).flatten().tolist() == [11, 52, 4, 158]


@pytest.mark.parametrize("lambda_", [0.0, 0.7, 1.0])
def test_nothing_crosses_a_cut(lambda_):
    reward, discount, _, next_value, is_cut, _ = random_rollout(0)
    found = lambda_returns(reward, discount, next_value, is_cut, lambda_)
    for env in range(reward.shape[1]):
        for cut in is_cut[:, env].nonzero().flatten().tolist():
            changed = reward.clone()
            changed[cut + 1 :, env] += 1000.0
            again = lambda_returns(changed, discount, next_value, is_cut, lambda_)
            assert again[: cut + 1, env].tolist() == found[: cut + 1, env].tolist()


def test_a_termination_is_worth_nothing_and_a_truncation_keeps_its_future():
    reward, is_cut = torch.zeros(1, 2), torch.tensor([[True, True]])
    discount = torch.tensor([[0.0, 0.9]])
    assert lambda_returns(reward, discount, torch.tensor([[10.0, 10.0]]), is_cut, 0.95).tolist() == [[0.0, 9.0]]


def test_environments_do_not_see_each_other():
    reward, discount, _, next_value, is_cut, _ = random_rollout(1)
    together = lambda_returns(reward, discount, next_value, is_cut, 0.9)
    for env in range(reward.shape[1]):
        alone = lambda_returns(*(field[:, [env]] for field in (reward, discount, next_value, is_cut)), 0.9)
        assert alone[:, 0].tolist() == together[:, env].tolist()


def test_steps_of_ended_episodes():
    is_last = torch.tensor([[False, True], [True, False], [False, False]])
    assert is_of_ended_episode(is_last).tolist() == [[True, True], [True, False], [False, False]]


@pytest.mark.parametrize("n_step", [1, 3, 5])
def test_n_step_returns_by_their_definition(n_step):
    generator = torch.Generator().manual_seed(n_step)
    length = 3 + n_step
    reward, discount = torch.randn(4, length, generator=generator), torch.rand(4, length, generator=generator)
    value = torch.randn(4, length + 1, generator=generator)
    found = n_step_returns(reward, discount, value, n_step)
    assert found.shape == (4, 4)
    for row in range(4):
        for start in range(4):
            total, factor = 0.0, 1.0
            for time in range(start, start + n_step):
                total += factor * float(reward[row, time])
                factor *= float(discount[row, time])
            assert float(found[row, start]) == pytest.approx(
                total + factor * float(value[row, start + n_step]), abs=1e-5
            )
