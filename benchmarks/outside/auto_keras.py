"""AutoKeras, as its manual shows it, for a given time: what a user of Keras would try.

    KERAS_BACKEND=jax PYTHONPATH=src python benchmarks/outside/auto_keras.py DATA --minutes 10 \\
        --seed 0 --out row.json

The environment, which holds neither TensorFlow nor PyTorch (README.md says more):

    python -m venv .venv-autokeras
    .venv-autokeras/bin/pip install -c constraints.txt autokeras==3.0.0 keras==3.12.0 \\
        keras-tuner==1.4.8 'jax[cpu]==0.10.2' six==1.17.0 pydantic PyYAML filelock Pillow ImageHash \\
        platformdirs scikit-learn

AutoKeras knows a number of trials, not a time, so it is interrupted, and the best of the trials that
were complete by then is taken, with the weights of its best epoch. The test part is read once, after
that. Linux only.
"""

import argparse
import os
import signal
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from types import FrameType

import autokeras
import keras
import numpy as np
from autokeras.pipeline import load_pipeline
from row import Row, median_ms, write

from blockqnn.config import DataSettings
from blockqnn.data.dataset import Dataset, Part, load


class TimeIsUp(BaseException):
    """Not an Exception: a failed trial is one, and AutoKeras goes on to the next."""


def _time_is_up(_signal: int, _frame: FrameType | None) -> None:
    raise TimeIsUp


def search(
    classifier: autokeras.ImageClassifier, dataset: Dataset, epochs: int | None, seconds: float
) -> None:
    """Trials until the time is up, or until AutoKeras ends by itself."""
    signal.signal(signal.SIGALRM, _time_is_up)
    # Each second again: an exception that comes while Keras or JAX is in some callback can be lost.
    signal.setitimer(signal.ITIMER_REAL, seconds, 1.0)
    train, validation = dataset.train, dataset.validation
    try:
        classifier.fit(
            np.array(train.images),
            np.array(train.labels),
            validation_data=(np.array(validation.images), np.array(validation.labels)),
            epochs=epochs,
            verbose=2,
        )
        signal.setitimer(signal.ITIMER_REAL, 0)
    except TimeIsUp:
        signal.setitimer(signal.ITIMER_REAL, 0)
        print("the time is up", flush=True)


class Best:
    """The best complete trial: what turns images into input and output into labels, and the model."""

    def __init__(self, classifier: autokeras.ImageClassifier) -> None:
        tuner = classifier.tuner
        trials = tuner.oracle.get_best_trials(1)
        if not trials:
            raise SystemExit("no trial was complete when the time was up")
        self.pipeline = load_pipeline(tuner._pipeline_path(trials[0].trial_id))
        self.model: keras.Model = tuner.get_best_model()
        ended = [trial.status for trial in tuner.oracle.trials.values()]
        print(
            f"{ended.count('COMPLETED')} complete of {len(ended)} trials; val_loss {trials[0].score:.4f}"
        )

    def accuracy(self, part: Part) -> float:
        """In percent."""
        answers = self.model.predict(self.pipeline.transform_x(np.array(part.images)), verbose=0)
        labels = np.asarray(self.pipeline.postprocess(answers)).reshape(-1).astype(np.int64)
        return 100.0 * float(np.mean(labels == part.labels))

    def latency_ms(self, part: Part) -> float:
        """Of one image on one core: the threads of the backend cannot be taken back, but pinned."""
        image = self.pipeline.transform_x(np.array(part.images[:1]))
        core = {min(os.sched_getaffinity(0))}
        for thread in Path("/proc/self/task").iterdir():
            with suppress(ProcessLookupError):  # ended since it was listed
                os.sched_setaffinity(int(thread.name), core)
        return median_ms(lambda: self.model.predict_on_batch(image))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--size", type=int, default=64, help="images are shrunk to this side")
    parser.add_argument("--max-trials", type=int, default=100, help="AutoKeras's default is 100")
    parser.add_argument(
        "--epochs", type=int, help="of a trial; AutoKeras's default: till it stops early"
    )
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    end = time.monotonic() + 60 * arguments.minutes
    threads = len(os.sched_getaffinity(0))
    dataset = load(DataSettings(source=arguments.data), largest=arguments.size)
    keras.utils.set_random_seed(arguments.seed)
    with tempfile.TemporaryDirectory() as directory:
        classifier = autokeras.ImageClassifier(
            max_trials=arguments.max_trials, directory=directory, seed=arguments.seed
        )
        search(classifier, dataset, arguments.epochs, end - time.monotonic())
        best = Best(classifier)
    print(f"ended {time.monotonic() - end:+.1f} s from the end of the time", flush=True)
    validated = best.accuracy(dataset.validation)
    row = Row(
        contender=f"AutoKeras {autokeras.__version__}",
        data=dataset.name,
        seed=arguments.seed,
        minutes=arguments.minutes,
        validation_accuracy=validated,
        test_accuracy=best.accuracy(dataset.test),
        params=best.model.count_params(),
        latency_ms=best.latency_ms(dataset.validation),
        threads=threads,
    )
    write(row, arguments.out)


if __name__ == "__main__":
    main()
