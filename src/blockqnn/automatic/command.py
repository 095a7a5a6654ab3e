"""The stages in order; each is passed over when an earlier session has done it."""

import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from blockqnn import journal
from blockqnn.automatic import keep, shares
from blockqnn.automatic.baselines import first_recipe, run_baselines
from blockqnn.automatic.finish import model_of, train_final
from blockqnn.automatic.larger import LARGE, LARGE_SIDE, checked, enlarged, final_images
from blockqnn.automatic.proof import prove
from blockqnn.automatic.race import Races, told
from blockqnn.automatic.recipe_choice import choose_recipe
from blockqnn.automatic.recipe_choice import told as told_recipe
from blockqnn.automatic.selection import select, winner
from blockqnn.automatic.session import Session
from blockqnn.callbacks.callback import Callback
from blockqnn.config import FREE_ON_RESUME, changed, differences
from blockqnn.data.dataset import Dataset, load
from blockqnn.errors import InputError
from blockqnn.evaluation.device import resolve_precision
from blockqnn.evaluation.final import read_test
from blockqnn.export import directory as trained
from blockqnn.export.model import Model
from blockqnn.export.place import refuse_unless_new
from blockqnn.journal import Journal, Row
from blockqnn.pages.page import page
from blockqnn.place import replace_file
from blockqnn.plugins import NOTHING
from blockqnn.quantity import duration
from blockqnn.report.training_line import TrainingLine
from blockqnn.runtime.pace import spent_seconds
from blockqnn.runtime.store import Store, is_run
from blockqnn.searching import go_on
from blockqnn.setup import create_run, located, new_facts, reopen_run
from blockqnn.training.described import tested
from blockqnn.training.pictures import drawn
from blockqnn.version import VERSION


def auto(
    out: Path,
    budget: float | None,
    changes: Mapping[str, Any],
    *,
    train_size: tuple[int, int] | None,
    command: str,
    begun: float,
    say: Callable[[str], None],
    callbacks: Sequence[Callback],
    live: bool,
) -> Model:
    """From images to a tested model in `out`, in `budget` seconds; or goes on with what is there.

    `changes` are settings as of a search; `train_size` is that of the final training's images, None
    for the search's; `command` is what goes on with it; `begun` is the moment of the monotonic clock
    from which this session's time counts. Raises InputError for wrong use,
    RuntimeError when no network learned.
    """
    plan = changes.get("plan", {})
    if isinstance(plan, Mapping) and (own := [key for key in plan if key != "seed"]):
        raise InputError(f"setting plan.{own[0]}: auto plans its search itself, within --budget")
    there = (out / journal.FILE).exists()
    if not there:
        if budget is None:
            raise InputError("auto: needs a budget, as --budget 2h")
        refuse_unless_new(out, directory=True)
    if budget is not None and budget < shares.SHORTEST:
        raise InputError(f"budget {budget:g} s: at least {shares.SHORTEST:g} s")
    if there:
        started = _reopened(out, budget, changes, train_size)
    else:
        started = _new(budget or 0.0, changes, train_size, command)
    out.mkdir(parents=True, exist_ok=True)
    lock = FileLock(out / ".lock")
    try:
        with lock.acquire(timeout=0):
            return _run(out, started, begun, say, callbacks, live)
    except Timeout:
        raise InputError(f"out {out}: another process is at work in it") from None


def _new(
    budget: float, changes: Mapping[str, Any], train_size: tuple[int, int] | None, command: str
) -> tuple[Journal, Dataset]:
    """What a new directory begins with; nothing is written."""
    facts, _ = new_facts(None, changes)
    if "skeleton" not in changes and max(facts.data.image[1:]) > LARGE_SIDE:
        facts, _ = new_facts(None, {**changes, "skeleton": LARGE})
    found = Journal(
        version=VERSION,
        facts=facts,
        train_size=checked(train_size, facts.data.image),
        command=command,
        budget=budget,
        ends=shares.ends(budget),
    )
    return found, load(facts.settings.data)


def _reopened(
    out: Path, budget: float | None, changes: Mapping[str, Any], train_size: tuple[int, int] | None
) -> tuple[Journal, Dataset]:
    """What the directory holds; InputError where the data or the settings differ."""
    found = journal.read(out)
    old = found.facts.settings
    new = located(changed(old, changes))
    for key, before, after in differences(old, new):
        if key not in FREE_ON_RESUME:
            raise InputError(
                f"out {out}: was begun with {key} = {before}, not {after}; only the number of workers"
                " may differ when it goes on"
            )
    if budget is not None and budget != found.budget:
        raise InputError(
            f"out {out}: was begun with a budget of {duration(found.budget)}, not {duration(budget)};"
            " name another directory, or the same budget to go on"
        )
    if train_size is not None and checked(train_size, found.data.image) != found.train_size:
        sides = "x".join(map(str, found.train_size or found.data.image[1:]))
        raise InputError(
            f"out {out}: was begun with a final training at {sides} pixels, not"
            f" {'x'.join(map(str, train_size))}; leave it out to go on"
        )
    dataset = load(new.data)
    if dataset.digest != found.facts.data.digest:
        raise InputError(f"data {old.data.source}: changed since {out} was begun")
    facts = found.facts.model_copy(update={"settings": new})
    return found.model_copy(update={"facts": facts}), dataset


