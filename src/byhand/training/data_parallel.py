"""One training on several processes or machines: each takes a share of every batch.

The loss is a mean over the batch, so its gradient is the mean of the shares' gradients, weighted by
their sizes:

    L = 1/n Σᵢ ℓᵢ        ∂L/∂w = Σₖ (nₖ/n) ∂Lₖ/∂w        n = Σₖ nₖ

Every worker computes its ∂Lₖ/∂w with the same parameters; here they are averaged, clipped, and one
step of the optimizer is taken. But for the order of additions that is what one process does. Only
with dropout are the numbers others: each worker draws masks of its own.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from byhand.data import Dataset
from byhand.engines import Program
from byhand.errors import InputError
from byhand.training.cluster import cluster
from byhand.training.recipe import Recipe
from byhand.training.session import compile_recipe
from byhand.training.trainer import Trainer

Array = NDArray[Any]


class Worker:
    """Gradients of its share, on the recipe's engine; an actor of Ray."""

    def __init__(self, recipe: Recipe, dataset: Dataset) -> None:
        self._program = compile_recipe(recipe, dataset)

    def gradients(
        self,
        parameters: Mapping[str, Array],
        inputs: Array,
        targets: Array,
        share: NDArray[np.int64],
        step: int,
    ) -> tuple[float, dict[str, Array]]:
        self._program.set_parameters(parameters)
        return self._program.gradients(inputs[share], targets[share], step)


class DataParallel:
    """The program `alone`, trained by workers; all but training is left to it.

    ray         the module, joined to a cluster
    workers     actors of `Worker` for the same model

    Raises      InputError where the model has statistics of the batch, of which no share has all,
                and where its state is carried from step to step
    """

    def __init__(self, alone: Program, ray: Any, workers: Sequence[Any]) -> None:
        self.description = alone.description
        model = self.description.model
        if len(model.trained) < len(model.parameters):
            raise InputError(
                "batch normalisation looks at the whole batch, of which a worker sees a share: "
                "leave --workers out, or take a model without it"
            )
        if self.description.carry_state:
            raise InputError(
                "with carry_state a step goes on from the state that the step before it left, and "
                "that is not handed from worker to worker: leave --workers out, or set "
                "training.carry_state=false"
            )
        self._alone = alone
        self._ray = ray
        self._workers = workers
        self._stored: tuple[Array, Array, Any, Any] | None = None
        self.parameters = alone.parameters
        self.set_parameters = alone.set_parameters
        self.optimizer_state = alone.optimizer_state
        self.set_optimizer_state = alone.set_optimizer_state
        self.recurrent_state = alone.recurrent_state
        self.set_recurrent_state = alone.set_recurrent_state
        self.gradients = alone.gradients
        self.evaluate = alone.evaluate
        self.predict = alone.predict
        self.predict_from = alone.predict_from
        self.activations = alone.activations

    def train(
        self,
        inputs: Array,
        targets: Array,
        order: NDArray[np.int64],
        batch_size: int,
        first_step: int,
        learning_rates: Sequence[float],
    ) -> NDArray[np.float64]:
        d = self.description
        weights = d.model.weight_names
        examples = self._store(inputs, targets)
        parameters, state = self.parameters(), self.optimizer_state()
        losses: list[float] = []
        for k, rate in enumerate(map(float, learning_rates)):
            step = first_step + k
            batch = order[k * batch_size : (k + 1) * batch_size]
            loss, gradients = self._average(parameters, examples, batch, step)
            losses.append(loss)
            if not math.isfinite(loss):
                break
            if d.clipping is not None:
                gradients = d.clipping.clip(gradients)
            parameters, state = d.optimizer.step(
                parameters, gradients, state, rate, step + 1, weights
            )
        self.set_parameters(parameters)
        self.set_optimizer_state(state)
        return np.array(losses)

    def _store(self, inputs: Array, targets: Array) -> tuple[Any, Any]:
        """The examples where every worker can read them; they are sent once."""
        if self._stored is None or self._stored[0] is not inputs or self._stored[1] is not targets:
            put = self._ray.put
            self._stored = inputs, targets, put(inputs), put(targets)
        return self._stored[2:]

    def _average(
        self,
        parameters: Mapping[str, Array],
        examples: tuple[Any, Any],
        batch: NDArray[np.int64],
        step: int,
    ) -> tuple[float, dict[str, Array]]:
        """Loss and gradients of a batch, from those of its shares."""
        count = len(self._workers)
        # A short batch may have fewer examples than there are workers.
        shares = [share for share in np.array_split(batch, count) if len(share)]
        held = self._ray.put(parameters)
        asked = [
            # A step number of its own for each worker is a dropout mask of its own.
            worker.gradients.remote(held, *examples, share, step * count + k)
            for k, (worker, share) in enumerate(zip(self._workers, shares, strict=False))
        ]
        objective = 0.0
        mean = {name: np.zeros_like(parameters[name]) for name in self.description.model.trained}
        for share, (value, gradients) in zip(shares, self._ray.get(asked), strict=True):
            weight = len(share) / len(batch)
            objective += weight * value
            for name, gradient in gradients.items():
                mean[name] += gradient * gradient.dtype.type(weight)
        return objective - self._penalty(parameters), mean

    def _penalty(self, parameters: Mapping[str, Array]) -> float:
        """What the regularizer adds to the objective, and is no part of the loss."""
        d = self.description
        if d.regularizer is None:
            return 0.0
        names = d.model.weight_names
        weights = [w for name, w in parameters.items() if name in names]
        return sum(d.regularizer.penalty(w, d.examples) for w in weights)


@contextmanager
def data_parallel(
    trainer: Trainer, recipe: Recipe, workers: int, address: str | None = None
) -> Iterator[None]:
    """Within the block the trainer trains with so many workers.

    address     of a Ray cluster, see `cluster`; without one this machine is used
    Raises      InputError where there is no Ray, where the cluster has fewer processors than the
                workers need, and for a model with batch normalisation
    """
    threads = recipe.training.threads or 1
    alone = trainer.program
    with cluster(address, threads) as ray:
        free = int(ray.cluster_resources().get("CPU", 0))
        if workers * threads > free:
            raise InputError(
                f"{workers} workers of {threads} threads need {workers * threads} processors, "
                f"the cluster has {free}: choose fewer --workers or --threads"
            )
        actor = ray.remote(num_cpus=threads)(Worker)
        own = recipe.with_training(threads=threads)
        dataset = ray.put(trainer.dataset)
        actors = [actor.remote(own, dataset) for _ in range(workers)]
        trainer.program = DataParallel(alone, ray, actors)
        try:
            yield
        finally:
            trainer.program = alone
            for each in actors:
                ray.kill(each)
