"""What there is to say about a run, as data for programs and as lines for people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from byhand.cli.say import duration, percent, text_loss

if TYPE_CHECKING:
    from byhand.training import Recipe, Run


def outcome(run: Run) -> dict[str, Any]:
    """Where the run stands, and its best and last epoch."""
    from byhand.training.run import best_row

    recipe, status = run.recipe, run.status
    rows = run.metrics()
    epochs = [row for row in rows if row["kind"] == "epoch"]
    failures = [row["message"] for row in rows if row["kind"] == "failed"]
    return {
        "run": run.name,
        "folder": str(run.folder),
        "title": recipe.title,
        "status": status,
        "epochs": len(epochs),
        "epochs_planned": recipe.training.epochs,
        "seconds": epochs[-1]["seconds"] if epochs else 0.0,
        "monitor": recipe.training.monitor,
        "best": best_row(epochs, recipe.training.monitor),
        "last": epochs[-1] if epochs else None,
        "warnings": [row["message"] for row in rows if row["kind"] == "warning"],
        "failure": failures[0] if failures else None,
    }


def facts(found: dict[str, Any]) -> list[tuple[str, str]]:
    """The outcome in words."""
    status = f"{found['status']}, {found['epochs']} of {found['epochs_planned']} epochs"
    lines = [
        ("recipe", found["title"]),
        ("status", f"{status}, {duration(found['seconds'])} of training"),
    ]
    if found["best"]:
        best, last = found["best"], found["last"]
        score = "loss" if best["validation_accuracy"] is None else "accuracy"
        lines += [
            ("best epoch", f"{best['epoch']}, by {found['monitor']} {score}: {_splits(best)}"),
            ("last epoch", f"{last['epoch']}: {_splits(last)}"),
        ]
    for figure in found.get("published", ()):
        lines += [("published", _comparison(figure)), ("", figure["source"])]
    lines += [("warning", text) for text in found["warnings"]]
    if found["failure"]:
        lines.append(("failure", found["failure"]))
    return [*lines, ("folder", found["folder"])]


def published(run: Run) -> list[dict[str, Any]]:
    """The published figures beside those of a finished run."""
    from byhand.training.reproduce import METRICS

    compared = []
    for figure in run.recipe.published if run.status == "finished" else []:
        if figure.metric not in METRICS:
            continue  # of several runs together
        ours = METRICS[figure.metric](run)
        inside = None if _changed(run.recipe) else figure.met_by(ours)
        compared.append({**figure.model_dump(), "ours": ours, "inside": inside})
    return compared


def _changed(recipe: Recipe) -> bool:
    """Whether a recipe that comes with byhand was changed in more than its seed and engine."""
    from byhand.training import all_recipes
    from byhand.training.model_tables import FROM_THE_DATA

    original = next((known for known in all_recipes() if known.title == recipe.title), recipe)
    aside = {"training": {"seed", "engine", "threads", "device", "compile", "amp"}}
    aside["model"] = FROM_THE_DATA
    return original.model_dump(exclude=aside) != recipe.model_dump(exclude=aside)


def in_words(metric: str, *values: float, word: str = "") -> str:
    """A figure as its metric is written, or two with a word between them."""
    if metric.endswith("accuracy"):
        return percent(*values, word=word)
    return f" {word} ".join(f"{value:.3g}" for value in values)


def _comparison(figure: dict[str, Any]) -> str:
    metric = figure["metric"]
    ours = f"ours {in_words(metric, figure['ours'])} ({metric.replace('_', ' ')})"
    if figure["band"] is None:
        return f"a curve without a figure; {ours}"
    accepted = f"the band {in_words(metric, *figure['band'], word='to')}"
    if figure["inside"] is None:
        verdict = f"not judged by {accepted}, as the recipe was changed"
    else:
        verdict = f"{'inside' if figure['inside'] else 'outside'} {accepted}"
    return f"{in_words(metric, figure['figure'])}; {ours}, {verdict}"


def _splits(row: dict[str, Any]) -> str:
    if text_loss(row, "test"):
        return f"validation {text_loss(row, 'validation')}, test {text_loss(row, 'test')}"
    if row["validation_accuracy"] is None:
        return f"validation loss {row['validation_loss']:.4g}, test loss {row['test_loss']:.4g}"
    return f"validation {percent(row['validation_accuracy'])}, test {percent(row['test_accuracy'])}"
