"""Trains on a folder, or reads all of it, with little more memory than is held before.

python bounded.py FOLDER train|read MEGABYTES
"""

import resource
import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from blockqnn.config import Augmentation, DataSettings, Recipe
from blockqnn.data.dataset import load
from blockqnn.evaluation.streamed import placed
from blockqnn.evaluation.train import fit, score
from blockqnn.network.model import build
from blockqnn.network.plan import SKELETONS, plan_network
from blockqnn.space.zoo import ZOO

torch.set_num_threads(1)
folder, way, megabytes = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
dataset = load(DataSettings(source=str(folder), image_size=(32, 32)), encoded=True)
plan = plan_network(ZOO["resnet-like"], SKELETONS["small"], dataset.image, len(dataset.classes))
recipe = Recipe(steps=12, batch=8, optimizer="sgd", augmentation=Augmentation(crop=0.2, flip=True))
network = build(plan, 0)
fit(network, placed(dataset.train, dataset, "cpu", 1), recipe, learning_rate=0.01, seed=0)  # warm
held = next(line for line in Path("/proc/self/status").read_text().splitlines() if "VmData" in line)
limit = 1024 * int(held.split()[1]) + megabytes * 10**6
resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
if way == "train":
    fit(network, placed(dataset.train, dataset, "cpu", 2), recipe, learning_rate=0.01, seed=1)
    score(network, placed(dataset.train, dataset, "cpu", 2), "accuracy")
else:
    all_of_it = [np.array(Image.open(path)) for path in sorted(folder.glob("*/*.bmp"))]
print("fitted")