def _run(
    out: Path,
    started: tuple[Journal, Dataset],
    begun: float,
    say: Callable[[str], None],
    callbacks: Sequence[Callback],
    live: bool,
) -> Model:
    begin, dataset = started
    session = Session(out, begin, begun, say)
    keep.sweep(out)
    keep.finish(out)
    if session.done("test"):
        return trained.read(out, NOTHING)
    if is_run(out / "run") and not session.done("search"):
        with Store.read(out / "run") as store:
            session.spend(spent_seconds(store.events()))
    session.note()
    _introduce(session)
    facts = session.journal.facts
    precision = resolve_precision("auto", facts.device)
    races = Races(session)
    try:
        recipe = first_recipe(facts.settings, precision)
        if not session.done("baselines"):
            session.stage("baselines", "first what known networks reach on your validation part")
            run_baselines(session, races, facts, recipe)
            _keep_best(session, dataset)
            session.finish("baselines")
        if not session.done("recipe"):
            session.stage("recipe", "learning rate and augmentation")
            recipe = choose_recipe(session, races, facts.settings.skeleton, recipe)
            session.note(recipe=recipe)
            session.say(f"  chosen: {told_recipe(recipe)}")
            _keep_best(session, dataset)
            session.finish("recipe")
        races.close()  # the search has workers of its own
        if not session.done("search"):
            session.stage("search", "a block of your own")
            _search(session, callbacks, live, precision)
            session.finish("search")
        races = Races(session)
        assert session.journal.recipe is not None
        if not session.done("selection"):
            session.stage(
                "selection", "the best blocks found and the known ones, on the validation part"
            )
            select(session, races, facts.settings.skeleton, session.journal.recipe)
            _keep_best(session, dataset)
            session.finish("selection")
        if not session.done("proof") and "proof" in session.journal.ends:
            session.stage("proof", "what the search was worth: its best blocks beside random ones")
            prove(session, races, session.journal.recipe)
            session.finish("proof")
        races.close()
        if not session.done("training"):
            chosen = winner(session, races.workers)
            session.stage("training", _training_told(session, chosen))
            images = final_images(session.journal, dataset)
            line = TrainingLine(1) if live else None
            try:
                row = train_final(session, chosen, images, line)
            finally:
                if line:
                    line.close()
            session.add(row)
            session.say(told(row))
            session.finish("training")
    finally:
        races.close()
    return _test(session, dataset)


def _training_told(session: Session, chosen: Row) -> str:
    words = f"{chosen.name} {chosen.choice}".strip()
    if session.journal.train_size is None:
        return words
    sides = "x".join(map(str, session.journal.train_size))
    return f"{words}, on images of {sides}: {enlarged(chosen, session.journal).params:,} parameters"


def _introduce(session: Session) -> None:
    facts, data = session.journal.facts, session.journal.facts.data
    session.say(
        f"{data.name}: {data.sizes[0]} images of {data.image.height}x{data.image.width} to train on,"
        f" {data.sizes[1]} to validate, {data.sizes[2]} to test at the end;"
        f" {duration(session.journal.budget)} on {facts.device}, in {session.directory}"
    )
    for text in (*data.notes, *(f"warning: {warning}" for warning in data.warnings)):
        session.say(text)


def _search(session: Session, callbacks: Sequence[Callback], live: bool, precision: str) -> None:
    """Searches in run/ until the stage is to end, or goes on with that."""
    journal, where = session.journal, session.directory / "run"
    outlook = journal.outlook
    if is_run(where):
        opened = reopen_run(where, None, {})
    else:
        settings: dict[str, Any] = journal.facts.settings.model_dump(mode="json")
        settings["plan"] |= {"trials": None, "budget": max(1.0, session.until("search"))}
        if outlook is not None:
            recipe = outlook.recipe.model_copy(update={"precision": precision})
            settings |= {"skeleton": outlook.skeleton, "recipe": recipe.model_dump(mode="json")}
            settings["space"] |= {"max_flops": outlook.max_flops, "max_layers": outlook.max_layers}
        opened = create_run(where, settings.pop("preset"), settings)
    with opened.store:
        go_on(opened, time.monotonic(), callbacks, live, data_known=True)


def _keep_best(session: Session, dataset: Dataset) -> None:
    """Puts the best network so far into the directory, unless it lies there."""
    best = session.best(session.journal.rows)
    if best is None:
        return
    number = session.journal.rows.index(best)
    if number != session.journal.kept:
        keep.keep(model_of(session, best, dataset), session.directory)
        session.note(kept=number)
        session.say(f"kept so far: {best.name}, validation {best.accuracy:.2f} %")
    _write_page(session.directory)


def _test(session: Session, dataset: Dataset) -> Model:
    """Reads the test part once, for the best network, and writes all."""
    session.stage("test", "the test part, once")
    best = session.best(session.journal.rows) or winner(session, 1)
    if best.stage == "training":
        dataset = final_images(session.journal, dataset)
    model = model_of(session, best, dataset)
    metric = best.recipe.metric
    read = read_test(model.network, dataset, metric, "cpu")
    if read is None:
        raise RuntimeError("the logits of test images are not finite; there is no tested model")
    left = session.left(best)
    model.metrics = tested(
        model.plan,
        metric,
        left.history,
        (left.epochs, best.steps),
        [best.accuracy],
        [read],
        best.seconds,
    )
    accuracy = read["test_accuracy"]
    difference = keep.keep(model, session.directory, drawn(model.metrics, model.classes))
    session.note(kept=session.journal.rows.index(best))
    session.finish("test")
    _write_page(session.directory)
    shutil.rmtree(session.work, ignore_errors=True)
    low, high = read["test_interval"]
    session.say(
        f"test {metric} {accuracy:.2f} % ({read['test_images']} images"
        + (f", 95 % interval {low:.1f} to {high:.1f}" if metric == "accuracy" else "")
        + f"); model.onnx and model.py differ from the model by {difference:.1g} at most"
    )
    return model


def _write_page(out: Path) -> None:
    replace_file(out / "report.html", page(out).encode())
