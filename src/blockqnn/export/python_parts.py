"""The parts of model.py that are the same for all networks, and those for image files."""

from collections.abc import Iterator
from typing import Any

CELL = '''class Cell(nn.Module):
    """ReLU, convolution, batch normalisation."""

    def __init__(self, kernel, inputs, outputs):
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False)
        self.bn = nn.BatchNorm2d(outputs)

    def forward(self, x):
        return self.bn(self.conv(torch.relu(x)))
'''

PROJECTED_ADD = '''class ProjectedAdd(nn.Module):
    """Sum of two tensors, the one with fewer channels through a 1x1 cell."""

    def __init__(self, inputs, outputs):
        super().__init__()
        self.projection = Cell(1, inputs, outputs)

    def forward(self, narrow, wide):
        return self.projection(narrow) + wide
'''

LOAD = '''def load():
    """The trained network, ready to be evaluated; its weights are the safetensors beside this file."""
    try:
        from safetensors.torch import load_file
    except ImportError:
        raise ImportError("the weights need the package safetensors: pip install safetensors") from None
    here = Path(__file__).resolve().parent
    files = sorted([*here.glob("model.safetensors"), *here.glob("model-*-of-*.safetensors")])
    if not files:
        raise FileNotFoundError(f"no model.safetensors in {here}")
    model = Model()
    model.load_state_dict({name: tensor for f in files for name, tensor in load_file(f).items()})
    return model.eval()
'''

MAIN = '''def main():
    """Prints the class and its probability of each image file."""
    model = load()
    for path in sys.argv[1:]:
        with torch.inference_mode():
            probability, label = model(read_image(path)).softmax(1)[0].max(0)
        print(f"{path}: {CLASSES[label]} {probability:.1%}")
'''

_FITTED = {
    "crop": (
        "short side resized, centre crop",
        """\
    ratio = max(WIDTH / image.width, HEIGHT / image.height)
    size = max(WIDTH, round(image.width * ratio)), max(HEIGHT, round(image.height * ratio))
    image = image.resize(size, Image.Resampling.LANCZOS)
    left, top = (image.width - WIDTH) // 2, (image.height - HEIGHT) // 2
    image = image.crop((left, top, left + WIDTH, top + HEIGHT))
""",
    ),
    "letterbox": (
        "all of it, black beside it",
        """\
    ratio = min(WIDTH / image.width, HEIGHT / image.height)
    size = min(WIDTH, round(image.width * ratio)), min(HEIGHT, round(image.height * ratio))
    whole = image.resize((max(1, size[0]), max(1, size[1])), Image.Resampling.LANCZOS)
    image = Image.new(image.mode, (WIDTH, HEIGHT))
    image.paste(whole, ((WIDTH - whole.width) // 2, (HEIGHT - whole.height) // 2))
""",
    ),
    "stretch": (
        "stretched",
        "    image = image.resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS)\n",
    ),
}


def read_image(preprocessing: dict[str, Any], channels: int) -> Iterator[str]:
    """The function that prepares an image file as the training's images were: grey or RGB.

    As `data.decode` and `data.resize` do it, in Pillow alone.
    """
    told, fitted = _FITTED[preprocessing["resize"]]
    yield f'''def read_image(path):
    """The image file as float32 [1, {channels}, HEIGHT, WIDTH] in 0..1: {told}."""
    from PIL import Image, ImageOps

    image = ImageOps.exif_transpose(Image.open(path))
    if image.mode.startswith(("I", "F")):  # deep grey, white is 65535, 255 or 1
        peak, deep = image.getextrema()[1], image.mode.startswith("I;16")
        white = 65535 if deep or peak > 255 else 1 if image.mode == "F" and peak <= 1 else 255
        image = image.convert("F").point(lambda value: value * (255 / white) + 0.5).convert("L")
    elif image.has_transparency_data:  # laid on white
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    image = image.convert("{"L" if channels == 1 else "RGB"}")
{fitted}    pixels = torch.frombuffer(bytearray(image.tobytes()), dtype=torch.uint8)
    return pixels.reshape(1, HEIGHT, WIDTH, {channels}).permute(0, 3, 1, 2) / 255
'''
