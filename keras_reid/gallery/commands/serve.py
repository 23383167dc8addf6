"""`keras-reid gallery serve --model M --store S`: the gallery as a service."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import importlib.util
import logging
import math
import os
import sys
from pathlib import Path
from typing import Annotated, Literal

import tyro

from keras_reid.gallery.service.addresses import Addresses, is_loopback
from keras_reid.gallery.service.hosts import Hosts
from keras_reid.gallery.service.limits import Limits
from keras_reid.gallery.service.page.zones import time_zone
from keras_reid.utils import command_line
from keras_reid.utils.errors import UserError
from keras_reid.utils.fetch_options import AcceptLicence, Offline
from keras_reid.utils.trust_option import TrustCode
from keras_reid.zoo.resolving import resolved

_PACKAGES = ("starlette", "uvicorn", "httptools", "prometheus_client", "urllib3", "python_multipart")
_PATIENCE = 5.0  # seconds that a request waits for a database that is away


@dataclasses.dataclass(frozen=True)
class Serve:
    """Serve a gallery: a page for people, and REST for programs (/docs describes it).

    Without tokens the service listens on loopback only, and whoever reaches it there may do everything. Make a token
    with `keras-reid gallery token add`, and it may listen elsewhere: put a proxy with TLS before it. Several processes
    may serve one store. The first line on standard output is JSON with the address.
    """

    model: str | None = None
    """the run directory (runs/NAME), .keras file or published model that the store's embeddings come from"""
    embed: str | None = None
    """instead of --model: a model server that embeds, http://HOST:8501/v1/models/NAME, perhaps with /versions/N. The
    version is pinned, and its fingerprint must be that of the store's model"""
    store: str = "gallery-store"
    """folder of the store, which is made if it is missing, or postgresql://USER@HOST/DATABASE"""
    host: str = "127.0.0.1"
    """address to listen on; another one than loopback needs a token in the store"""
    port: int = 8600
    """port; 0: any free one"""
    origin: tuple[str, ...] = ()
    """under which addresses browsers reach the service, such as https://gallery.example.org; loopback's always count.
    Requests for other names, and from pages of other sites, are refused"""
    trusted_proxy: tuple[str, ...] = ()
    """addresses or networks of proxies whose X-Forwarded-For and X-Forwarded-Proto count"""
    keep: Literal["images", "thumbnails", "nothing"] = "thumbnails"
    """what to keep of images that are enrolled"""
    zone: str = "UTC"
    """time zone of the page, such as Europe/Berlin"""
    key: Path | None = None
    """the key that signs receipts, made if it is missing; by default it lies beside the folder of the store"""
    webhook: tuple[str, ...] = ()
    """https:// addresses that the events of the watch list are sent to, signed, without names"""
    webhook_secret: Path | None = None
    """file with the secret that signs them, of at least 32 characters; by default it is in the environment variable
    KERAS_REID_WEBHOOK_SECRET"""
    private_webhook_host: tuple[str, ...] = ()
    """hosts of webhooks that may have a private address, and may be http://"""
    ready_file: Path | None = None
    """file to write with the same JSON line when the service is ready; removed when it stops"""
    limits: Annotated[Limits, tyro.conf.arg(name="")] = dataclasses.field(default_factory=Limits)
    offline: Offline = False
    accept_licence: AcceptLicence = False
    trust_code: TrustCode = False

    def check(self) -> None:
        """Raises a `UserError` for mistakes that can be found without loading anything."""
        if (self.model is None) == (self.embed is None):
            raise UserError("give either --model or --embed")
        if not 0 <= self.port < 65536:
            raise UserError(f"--port must be 0 to 65535. Received: {self.port}")
        for field in dataclasses.fields(self.limits):
            value = getattr(self.limits, field.name)
            if not 0 < value < math.inf:
                raise UserError(
                    f"--{field.name.replace('_', '-')} must be above 0, and finite. Received: {value}"
                )
        time_zone(self.zone)
        Hosts.of(self.origin, self.port)
        Addresses.of(self.trusted_proxy)
        if self.webhook_secret is not None and not self.webhook_secret.is_file():
            raise UserError(f"--webhook-secret: there is no file {self.webhook_secret}")

    def secret(self) -> str:
        """The secret of the webhooks, which no message repeats."""
        from keras_reid.gallery.service.webhooks import check_secret

        if self.webhook_secret is not None:
            return check_secret(self.webhook_secret.read_text(encoding="utf-8"))
        return check_secret(os.environ.get("KERAS_REID_WEBHOOK_SECRET", ""))


