"""The averaged weights: by hand, and that they are what counts in a training."""

import pytest
import torch
from torch import Tensor, nn

from blockqnn.config import Recipe
from blockqnn.evaluation.average import Average
from blockqnn.evaluation.train import Watch, fit, score
from blockqnn.network.model import build
from stripes import parts, planned

RECIPE = Recipe(steps=9, batch=16, learning_rate=0.05, average=0.8)


def values(network: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in network.state_dict().items()}


def averaged(states: list[dict[str, Tensor]], decay: float) -> dict[str, Tensor]:
    """The average by hand: of the first state, then of the one after each step."""
    found = {name: value.double() for name, value in states[0].items()}
    for step, state in enumerate(states[1:], 1):
        kept = min(decay, step / (10 + step))
        for name, value in state.items():
            if value.is_floating_point():
                found[name] = kept * found[name] + (1 - kept) * value.double()
            else:
                found[name] = value.double()
    return found


def agree(found: dict[str, Tensor], expected: dict[str, Tensor]) -> bool:
    assert found.keys() == expected.keys()
    return all(torch.allclose(found[n].double(), expected[n], atol=1e-6) for n in found)


def test_a_number_averaged_by_hand():
    network = nn.Linear(1, 1, bias=False)
    weight = network.weight.data
    weight.fill_(1.0)
    average = Average(network, 0.15)
    seen = []
    for step, value in enumerate((2.0, 4.0, 8.0), 1):
        weight.fill_(value)
        average.add(network, step)
        seen.append(average.network.weight.item())
    # the first decay is 1/11, the second would be 2/12, so it is 0.15 from there on
    first = 1 / 11 + 2 * 10 / 11
    second = 0.15 * first + 0.85 * 4
    assert seen == pytest.approx([first, second, 0.15 * second + 0.85 * 8])
    assert weight.item() == 8  # the network itself is left alone


def test_running_statistics_are_averaged_and_counters_copied():
    network = nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2))
    average, states = Average(network, 0.9), [values(network)]
    for step in range(1, 31):
        network(torch.randn(4, 1, 3, 3, generator=torch.Generator().manual_seed(step)))
        average.add(network, step)
        states.append(values(network))
    assert agree(values(average.network), averaged(states, 0.9))
    assert average.network[1].num_batches_tracked == network[1].num_batches_tracked == 30
    assert not torch.equal(average.network[1].running_mean, network[1].running_mean)


def test_training_ends_with_the_average_and_is_judged_by_it():
    training, validation = parts()
    network = build(planned(), 0)
    states, judged, looked = [values(network)], [], []

    def judge(counts: nn.Module) -> bool:
        judged.append((len(states), values(counts)))
        score(counts, validation, "accuracy")  # as a real judge does; leaves it in eval mode
        return True

    def look(counts: nn.Module) -> float:
        looked.append((len(states), values(counts)))
        return score(counts, validation, "accuracy")

    watch = Watch(judge, 5, look, 3, report=lambda _step, _progress: states.append(values(network)))
    fit(network, training, RECIPE, learning_rate=0.05, seed=0, watch=watch)
    assert [count - 1 for count, _ in judged] == [5]
    assert [count - 1 for count, _ in looked] == [3, 6, 9]
    for count, seen in judged + looked:
        assert agree(seen, averaged(states[:count], 0.8))
        assert not agree(seen, {n: v.double() for n, v in states[count - 1].items()})
    assert agree(values(network), averaged(states, 0.8))


def test_an_average_changes_nothing_of_the_training_itself():
    def trained(recipe: Recipe) -> list[dict[str, Tensor]]:
        network, states = build(planned(), 0), []
        watch = Watch(report=lambda _step, _progress: states.append(values(network)))
        fit(network, parts()[0], recipe, learning_rate=0.05, seed=0, watch=watch)
        return states

    plain = trained(RECIPE.model_copy(update={"average": 0.0}))
    for one, other in zip(plain, trained(RECIPE), strict=True):
        assert all(torch.equal(one[name], other[name]) for name in one)
