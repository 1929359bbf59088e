"""The loop, what it records, and where: recipes, run folders, resuming."""

from byhand.training.recipe import Recipe, all_recipes, find_recipe, read_recipe
from byhand.training.run import Run
from byhand.training.session import language_model, load_data, trained_program, trainer_for
from byhand.training.trainer import Listener, Result, Trainer

__all__ = [
    "Listener",
    "Recipe",
    "Result",
    "Run",
    "Trainer",
    "all_recipes",
    "find_recipe",
    "language_model",
    "load_data",
    "read_recipe",
    "trained_program",
    "trainer_for",
]
