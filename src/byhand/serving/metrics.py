"""What is counted, as OpenMetrics, and the log: one JSON object for each request."""

from __future__ import annotations

import json
import logging
import sys
import time
from dataclasses import dataclass, field
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.openmetrics.exposition import CONTENT_TYPE_LATEST, generate_latest

CONTENT_TYPE = CONTENT_TYPE_LATEST
SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
RATES = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
SIZES = (1, 2, 4, 8, 16, 32, 64)
NO_MODEL = "-"


class Metrics:
    """The counters of one ingress."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        own: dict[str, Any] = {"registry": self._registry, "namespace": "byhand"}
        model = ["model"]
        self.requests = Counter(
            "requests", "Requests that were answered or refused.", ["model", "status"], **own
        )
        self.errors = Counter("errors", "Refusals and failures, by their code.", ["code"], **own)
        self.waiting = Gauge("requests_waiting", "Requests without a token yet.", model, **own)
        self.running = Gauge("requests_running", "Requests that get tokens.", model, **own)
        self.first = Histogram(
            "time_to_first_token_seconds",
            "From the request to its first token.",
            model,
            buckets=SECONDS,
            **own,
        )
        self.tokens = Counter("tokens", "Tokens read and written.", ["model", "kind"], **own)
        self.rate = Histogram(
            "tokens_per_second", "Of a request, after its first.", model, buckets=RATES, **own
        )
        self.batch = Histogram(
            "batch_size", "Sequences in the step that made a token.", model, buckets=SIZES, **own
        )

    def text(self) -> bytes:
        """For /metrics."""
        content: bytes = generate_latest(self._registry)  # type: ignore[no-untyped-call]
        return content


@dataclass
class Watch:
    """One request, from its arrival to its end."""

    metrics: Metrics
    request_id: str
    method: str
    path: str
    began: float = field(default_factory=time.monotonic)
    model: str = NO_MODEL
    code: str | None = None
    prompt: int = 0
    counts: dict[int, int] = field(default_factory=dict)
    first: float | None = None
    asked: bool = False

    def ask(self, model: str) -> None:
        """It is given to a model."""
        self.model, self.asked = model, True
        self.metrics.waiting.labels(model).inc()

    def take(self, event: dict[str, Any]) -> None:
        """What the model says."""
        if "prompt" in event:
            self.prompt = event["prompt"]
        elif "count" in event:
            if self.first is None:
                self.first = time.monotonic()
                self.metrics.first.labels(self.model).observe(self.first - self.began)
                self.metrics.waiting.labels(self.model).dec()
                self.metrics.running.labels(self.model).inc()
            self.counts[event["index"]] = event["count"]
            self.metrics.batch.labels(self.model).observe(event["batch"])

    def end(self, status: int) -> None:
        """Count it, and put it into the log."""
        now, tokens = time.monotonic(), sum(self.counts.values())
        if self.asked:
            gauge = self.metrics.waiting if self.first is None else self.metrics.running
            gauge.labels(self.model).dec()
            self.metrics.tokens.labels(self.model, "prompt").inc(self.prompt)
            self.metrics.tokens.labels(self.model, "answer").inc(tokens)
        if self.first is not None and tokens > 1 and now > self.first:
            self.metrics.rate.labels(self.model).observe((tokens - 1) / (now - self.first))
        self.metrics.requests.labels(self.model, str(status)).inc()
        if self.code is not None:
            self.metrics.errors.labels(self.code).inc()
        said = {
            "request_id": self.request_id,
            "method": self.method,
            "path": self.path,
            "model": self.model,
            "status": status,
            "code": self.code,
            "seconds": round(now - self.began, 4),
            "first_token_seconds": None
            if self.first is None
            else round(self.first - self.began, 4),
            "prompt_tokens": self.prompt,
            "answer_tokens": tokens,
        }
        log().info(json.dumps(said, ensure_ascii=False))


def log() -> logging.Logger:
    """One JSON object a line, to stderr, which Ray keeps in a file of the ingress."""
    logger = logging.getLogger("byhand.serving.requests")
    if not logger.handlers:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(logging.Formatter("%(message)s"))
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
        logger.propagate = False
    return logger
