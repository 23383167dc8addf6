"""The server's Prometheus metrics."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

UNKNOWN = "unknown"


class Metrics:
    """The metrics of one server. Labels have few values: unknown model names are not used as labels.

    | metric | labels |
    |---|---|
    | `serving_requests_total` | protocol, method, model, code |
    | `serving_request_seconds` | protocol, method |
    | `serving_rows_total` | model |
    | `serving_batch_rows`: rows of the batches that ran, without padding | model |
    | `serving_queue_rows`, `serving_active_requests` | |
    | `serving_model_version`: 1 while a version is served | model, version |
    | `serving_load_seconds` | model |
    | `serving_load_failures_total`: versions that could not be loaded | model |
    """

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self.requests = Counter(
            "serving_requests", "Requests", ["protocol", "method", "model", "code"], registry=registry
        )
        self.seconds = Histogram(
            "serving_request_seconds",
            "Time from the first byte to the answer",
            ["protocol", "method"],
            buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30),
            registry=registry,
        )
        self.rows = Counter("serving_rows", "Rows that were answered", ["model"], registry=registry)
        self.batch_rows = Histogram(
            "serving_batch_rows",
            "Rows of a batch",
            ["model"],
            buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256),
            registry=registry,
        )
        self.queue_rows = Gauge("serving_queue_rows", "Rows that wait for a batch", registry=registry)
        self.active = Gauge("serving_active_requests", "Requests being served", registry=registry)
        self.versions = Gauge(
            "serving_model_version", "Versions served", ["model", "version"], registry=registry
        )
        self.load_seconds = Histogram(
            "serving_load_seconds",
            "Time to load and warm up a version",
            ["model"],
            buckets=(1, 2, 5, 10, 20, 50, 100),
            registry=registry,
        )
        self.load_failures = Counter(
            "serving_load_failures", "Versions that could not be loaded", ["model"], registry=registry
        )

    def text(self) -> bytes:
        """The metrics in Prometheus' text format."""
        return generate_latest(self.registry)
