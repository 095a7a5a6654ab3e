"""An own evaluator: two epochs of SGD with momentum, the learning rate in one cycle."""

import torch

from blockqnn.evaluation.images import on_device
from blockqnn.evaluation.train import score


def one_cycle(network, dataset, task):
    device = next(network.parameters()).device
    part = on_device(dataset.train, dataset, device)
    batches = torch.randperm(len(part)).split(64) + torch.randperm(len(part)).split(64)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9, nesterov=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=len(batches))
    for batch in batches:
        images, labels = part.batch(batch)
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(network(images), labels).backward()
        optimizer.step()
        schedule.step()
    return score(network, on_device(dataset.validation, dataset, device), "accuracy")


EVALUATORS = {"one-cycle": one_cycle}
