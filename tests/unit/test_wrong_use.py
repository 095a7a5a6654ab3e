"""Wrong input of every kind: status 2, one line that names the value and what is allowed, within a
second, no traceback, nothing left behind."""

import shlex
import shutil
import sqlite3
import time

import numpy as np
import pytest
from PIL import Image

from blockqnn.export import directory
from blockqnn.runtime.store import Store
from blockqnn.space.zoo import ZOO
from models import random_model
from pictures import bomb, pictures, save_png, write_folder
from stopped import stopped_training

COMMANDS = (
    "auto, search, init, space, fork, status, check, top, report, dashboard, show, train, calibrate,"
    " figure, table, predict, export, compare, doctor"
)
OPTIONS = [
    ("", [COMMANDS, "blockqnn --help"]),
    ("frobnicate", ["'frobnicate'", COMMANDS]),
    ("--frob", ["--frob", "blockqnn --help"]),
    ("auto --data digits --budget 2m", ["--out"]),
    ("auto --out new", ["needs a budget", "--budget 2h"]),
    ("auto --out new --budget 5s", ["budget 5 s", "at least 60 s"]),
    ("auto --out new --budget soon", ["budget 'soon'", "90s, 30m or 2h"]),
    ("auto --out foreign --budget 2m", ["foreign", "not an empty directory"]),
    ("auto --out file --budget 2m", ["file", "not an empty directory"]),
    ("auto --out file/new --budget 2m", ["file is not a directory"]),
    ("auto --out new --budget 2m --data cats", ["cats", "no such directory"]),
    ("auto --out new --budget 2m --workers 0", ["--workers", "'0'", "a number from 1, or auto"]),
    ("auto --out new --budget 2m --max-params few", ["space.max_params", "'few'", "such as 2M"]),
    ("auto --out new --budget 2m --max-params 5", ["max_params 5", "no block fits"]),
    ("auto --out new --budget 2m --device tpu", ["device", "'tpu'"]),
    ("auto --out new --budget 2m --set agent.gama=1", ["agent.gama", "did you mean agent.gamma?"]),
    ("auto --out new --budget 2m --set plan.trials=5", ["plan.trials", "--budget"]),
    ("auto --out new --budget 2m --tensorboard file", ["tensorboard file", "not a directory"]),
    ("search --tensorboard file/board", ["tensorboard file/board", "file is not a directory"]),
    ("search --frob 3", ["--frob", "blockqnn search --help"]),
    ("search extra", ["extra", "blockqnn search --help"]),
    ("search --seed x", ["--seed", "'x'", "integer"]),
    ("search --seed 1.5", ["--seed", "'1.5'", "integer"]),
    ("search --seed -1", ["plan.seed", "-1", "greater than or equal to 0"]),
    ("search --trials 0", ["plan.trials", "0", "greater than or equal to 1"]),
    ("search --trials 1e3", ["--trials", "'1e3'", "integer"]),
    ("search --preset huge", ["'huge'", "small, demo, standard, paper"]),
    ("search --executor dask", ["executor", "'dask'", "'local', 'ray' or 'serial'"]),
    ("search --executor ray --address here", ["address", "'here'", "HOST:PORT"]),
    ("search --executor ray --address 127.0.0.1:1", ["127.0.0.1:1", "no Ray cluster answers"]),
    ("search --device tpu", ["device", "'tpu'", "'auto', 'cpu', 'cuda' or 'mps'"]),
    ("search --workers 0", ["--workers", "'0'", "a number from 1, or auto"]),
    ("search --workers -1", ["--workers", "'-1'", "a number from 1, or auto"]),
    ("search --workers many", ["--workers", "'many'", "a number from 1, or auto"]),
    ("search --max-params few", ["space.max_params", "'few'", "such as 2M"]),
    ("search --max-params 5", ["max_params 5", "no block fits", "346 parameters"]),
    ("search --max-flops 0", ["max_flops", "0", "greater than or equal to 1"]),
    ("search --max-latency 5", ["latency.limit", "'5'", "5ms, 0.5ms or 800us"]),
    ("search --max-latency fast", ["latency.limit", "'fast'", "5ms, 0.5ms or 800us"]),
    ("search --max-latency 0ms", ["latency.limit", "'0ms'", "greater than 0"]),
    ("auto --out new --budget 2m --set latency.limit=5", ["latency.limit", "search has --max-latency"]),
    ("show", ["CODE|NAME|RUN[:TRIAL]"]),
    ("show nothing", ["'nothing'", "inception-like", "block-qnn-s"]),
    ("show resnet-like --skeleton flat", ["'flat'", "cifar, imagenet, small"]),
    ("show resnet-like --repeats 0", ["repeats 0,0,0", "from 1 to 10000"]),
    ("show resnet-like --repeats two", ["--repeats 'two'", "whole numbers", "or auto"]),
    ("show resnet-like --repeats auto --max-params 99", ["max_params 99", "smallest network has"]),
    ("show resnet-like --max-params few", ["max_params 'few'", "such as 2M"]),
    ("show resnet-like --repeats 1,2", ["1,2", "one for each stage"]),
    ("show resnet-like --widths 32,0", ["widths 32,0", "from 1 to 10000"]),
    ("show resnet-like --classes 1", ["--classes", "'1'", "greater than or equal to 2"]),
    ("show resnet-like --image 32x32", ["'32x32'", "3x32x32"]),
    ("show resnet-like --image 0x32x32", ["'0x32x32'", "3x32x32"]),
    ("show resnet-like --image 3x2x9", ["2x9", "at least 4"]),
    ("show resnet-like --svg foreign", ["--svg foreign", "cannot be written"]),
    ("show resnet-like --svg file/b.svg", ["--svg file/b.svg", "cannot be written"]),
    ("show resnet-like --svg nowhere/b.svg", ["--svg nowhere/b.svg", "cannot be written"]),
    ("train resnet-like", ["--out"]),
    ("train resnet-like --out file", ["file", "not an empty directory"]),
    ("train resnet-like --out foreign", ["foreign", "not an empty directory"]),
    ("train resnet-like --out new --seeds 0", ["--seeds", "'0'", "greater than or equal to 1"]),
    ("train resnet-like --out new --device tpu", ["'tpu'", "auto, cpu"]),
    ("train resnet-like --out new --skeleton imagenet", ["8x8", "at least 32"]),
    (
        "train resnet-like --out new --preset small",
        ["'small'", "paper-imagenet and early-stop"],
    ),
    ("train resnet-like --out new --epochs 0", ["epochs = 0", "greater than or equal to 1"]),
    ("train resnet-like --out new --epochs few", ["--epochs", "'few'", "integer"]),
    ("train resnet-like --out new --top 2", ["top 2", "'resnet-like' is no run directory"]),
    ("train run --out new --top 0", ["--top", "'0'", "greater than or equal to 1"]),
    ("train run:3 --out new --top 2", ["top 2", "'run:3' is no run directory"]),
    ("train run --out new --top 2 --all-data", ["top 2 and all-data", "one of the two"]),
    ("train resnet-like --out new --max-params 99", ["max_params 99", "smallest network has"]),
    ("train resnet-like --out new --max-params few", ["max_params 'few'", "such as 2M"]),
    ("train resnet-like --out new --repeats most", ["--repeats 'most'", "whole numbers", "or auto"]),
    ("train block-qnn-s --out new --repeats auto --max-params 9k", ["max_params 9000", "smallest"]),
    ("calibrate", ["'run'", "blockqnn calibrate --help"]),
    ("calibrate run", ["run run", "no full trainings yet", "sample, proof or both"]),
    ("calibrate run --sample 4", ["sample 4", "at least 5"]),
    ("calibrate run --sample few", ["--sample", "'few'", "integer"]),
    ("calibrate run --proof 2", ["proof 2", "at least 5"]),
    ("calibrate run --sample 500", ["sample 500", "run run has", "evaluated trials"]),
    ("calibrate run --proof 500", ["proof 500", "run run has", "evaluated trials"]),
    ("calibrate run --epochs 3", ["epochs", "name sample or proof too"]),
    ("calibrate run --sample 5 --epochs 0", ["epochs = 0", "greater than or equal to 1"]),
    (
        "calibrate run --sample 5 --preset tiny",
        ["'tiny'", "paper-imagenet and early-stop"],
    ),
    ("calibrate run --sample 5 --device tpu", ["'tpu'", "auto, cpu"]),
    ("search --strategy luck", ["strategy", "'luck'", "q-learning, predictor, random"]),
    ("search --budget soon", ["plan.budget", "'soon'", "90s, 30m or 2h"]),
    ("search --budget 90", ["plan.budget", "'90'", "90s, 30m or 2h"]),
    ("search --budget 0s", ["plan.budget", "'0s'", "greater than 0"]),
    ("search --budget -5m", ["plan.budget", "'-5m'", "90s, 30m or 2h"]),
    ("search --budget 1h --trials 5", ["setting plan", "either trials or a budget"]),
    ("search --trials 10000000000", ["plan.trials", "less than or equal to 1000000000"]),
    ("search --image-size big", ["data.image_size", "'big'", "as 64, or height and width, as 48x64"]),
    ("search --image-size 0", ["data.image_size.0", "0", "greater than or equal to 1"]),
    ("search --image-size 5x6x7", ["data.image_size", "'5x6x7'", "as 48x64"]),
    ("search --image-size 5000", ["data.image_size.0", "5000", "less than or equal to 4096"]),
    ("space --trials 0", ["plan.trials", "0", "greater than or equal to 1"]),
    ("space --workers none", ["--workers", "'none'", "a number from 1, or auto"]),
    ("space --max-params 5", ["max_params 5", "no block fits"]),
    ("init --preset huge", ["'huge'", "small, demo, standard, paper"]),
    ("init file", ["init file", "cannot be written as a new file", "File exists"]),
    ("init nowhere/my.yaml", ["init nowhere/my.yaml", "No such file or directory"]),
    ("search --plugin nowhere.py", ["nowhere.py", "No such file"]),
    ("search --plugin broken.py", ["broken.py", "line 2"]),
    ("search --plugin empty.py", ["empty.py", "defines nothing", "OPERATIONS, STRATEGIES, EVALUATORS"]),
]
CODES = [
    ("show (1,1,2,0,0)", ["(1,1,2,0,0)", "kernel 1 or 3 or 5, not 2"]),
    ("show (1,5,0,0,0)", ["(1,5,0,0,0)", "two different predecessors"]),
    ("show (1,9,0,0,0)", ["type 9", "1 conv", "7 terminal"]),
    ("show (1,1,3,1,0)", ["(1,1,3,1,0)", "0..0"]),
    ("show '(1,1,3,0)'", ["(1,1,3,0)", "five whole numbers"]),
    ("show '(1,1,3,0,0) oops'", ["'oops'", "write it as (1,1,3,0,0) (2,7,0,0,0)"]),
    ("show '(1,1,3,0,0'", ["(1,1,3,0,0", "write it as"]),
    ("show '()'", ["five whole numbers"]),
    ("show '(7,7,0,0,0)'", ["terminal layer (7,7,0,0,0) must be (1,7,0,0,0)"]),
    ("show '(1,7,0,0,0)'", ["the block is empty"]),
    ("show '(2,1,3,0,0)'", ["(2,1,3,0,0)", "its index must be 1"]),
    ("show '(1,1,3,0,5)'", ["(1,1,3,0,5)", "pred2 must be 0"]),
    ("show '(1,1,3,99999,0)'", ["five whole numbers"]),
    ("show '(1,1,٣,0,0)'", ["five whole numbers"]),
    (f"show {'a' * 5000}", ["File name too long"]),
    ("show '(1,8,3,0,0)'", ["type 8 is unknown"]),
]
SETTINGS = [
    ("search --set plan.trials", ["--set 'plan.trials'", "key.path=value"]),
    ("search --set =5", ["--set '=5'", "key.path=value"]),
    ("search --set plan..trials=5", ["--set 'plan..trials=5'", "key.path=value"]),
    ("search --set trials=5", ["setting trials = 5", "did you mean plan.trials?"]),
    ("search --set plan.trails=5", ["setting plan.trails = 5", "did you mean plan.trials?"]),
    ("search --set plan.trials=many", ["plan.trials = 'many'", "valid integer"]),
    ("search --set plan.trials=010", ["plan.trials = '010'", "valid integer"]),
    ("search --set plan.budget=1:30", ["plan.budget = '1:30'", "90s, 30m or 2h"]),
    ("search --set agent.shaped=on", ["agent.shaped = 'on'", "valid boolean"]),
    ("search --set recipe.learning_rate=.nan", ["recipe.learning_rate = nan", "finite number"]),
    ("search --set reward.mu=[1", ["--set 'reward.mu=[1'", "no valid YAML"]),
    ("search --set reward.latency=-1", ["reward.latency = -1", "greater than or equal to 0"]),
    ("search --set latency.measure=on", ["latency.measure = 'on'", "valid boolean"]),
    ("search --set latency.limit=-5", ["latency.limit = -5", "greater than 0"]),
    ("search --set plan=5", ["setting plan = 5", "object"]),
    ("search --set skeleton.widths=[4]", ["setting skeleton", "repeats 1,1,1 for 1 stages"]),
    ("search --set skeleton.stem=[pool,cat]", ["skeleton.stem.1 = 'cat'", "'conv' or 'pool'"]),
    ("search --set recipe.metric=auc", ["recipe.metric = 'auc'", "balanced-accuracy"]),
    ("train resnet-like --out new --set epochs", ["--set 'epochs'", "key.path=value"]),
    ("train resnet-like --out new --set epoch=5", ["setting epoch = 5", "did you mean epochs?"]),
    ("train resnet-like --out new --set plan.seed=5", ["setting plan", "no such setting", "epochs"]),
    (
        "train resnet-like --out new --set augmentation.flip=maybe",
        ["augmentation.flip = 'maybe'", "valid boolean"],
    ),
    ("train resnet-like --out new --set batch=1", ["batch = 1", "greater than or equal to 2"]),
    ("search --set preset=huge", ["'huge'", "small, demo, standard, paper"]),
    ("search --set preset=[1]", ["preset [1] is unknown", "small, demo, standard, paper"]),
    ("search --config none.yaml", ["config none.yaml", "No such file"]),
    ("search --config foreign", ["config foreign", "Is a directory"]),
    ("search --config picture.png", ["config picture.png", "utf-8"]),
    ("search --config list.yaml", ["config list.yaml", "`name: value`"]),
    ("search --config twice.yaml", ["config twice.yaml", "'trials' stands there twice"]),
    ("search --config alias.yaml", ["config alias.yaml", "aliases"]),
    ("search --config open.yaml", ["config open.yaml", "line 2"]),
    ("search --config typo.yaml", ["setting agnet", "did you mean agent?"]),
    ("search --config code.yaml", ["config code.yaml", "tags (!name) are not allowed"]),
]
DATA = [
    ("search --data cats", ["cats", "no such directory", "digits, DIR, FILE.npz or hf:NAME[:CONFIG]"]),
    ("search --data empty", ["data", "empty", "no images in it", "jpeg", "webp"]),
    ("search --data foreign", ["foreign", "no images in it"]),
    ("search --data loose", ["loose", "outside any class folder", "CLASS/*.jpg"]),
    ("search --data single", ["single", "fewer than 2 classes, only ant"]),
    ("search --data each", ["each", "has 1 image to train on: too few for a test part"]),
    ("search --data text", ["text", "1 of 31 images cannot be read, first bee/text.jpg", "skip"]),
    ("search --data bomb", ["bomb", "1 of 31 images cannot be read, first bee/bomb.png"]),
    ("search --data photos.zip", ["photos.zip", "unpack it first"]),
    ("search --data file", ["file", "digits, DIR, FILE.npz or hf:NAME[:CONFIG]"]),
    ("search --data damaged.npz", ["damaged.npz", "cannot be read as .npz"]),
    (f"search --data {'a' * 5000}", ["File name too long"]),
    ("search --data hf:", ["hf:NAME[:CONFIG]"]),
    ("search --data hf:none.parquet", ["none.parquet", "no such file"]),
    ("search --labels none.csv", ["none.csv", "no such file"]),
    ("search --labels header.csv", ["header.csv", "no column 'path'"]),
    ("search --labels lost.csv", ["lost.csv", "line 3", "none.png"]),
    ("search --labels part.csv", ["part.csv", "part 'training'", "train, val and test"]),
    ("search --labels one.csv --data cats", ["cats", "no such directory"]),
    ("space --data loose", ["loose", "outside any class folder"]),
    ("train resnet-like --out new --data loose", ["loose", "outside any class folder"]),
    ("search --data cats.npz", ["cats.npz", "no such file"]),
    ("search --data half.npz", ["half.npz", "lacks y_train, x_test, y_test"]),
]
RUNS = [
    ("search --run", ["--run"]),
    ("search --run foreign", ["foreign", "holds notes.txt and no run"]),
    ("search --run file", ["file", "is a file"]),
    ("search --run file/run", ["file/run", "cannot be made"]),
    ("search --run run --seed 2", ["plan.seed = 1, not 2"]),
    ("search --run run --trials 3", ["plan.trials = 12, not 3"]),
    ("search --run run --data half.npz", ["data.source = digits, not", "half.npz"]),
    ("status", ["run", "blockqnn status --help"]),
    ("status nowhere", ["nowhere", "no such directory"]),
    ("status foreign", ["foreign", "holds no run"]),
    ("calibrate nowhere", ["nowhere", "no such directory"]),
    ("calibrate foreign --sample 5", ["foreign", "holds no run"]),
    ("calibrate scribbled", ["scribbled/calibration.jsonl", "line 1 is damaged", "Invalid JSON"]),
    ("calibrate scribbled --sample 5", ["scribbled/calibration.jsonl", "line 1 is damaged"]),
    ("top foreign", ["foreign", "holds no run"]),
    ("top run -n 0", ["-n", "'0'", "greater than or equal to 1"]),
    ("top run -n few", ["-n", "'few'", "integer"]),
    ("top run --pareto", ["--pareto"]),
    ("top run --pareto speed", ["'speed'", "params, flops, latency"]),
    ("top run --pareto latency", ["pareto latency", "measured none", "latency.measure=true"]),
    ("show foreign", ["'foreign'", "no run directory"]),
    ("show run:12", ["no trial 12", "0 to 11"]),
    ("status file", ["file", "no such directory"]),
    ("status empty", ["empty", "holds no run"]),
    ("status garbage", ["garbage", "no run file"]),
    ("status newer", ["newer", "written in format 99, this version reads 1 to 2"]),
    ("status strange", ["strange", "cannot be read by version", "settings.tempo"]),
    ("status emptied", ["emptied", "holds no run"]),
    ("status torn", ["torn", "malformed"]),
    ("status bent", ["bent", "damaged", "results row 0: its checksum differs", "blockqnn check bent"]),
    ("status mistold", ["mistold", "damaged", "trials row 0: its checksum differs"]),
    ("search --run bent", ["bent", "damaged", "results row 0: its checksum differs"]),
    ("check", ["run", "blockqnn check --help"]),
    ("check nowhere", ["nowhere", "no such directory"]),
    ("check foreign", ["foreign", "holds no run"]),
    ("check newer", ["newer", "written in format 99"]),
    ("check run --rebuild new", ["run run", "is sound, there is nothing to rebuild"]),
    ("check bent --rebuild foreign", ["foreign", "holds notes.txt and no run"]),
    ("check bent --rebuild file", ["file", "is a file"]),
    ("search --run garbage", ["garbage", "no run file"]),
    ("report nothing", ["nothing", "no such directory"]),
    ("report run --out nothing/page.html", ["nothing/page.html", "cannot be written"]),
    ("report run --out foreign", ["foreign", "cannot be written"]),
    ("dashboard", ["RUN", "dashboard --help"]),
    ("doctor extra", ["extra", "blockqnn doctor --help"]),
    ("doctor --run", ["--run"]),
    ("doctor --run file", ["run file", "is a file; name a directory"]),
    ("doctor --run file/run", ["run file/run", "file is a file; name a directory"]),
    ("dashboard run nothing", ["nothing", "no such directory"]),
    ("dashboard run --port 70000", ["--port", "70000", "65535"]),
    ("search --run newer", ["newer", "written in format 99"]),
    ("search --run strange", ["strange", "cannot be read by version"]),
    ("search --run torn", ["torn", "malformed"]),
    (
        "search --run run --set reward.rho=8",
        ["reward.rho = 0.0, not 8", "fork run run-2 --set reward.rho=8"],
    ),
    ("search --run run --preset paper", ["preset = small, not paper"]),
    (
        "search --run run --budget 1h",
        ["plan.budget = None, not 3600.0", "--set plan.budget=3600.0"],
    ),
    ("search --run run --max-params 5M", ["space.max_params = 10000000, not 5000000"]),
    (
        "search --run run --max-latency 5ms",
        ["latency.limit = None, not 5.0", "fork run run-2 --set latency.limit=5.0"],
    ),
    ("fork run new --set latency.limit=soon", ["latency.limit = 'soon'", "5ms, 0.5ms or 800us"]),
    ("fork run", ["'new'", "blockqnn fork --help"]),
    ("fork nowhere new", ["nowhere", "no such directory"]),
    ("fork run foreign", ["foreign", "holds notes.txt and no run"]),
    ("fork run run", ["run", "holds a run already"]),
    ("fork run new --set plan.trials=3", ["plan.trials = 3", "12 trials are taken"]),
    ("fork run new --set reward.mu=high", ["reward.mu = 'high'", "valid number"]),
    ("fork garbage new", ["garbage", "no run file"]),
    ("train garbage --out new", ["garbage", "no run file"]),
    (
        "train resnet-like --out stopped --epochs 9",
        ["out stopped", "holds another training", "recipe.epochs = 60, not 9", "stopped/checkpoint"],
    ),
    ("train resnet-like --out stopped", ["seed-0.pt", "cannot be read", "remove it"]),
    ("train resnet-like --out unknown", ["unknown/checkpoint/training.json", "cannot be read", "anew"]),
    ("show torn", ["torn", "malformed"]),
]
MODELS = [
    ("predict", ["TRAINED_DIR", "blockqnn predict --help"]),
    ("predict foreign", ["IMAGE...", "blockqnn predict --help"]),
    ("predict nowhere picture.png", ["nowhere", "no such directory", "train --out"]),
    ("predict foreign picture.png", ["foreign/config.json", "No such file", "train --out"]),
    ("predict model none.png", ["none.png", "no such file"]),
    ("predict model file", ["image file", "no image that can be read"]),
    ("export model --out new", ["--format"]),
    ("export model --format onnx", ["--out"]),
    ("export model --format tflite --out new", ["'tflite'", "python, onnx, torch-export, safetensors"]),
    ("export nowhere --format onnx --out new", ["nowhere", "no such directory"]),
    ("export model --format onnx --out file", ["file", "exists; name a new file"]),
    ("export model --format python --out foreign", ["foreign", "not an empty directory"]),
    ("export model --format python --out file/new", ["file is not a directory that can be written"]),
    ("export unweighted --format onnx --out new", ["model.safetensors", "no such file"]),
    ("export misweighted --format onnx --out new", ["model.safetensors", "cannot be read"]),
    ("export misconfigured --format onnx --out new", ["config.json", "damaged", "Invalid JSON"]),
]


