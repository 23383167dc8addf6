"""The service's Prometheus metrics. No label holds a name, a number of an identity, or an address."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_SECONDS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60)


class Metrics:
    """The metrics of one process.

    | metric | labels |
    |---|---|
    | `gallery_requests_total` | endpoint: the route's pattern; status |
    | `gallery_request_seconds` | endpoint |
    | `gallery_refused_total`: early | reason: name, rate, token, busy |
    | `gallery_embedding_seconds`, `gallery_waiting_requests`, `gallery_event_streams` | |
    | `gallery_webhook_deliveries_total` | result: delivered, failed |
    """

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self.requests = Counter("gallery_requests", "Requests", ["endpoint", "status"], registry=registry)
        self.seconds = Histogram(
            "gallery_request_seconds", "Time of a request", ["endpoint"], buckets=_SECONDS, registry=registry
        )
        self.refused = Counter("gallery_refused", "Requests refused early", ["reason"], registry=registry)
        self.embedding = Histogram(
            "gallery_embedding_seconds", "Time to embed an image", buckets=_SECONDS, registry=registry
        )
        self.waiting = Gauge("gallery_waiting_requests", "Requests in progress", registry=registry)
        self.streams = Gauge("gallery_event_streams", "Open streams of events", registry=registry)
        self.deliveries = Counter(
            "gallery_webhook_deliveries", "Events sent to webhooks", ["result"], registry=registry
        )

    def text(self) -> bytes:
        """The metrics in Prometheus' text format."""
        return generate_latest(self.registry)
