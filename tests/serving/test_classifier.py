from __future__ import annotations

import base64
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from byhand.serving.classifier import ClassifierReplica
from byhand.serving.planning import plan
from byhand.training import Run, read_recipe, trainer_for

RECIPE = """
title = "Left or right"
loss = "softmax_cross_entropy"
data = { images = "pictures" }
model = { sizes = [64, 2] }
optimizer = { name = "sgd", learning_rate = 0.5 }
training = { epochs = 10, batch_size = 5 }
"""


def picture(side: str) -> Image.Image:
    pixels = np.zeros((8, 8), np.uint8)
    pixels[:, slice(0, 4) if side == "left" else slice(4, 8)] = 200
    return Image.fromarray(pixels)


def encoded(image: Image.Image, form: str = "PNG") -> str:
    file = io.BytesIO()
    image.save(file, form)
    return base64.b64encode(file.getvalue()).decode()


@pytest.fixture
def replica(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ClassifierReplica:
    """A run that tells pictures with a bright left half from those with a bright right half."""
    monkeypatch.chdir(tmp_path)
    for side in ("left", "right"):
        Path("pictures", side).mkdir(parents=True)
        for k in range(10):
            picture(side).save(Path("pictures", side, f"{k}.png"))
    Path("sides.toml").write_text(RECIPE, "utf-8")
    recipe = read_recipe(Path("sides.toml"))
    trainer_for(recipe, Run.create(recipe)).fit()
    (served,) = plan(["sides"], slots=8, context=None)
    assert (served.name, served.kind) == ("sides", "classifier")
    return ClassifierReplica(served.source)


def test_a_run_names_classes(replica: ClassifierReplica) -> None:
    for side in ("left", "right"):
        for image in (encoded(picture(side)), f"data:image/png;base64,{encoded(picture(side))}"):
            answer = replica.predict(image)
            assert answer["classes"][0]["class"] == side
            assert sum(each["output"] for each in answer["classes"]) == pytest.approx(1)
    larger = picture("left").resize((50, 40))
    assert replica.predict(encoded(larger, "JPEG"))["notes"] == [
        "read 40 x 50 gray",
        "resized to 8 x 8",
    ]


@pytest.mark.parametrize(
    ("image", "message"),
    [
        ("§", "image: expected a file in base64, found something else"),
        ("aGVsbG8=", "image: expected a PNG or JPEG file, found something else"),
        (
            encoded(picture("left"), "GIF"),
            "image: expected a PNG or JPEG file, found something else",
        ),
        (encoded(picture("left"))[:60], "image: expected a PNG or JPEG file, found something else"),
    ],
)
def test_what_is_no_picture(replica: ClassifierReplica, image: str, message: str) -> None:
    answer = replica.predict(image)
    assert (answer["status"], answer["error"], answer["param"]) == (400, message, "image")


def test_a_run_that_is_none_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    answer = ClassifierReplica("gone").predict("aGk=")
    assert (answer["status"], answer["code"]) == (503, "model_failed")
    assert answer["error"].startswith("this model could not be loaded: no run 'gone' in runs/")
