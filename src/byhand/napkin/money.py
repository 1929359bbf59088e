"""What it costs: a training of so many tokens, or a million generated tokens."""

from __future__ import annotations

from dataclasses import replace

from byhand.errors import InputError
from byhand.napkin.checks import positive
from byhand.napkin.derivation import Derivation
from byhand.napkin.inference import infer
from byhand.napkin.quantity import define, given, per
from byhand.napkin.tensors import Model
from byhand.napkin.training import Plan, train


def cost(model: Model, plan: Plan) -> Derivation:
    """Of a training where the plan has tokens; of a million generated tokens otherwise.

    Raises      InputError where the device or its price is missing, or what `train` and `infer`
                refuse.
    """
    if plan.price is None or plan.gpu is None:
        raise InputError(
            "cost: expected a device and its price; give --gpu, and --price in dollars per hour"
        )
    if plan.tokens is not None:
        return train(model, plan)
    positive("--price", plan.price)
    derivation = infer(model, plan.setting)
    if "tokens_per_second" not in derivation:
        raise InputError(
            f"cost: how fast {model.name} generates on {plan.gpu} is unknown; name a device with "
            "a known bandwidth, or give --tokens for the cost of a training"
        )
    price = given("p", plan.price, "$/device/h", "price of a device for an hour, as given")
    million = given("D", 10**6, "token", "a million tokens")
    devices = given("n", plan.devices, "device", "devices")
    hours = million / derivation["tokens_per_second"] / per("s/h", 3600)
    money = define("cost", "cost", price * devices * hours, "$", "money for a million tokens")
    title = f"{model.name}: cost of a million generated tokens"
    return replace(derivation, title=title, results=(*derivation.results, money), main="cost")
