"""The last stages: the chosen network is trained for the time that is left, tested once and written."""

import time

from blockqnn.automatic import job
from blockqnn.automatic.baselines import ENDLESS
from blockqnn.automatic.job import Left
from blockqnn.automatic.larger import enlarged
from blockqnn.automatic.session import Session
from blockqnn.data.dataset import Dataset
from blockqnn.evaluation.checkpoint import Checkpoint
from blockqnn.evaluation.device import decoding_processes, use_all_cores
from blockqnn.evaluation.length import batches_per_epoch
from blockqnn.evaluation.restarts import train_with_restarts
from blockqnn.evaluation.streamed import placed
from blockqnn.export.model import Model
from blockqnn.journal import Point, Row
from blockqnn.network.model import restored
from blockqnn.network.plan import plan_network
from blockqnn.records import Failure
from blockqnn.report.training_line import TrainingLine
from blockqnn.space.code import parse
from blockqnn.training.described import config_of, untested

_LOOKS = 20  # at the validation part


def train_final(session: Session, chosen: Row, dataset: Dataset, line: TrainingLine | None) -> Row:
    """Trains the chosen network until its stage is to end; its row.

    `dataset` has the images of the final training, which may be larger. A training that was cut off
    goes on from its checkpoint.
    """
    begun = time.monotonic()
    deadline = begun + session.until("training")
    device, recipe, seed = session.journal.device, chosen.recipe, session.journal.seed
    assert chosen.code is not None
    final = enlarged(chosen, session.journal)
    plan = plan_network(parse(chosen.code), final.skeleton, dataset.image, len(dataset.classes))
    what = (chosen.code, final.skeleton, recipe.model_dump_json(), dataset.digest, seed)
    session.work.mkdir(exist_ok=True)
    training, validation = (
        placed(part, dataset, device, decoding_processes(device))
        for part in (dataset.train, dataset.validation)
    )
    if device == "cpu":
        use_all_cores(plan.flops * recipe.batch)
    if line:
        line.begin("training", None if recipe.epochs == ENDLESS else recipe.epochs)
    trained = train_with_restarts(
        plan,
        training,
        validation,
        recipe,
        chance=-1.0,
        seed=seed,
        # the validation part is measured once more at the end
        deadline=deadline - 1.2 * session.left(chosen).over * final.flops / chosen.flops,
        looks=_LOOKS,
        report=line.step if line else lambda _step, _progress: None,
        looked=lambda point: line.look(point.loss, point.accuracy) if line else None,
        checkpoint=Checkpoint(session.work / "training.pt", repr(what)),
    )
    seconds = time.monotonic() - begun
    row = final.model_copy(
        update={
            "stage": "training",
            "round": 0,
            "accuracy": None,
            "seconds": round(seconds, 3),
            "epochs": 0.0,
            "steps": 0,
        }
    )
    if isinstance(trained, Failure):
        return row.model_copy(update={"failure": f"{trained.kind} {trained.detail}"})
    epochs = trained.steps / batches_per_epoch(recipe, len(training))
    history = [(p.epoch, p.loss, p.accuracy) for p in trained.history]
    left = Left(trained.network.state_dict(), history, epochs, seconds / trained.steps, 0.0)
    job.write(left, session.file("training", 0, row.name, row.choice))
    return row.model_copy(
        update={
            "accuracy": trained.accuracy,
            "epochs": round(epochs, 3),
            "steps": trained.steps,
            "history": tuple(Point(epoch=e, loss=x, validation=v) for e, x, v in trained.history),
        }
    )


def model_of(session: Session, row: Row, dataset: Dataset) -> Model:
    """The model of a row, whose test part was not read."""
    assert row.code is not None
    block, left = parse(row.code), session.left(row)
    plan = plan_network(block, row.skeleton, dataset.image, len(dataset.classes))
    recipe = row.recipe
    if recipe.epochs == ENDLESS:
        recipe = recipe.model_copy(update={"epochs": max(1, round(left.epochs))})
    return Model(
        restored(plan, left.weights).eval(),
        block,
        config_of(block, row.skeleton, dataset, session.settings.data.resize, recipe),
        untested(plan, recipe.metric, row.accuracy, left.history, row.seconds),
    ).eval()