def change(run, statement):
    with sqlite3.connect(run / "run.sqlite3") as connection:
        connection.execute(statement)
    connection.close()


def rewrite_facts(run, old, new):
    """The run with other facts, written as if they were its own."""
    with Store.read(run) as store:
        facts, trials, results = store.facts(), store.trials(), store.results()
    shutil.rmtree(run)
    with Store.create(run, {"run": facts["run"].replace(old, new)}) as store:
        store.add(trials, results)


@pytest.fixture
def wrong(folder):
    """The folder with files, images and runs that are wrong in one way each."""
    texts = {
        "list.yaml": "- 1\n",
        "twice.yaml": "plan:\n  trials: 5\n  trials: 6\n",
        "alias.yaml": "a: &x [1]\nb: *x\n",
        "open.yaml": "plan: [1\n",
        "typo.yaml": "agnet:\n  gamma: 1.0\n",
        "code.yaml": "plan: !!python/object/apply:os.system [echo]\n",
        "broken.py": "x = 1\ny = (\n",
        "empty.py": "x = 1\n",
    }
    for name, text in texts.items():
        (folder / name).write_text(text)
    Image.fromarray(np.zeros((4, 4), np.uint8)).save(folder / "picture.png")
    (folder / "empty").mkdir()
    images, labels = pictures(30)
    save_png(folder / "loose" / "1.png", images[0])
    write_folder(folder / "single", images, labels * 0)
    write_folder(folder / "each", images[:3], labels[:3])
    for name in ("text", "bomb"):
        write_folder(folder / name, images, labels)
    (folder / "text" / "bee" / "text.jpg").write_text("no image")
    (folder / "bomb" / "bee" / "bomb.png").write_bytes(bomb())
    for name in ("photos.zip", "damaged.npz"):
        (folder / name).write_bytes(b"PK and no more")
    tables = {
        "header.csv": "loose/1.png,ant\n",
        "lost.csv": "path,label\nloose/1.png,ant\nnone.png,bee\n",
        "part.csv": "path,label,part\nloose/1.png,ant,training\n",
        "one.csv": "path,label\nloose/1.png,ant\n",
    }
    for name, text in tables.items():
        (folder / name).write_text(text)
    directory.write(random_model(ZOO["resnet-like"]), folder / "model")
    for name in ("unweighted", "misweighted", "misconfigured"):
        shutil.copytree(folder / "model", folder / name)
    (folder / "unweighted" / "model.safetensors").unlink()
    (folder / "misweighted" / "model.safetensors").write_bytes(b"no tensors")
    (folder / "misconfigured" / "config.json").write_text("{")
    for name, training in (("stopped", None), ("unknown", "{")):
        stopped_training(folder / name)
        (folder / name / "checkpoint" / "seed-0.pt").write_bytes(b"no tensors")
        if training:
            (folder / name / "checkpoint" / "training.json").write_text(training)
    for name in ("newer", "strange", "torn", "bent", "mistold", "scribbled"):
        shutil.copytree(folder / "run", folder / name)
    (folder / "scribbled" / "calibration.jsonl").write_text("{\n")
    change(folder / "newer", "PRAGMA user_version = 99")
    rewrite_facts(folder / "strange", '"strategy"', '"tempo": 1, "strategy"')
    change(folder / "bent", "UPDATE results SET outcome = substr(outcome, 3) WHERE number = 0")
    change(folder / "mistold", "UPDATE trials SET iteration = 'first' WHERE number = 0")
    database = folder / "torn" / "run.sqlite3"
    database.write_bytes(database.read_bytes()[:8192] + b"\xff" * 8192)
    for name, content in (("garbage", b"no database " * 500), ("emptied", b"")):
        (folder / name).mkdir()
        (folder / name / "run.sqlite3").write_bytes(content)
    return folder


def tree(folder):
    """Every file and directory with its size; locks aside, which a look may leave."""
    names = (p for p in folder.rglob("*") if p.suffix != ".lock")
    return {str(p.relative_to(folder)): p.stat().st_size for p in names}


@pytest.mark.parametrize(("line", "told"), OPTIONS + CODES + SETTINGS + DATA + RUNS + MODELS)
def test_wrong_use(blockqnn, wrong, line, told):
    before = tree(wrong)
    begin = time.monotonic()
    answer = blockqnn(
        *shlex.split(line.replace("(", "'(").replace(")", ")'") if "'" not in line else line)
    )
    seconds = time.monotonic() - begin
    assert (answer.status, answer.out) == (2, "")
    assert answer.err.startswith("blockqnn: ")
    assert answer.err.index("\n") == len(answer.err) - 1, "more than one line"
    for part in told:
        assert part in answer.err
    assert tree(wrong) == before
    assert seconds < 1


def test_there_are_enough_kinds():
    for kind, least in (
        (OPTIONS, 25),
        (CODES, 12),
        (SETTINGS, 20),
        (DATA, 15),
        (RUNS, 20),
        (MODELS, 15),
    ):
        assert len({line for line, _ in kind}) >= least