def main(arguments: list[str]) -> None:
    options = command_line.parse(
        Serve, arguments, prog="keras-reid gallery serve", config=(tyro.conf.FlagCreatePairsOff,)
    )
    options.check()
    missing = [name for name in _PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise UserError(
            f"the service needs {', '.join(missing)}, which is not installed: pip install 'keras_reid[gallery]'"
        )
    from keras_reid.gallery.opening import check_store
    from keras_reid.gallery.postgres import tokens
    from keras_reid.gallery.postgres.store import PostgresStore
    from keras_reid.utils.model_file import find_model_file

    targets = []
    if options.webhook:
        from keras_reid.gallery.service.webhooks import Target

        targets = [Target.of(one, options.private_webhook_host) for one in options.webhook]
        options.secret()
    check_store(options.store)
    if options.model is not None:
        options = resolved(options, "model")
        find_model_file(options.model)
    from keras_reid.serving.server.listening import bound

    with contextlib.closing(bound(options.host, options.port, "--port")) as listener:
        logging.basicConfig(
            stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s"
        )
        logging.getLogger("uvicorn.error").setLevel(logging.ERROR)  # no line for every bad request
        if not is_loopback(options.host):  # before the model is loaded, which takes seconds
            with PostgresStore(options.store, create=False) as store:
                _check_tokens(store.database.run(tokens.all_rows), options)
        embed, identity, calibration = _embedder(options)
        with PostgresStore(options.store, identity, patience=_PATIENCE) as store:
            known = store.database.run(tokens.all_rows)
            _check_tokens(known, options)
            from keras_reid.gallery.service.access import Access
            from keras_reid.gallery.service.application import application
            from keras_reid.gallery.service.events import EventFeed
            from keras_reid.gallery.service.operations import OpenGallery
            from keras_reid.gallery.service.page.routes import routes
            from keras_reid.gallery.service.running import Service
            from keras_reid.gallery.service.server import serve

            port = listener.getsockname()[1]
            gallery = OpenGallery(
                store,
                embed,
                calibration,
                embed.image_size,
                options.keep,
                key=options.key,
                pixels=getattr(embed, "pixels", None),
            )
            service = Service(
                gallery,
                Access(store, with_tokens=bool(known)),
                Hosts.of(options.origin, port),
                Addresses.of(options.trusted_proxy),
                options.limits,
            )
            feed = EventFeed(store)
            webhooks = None
            if targets:
                from keras_reid.gallery.service.webhooks import Webhooks

                webhooks = Webhooks(store, targets, options.secret(), feed, service.metrics)
            host = f"[{options.host}]" if ":" in options.host else options.host
            about = {"url": f"http://{host}:{port}", "store": store.name, "tokens": bool(known)}
            asyncio.run(
                serve(
                    application(service, feed, routes(time_zone(options.zone)), webhooks),
                    feed,
                    listener,
                    options.limits.idle_seconds,
                    options.ready_file,
                    about,
                )
            )


def _embedder(options):
    """What embeds images, what a store knows of its model, and its calibration."""
    if options.embed is not None:
        from keras_reid.gallery.service.served_model import ServedModel

        served = ServedModel(options.embed)
        return served, served.identity, served.calibration
    from keras_reid.gallery.store_model import embedder_of

    embedder, identity, calibration = embedder_of(options.model, options.trust_code)
    embedder.warm_up()
    return embedder, identity, calibration


def _check_tokens(known, options):
    if not known and not is_loopback(options.host):
        raise UserError(
            f"without tokens the service listens on loopback only. Received: --host {options.host}. Make a token: "
            f"keras-reid gallery token add NAME --role admin --file FILE --store {options.store}"
        )
