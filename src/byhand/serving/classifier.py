"""A replica with a run of ours: pictures in, classes out."""

from __future__ import annotations

import base64
import binascii
import io
import time
from typing import Any

from byhand.errors import ByhandError, InputError


class ClassifierReplica:
    """The network of a run, with the parameters of its best epoch.

    run         a run folder, or a name that `byhand runs` lists
    """

    def __init__(self, run: str) -> None:
        self.why = ""
        self.created = int(time.time())
        try:
            from byhand.training import Run, load_data, trained_program
            from byhand.training.session import recipe_of

            found = Run.open(run)
            self.dataset = load_data(recipe_of(found).data)
            self.program = trained_program(found, self.dataset)
            if len(self.dataset.input_shape) != 3 or not self.dataset.classes:
                raise InputError(f"{run} names no classes of pictures")
        except ByhandError as error:
            self.why = str(error)

    async def describe(self) -> dict[str, Any]:
        """How it is."""
        state = "failed" if self.why else "ready"
        return {"state": state, "why": self.why, "created": self.created}

    def predict(self, image: str) -> dict[str, Any]:
        """The classes with the network's outputs for them, the largest first, and what was done to
        the picture; or what is wrong with it.

        image       a picture's file in base64, perhaps as a data: URL
        """
        if self.why:
            return _refusal(503, "model_failed", f"this model could not be loaded: {self.why}")
        try:
            pixels, notes = self._pixels(image)
        except InputError as error:
            return {**_refusal(400, "invalid_image", f"image: {error}"), "param": "image"}
        outputs = self.program.predict(pixels[None])[0].tolist()
        if len(outputs) == 1:  # the probability of the second of two classes
            outputs = [1 - outputs[0], outputs[0]]
        ranked = sorted(zip(outputs, self.dataset.classes, strict=True), reverse=True)
        classes = [{"class": name, "output": share} for share, name in ranked]
        return {"classes": classes, "notes": notes}

    def _pixels(self, image: str) -> tuple[Any, list[str]]:
        from PIL import Image

        from byhand.data import prepare

        encoded = image.partition(",")[2] if image.startswith("data:") else image
        try:
            raw = base64.b64decode(encoded, validate=True)
            picture = Image.open(io.BytesIO(raw), formats=("PNG", "JPEG"))
            picture.load()
        except (binascii.Error, ValueError):
            raise InputError("expected a file in base64, found something else") from None
        except (OSError, SyntaxError, Image.DecompressionBombError):
            raise InputError("expected a PNG or JPEG file, found something else") from None
        return prepare(picture, self.dataset)


def _refusal(status: int, code: str, message: str) -> dict[str, Any]:
    return {"error": message, "status": status, "code": code}
