"""Settings as text: what YAML makes of a value, the commented file, and files that are refused."""

import pytest

from blockqnn.config import PRESETS, Settings, known_keys, resolve
from blockqnn.config_file import commented, read_assignment, read_settings
from blockqnn.errors import InputError


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001),  # YAML 1.1 reads text
        ("1:30", "1:30"),  # YAML 1.1 reads 90
        ("010", "010"),  # YAML 1.1 reads 8
        ("on", "on"),  # YAML 1.1 reads true
        ("yes", "yes"),
        ("0x10", "0x10"),
        ("1_000", "1_000"),
        ("2026-01-01", "2026-01-01"),
        ("true", True),
        ("null", None),
        ("", None),
        ("100", 100),
        ("-3", -3),
        ("0.5", 0.5),
        (".5", 0.5),
        ("5e2", 500.0),
        ("2M", "2M"),
        ("90s", "90s"),
        ("[[1, 20], [0.3, 70]]", [[1, 20], [0.3, 70]]),
        ("{mu: 0}", {"mu": 0}),
        ("a=b", "a=b"),
    ],
)
def test_a_value_is_what_it_looks_like(text, value):
    assert read_assignment(f"reward.mu={text}") == {"reward": {"mu": value}}


@pytest.mark.parametrize(
    ("key", "text"),
    [("plan.budget", "1:30"), ("plan.trials", "010"), ("agent.shaped", "on"), ("plan.seed", "1_0")],
)
def test_no_setting_mistakes_text_for_a_number(key, text):
    with pytest.raises(InputError, match=f"setting {key} = '{text}'"):
        resolve("small", read_assignment(f"{key}={text}"))


def test_a_number_with_an_exponent_is_a_number():
    assert resolve("small", read_assignment("recipe.learning_rate=1e-2")).recipe.learning_rate == 0.01


@pytest.mark.parametrize("preset", PRESETS)
def test_the_commented_file_gives_the_settings_that_it_shows(tmp_path, preset):
    settings = resolve(preset, {})
    path = tmp_path / "settings.yaml"
    path.write_text(commented(settings))
    values = read_settings(path)
    assert resolve(values.pop("preset"), values) == settings
    written = {line.strip().split(":")[0] for line in path.read_text().splitlines() if ":" in line}
    assert {key.rpartition(".")[2] for key in known_keys(Settings)} <= written


@pytest.mark.parametrize(
    "text", ["agent.alpha", "=5", "a..b=1", ".a=1", "a.=1", "a=[1", "a={b: 1, b: 2}", "a=*x", "a=\t:"]
)
def test_assignments_that_are_none(text):
    with pytest.raises(InputError, match="--set '") as error:
        read_assignment(text)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"plan:\n  trials: 5\n  trials: 6\n", "'trials' stands there twice"),
        (b"a: &x [1]\nb: *x\n", "aliases"),
        (b"plan: [1\n", "line 2"),
        (b"\xff\xfe\x00", "utf-8"),
        (b"a: \x00", "special characters"),
        (b"- 1\n- 2\n", "list of `name: value`"),
        (b"just text", "list of `name: value`"),
        (b"5: 6", "list of `name: value`"),
        (b"? [a]\n: 1\n", "unhashable"),
        (b"a: !!python/object/apply:os.system [echo]\n", "tags (!name) are not allowed"),
        (b"a: !!timestamp soon", "tags (!name)"),  # PyYAML raises an AttributeError
        (b"a: !!bool maybe", "tags (!name)"),  # a KeyError
        (b"a: !!int ''", "tags (!name)"),  # an IndexError
        (b"a: !own x", "tags (!name)"),
        (b"a: " + b"[" * 5000, "nested too deep"),
        (b"#" * (1 << 18) + b"\na: 1", "over 262144 bytes"),
    ],
)
def test_files_that_are_refused(tmp_path, content, told):
    path = tmp_path / "settings.yaml"
    path.write_bytes(content)
    with pytest.raises(InputError) as error:
        read_settings(path)
    message = str(error.value)
    assert message.startswith(f"config {path}: ")
    assert told in message
    assert "\n" not in message


def test_missing_and_empty_files(tmp_path):
    with pytest.raises(InputError, match=r"none\.yaml: cannot be read \(No such file"):
        read_settings(tmp_path / "none.yaml")
    with pytest.raises(InputError, match=r"cannot be read \(Is a directory"):
        read_settings(tmp_path)
    (tmp_path / "empty.yaml").write_text("# nothing\n")
    assert read_settings(tmp_path / "empty.yaml") == {}
