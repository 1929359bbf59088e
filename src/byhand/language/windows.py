"""Which layers attend to a window, and which to everything."""

from __future__ import annotations

from typing import Any


def windows(config: dict[str, Any]) -> list[int | None]:
    """For each layer how many of the last positions it attends to; None for all of them.

    config      as `checkpoints.open` gives it
    """
    layers, window = config["num_hidden_layers"], config.get("sliding_window")
    if window is None:
        return [None] * layers
    if config["model_type"] == "mistral":
        return [window] * layers
    if kinds := config.get("layer_types"):
        return [window if kind == "sliding_attention" else None for kind in kinds]
    if not config.get("use_sliding_window"):
        return [None] * layers
    return [window if k >= config["max_window_layers"] else None for k in range(layers)]
