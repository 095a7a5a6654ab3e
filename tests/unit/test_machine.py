"""What the system tells of its processor, and that a fingerprint tells processors apart."""

from pathlib import Path

import pytest

from blockqnn import machine
from blockqnn.evaluation import device

EPYC = "vendor_id\t: AuthenticAMD\nmodel name\t: AMD EPYC 9R14\nflags\t\t: sse avx512_bf16 vnni\n\n"
XEON = "model name\t: Intel(R) Xeon(R) Processor\nflags\t\t: avx512_bf16 amx_bf16 amx_int8\n\n"
ARM = "processor\t: 0\nBogoMIPS\t: 50.00\n"


@pytest.fixture
def cpuinfo(monkeypatch):
    """Lets the system tell another text; None: it has no such file."""

    def tell(text):
        def read(self):
            if text is None:
                raise FileNotFoundError(self)
            return 2 * text  # one piece for each core

        monkeypatch.setattr(Path, "read_text", read)
        monkeypatch.setattr(machine.platform, "processor", lambda: "arm")

    return tell


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (EPYC, "AMD EPYC 9R14 with avx512_bf16"),
        (XEON, "Intel(R) Xeon(R) Processor with avx512_bf16, amx_bf16"),
        (ARM, "arm"),
        (None, "arm"),
    ],
)
def test_the_processor(cpuinfo, text, told):
    cpuinfo(text)
    assert machine.processor() == told


def test_processors_of_one_instruction_set_have_two_fingerprints(cpuinfo):
    """Their libraries compute in other ways: measured, the same search went elsewhere."""
    cpuinfo(EPYC)
    first = device.fingerprint("cpu")
    cpuinfo(XEON)
    assert first.partition(";")[0] == device.fingerprint("cpu").partition(";")[0]
    assert first != device.fingerprint("cpu")
