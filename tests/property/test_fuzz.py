"""Ten thousand damaged codes and configurations: an answer or one line, at once, in little memory."""

import string
import time
import tracemalloc
from random import Random

import pytest

from blockqnn import parse
from blockqnn.config import PRESETS, Settings, known_keys, resolve
from blockqnn.config_file import commented, read_assignment, read_settings
from blockqnn.errors import InputError
from blockqnn.network.plan import SKELETONS, Image
from blockqnn.report.describe import describe
from blockqnn.report.drawing import draw
from blockqnn.space.zoo import ZOO

MEMORY = 64 * 2**20  # bytes
SECONDS = 1.0
ALPHABET = string.printable + "()[],0123456789" * 4 + "\0٣é∞\ud800\u202e"
EXTREMES = ["9" * 40, "-1", "1e999", "nan", "{}", "[" * 300, "0x1", " ", "null", "&a", "*a", "!!x"]
EXTREMES += ["(1,6,0,0,0)"]


def damaged(text: str, rng: Random) -> str:
    """The text after some insertions, deletions, repetitions and exchanges."""
    for _ in range(rng.choice((0, 1, 1, 2, 3, 8))):
        begin = rng.randrange(len(text) + 1)
        end = min(len(text), begin + rng.randrange(1, 12))
        piece = rng.choice(
            (
                "",
                text[begin:end] * rng.choice((2, 3, 50)),
                rng.choice(EXTREMES),
                "".join(rng.choices(ALPHABET, k=rng.randrange(1, 6))),
                text[begin:end].upper(),
            )
        )
        text = text[:begin] + piece + text[end:]
    return text


class Watch:
    """The slowest of many calls, and how many of them were refused."""

    def __init__(self):
        self.slowest, self.refused, self.answered = 0.0, 0, 0

    def call(self, function):
        begin, told = time.perf_counter(), None
        try:
            function()
        except InputError as error:
            told = str(error)
        self.slowest = max(self.slowest, time.perf_counter() - begin)
        self.refused += told is not None
        self.answered += told is None
        assert "\n" not in (told or "")
        assert len(told or "") < 2000


@pytest.fixture
def watch():
    tracemalloc.start()
    watch = Watch()
    yield watch
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < MEMORY
    assert watch.slowest < SECONDS
    assert min(watch.refused, watch.answered) > 100  # much of the damage is so small that it is legal


def test_codes(watch):
    rng = Random(0)
    codes = [str(block) for block in ZOO.values()]
    codes += [" ".join(f"({i},6,0,{i - 1},{i - 2})" for i in range(2, n)) for n in (4, 60, 255, 400)]

    def answer(code):
        block = parse(code)
        describe(block, SKELETONS["cifar"], Image(3, 32, 32), 10)
        draw(block)

    for _ in range(4000):
        code = damaged(rng.choice(codes), rng)
        watch.call(lambda code=code: answer(code))


def test_configurations(watch, tmp_path):
    rng = Random(1)
    texts = [commented(resolve(preset, {})) for preset in PRESETS]
    texts += ["plan:\n  trials: 5\n", "space: {max_params: 2M}\nagent:\n  alpha: 0.5\n"] * 4
    path = tmp_path / "fuzz.yaml"

    def answer():
        values = read_settings(path)
        resolve(values.pop("preset", "small"), values)

    for _ in range(3000):
        path.write_bytes(damaged(rng.choice(texts), rng).encode(errors="surrogatepass"))
        watch.call(answer)


def test_assignments(watch):
    rng = Random(2)
    keys = known_keys(Settings)
    values = ["5", "2M", "90s", "1e-3", "null", "true", "[1, 2]", "accuracy", "{a: 1}", "48x64"]

    def answer(text):
        values = read_assignment(text)
        resolve(values.pop("preset", "small"), values)

    for _ in range(4000):
        text = damaged(f"{rng.choice(keys)}={rng.choice(values)}", rng)
        watch.call(lambda text=text: answer(text))
