"""The process that puts a load on a server for `benchmarks/serving.py`, as lean as Python allows.

Reads a line of JSON: `protocol` ("rest" or "grpc"), `host`, `port`, `path` (REST), `bodies` (files with requests ready
to send), `clients`, and either `warmup` and `seconds` (of measuring) or `requests`. Prints a line of JSON. Ends early
if its standard input is closed.
"""

import asyncio
import json
import pathlib
import sys
import time

import numpy as np

_CHANNELS = 4  # HTTP/2 connections that the gRPC clients share


class Tally:
    """Counts what all clients have done."""

    def __init__(self, order):
        self.start = time.perf_counter() + order.get("warmup", 0)
        self.end = self.start + order["seconds"] if order.get("seconds") else float("inf")
        self.left = order.get("requests") or float("inf")
        self.milliseconds, self.answered, self.failed, self.failures = [], 0, 0, {}
        self.stopped, self.cpu = False, time.process_time()

    def another(self):
        """Whether a client may send another request."""
        if self.stopped or self.left <= 0 or time.perf_counter() > self.end:
            return False
        self.left -= 1
        return True

    def add(self, start, failure=None):
        now = time.perf_counter()
        self.answered += 1
        if failure:
            self.failed += 1
            self.failures[failure] = self.failures.get(failure, 0) + 1
        elif self.start <= now <= self.end:
            self.milliseconds.append(1e3 * (now - start))


async def rest_client(order, bodies, number, tally):
    """One client, which sends a request, waits for the answer and repeats, on one connection."""
    head = f"POST {order['path']} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: "
    requests = [head.encode() + str(len(body)).encode() + b"\r\n\r\n" + body for body in bodies]
    reader = writer = None
    while tally.another():
        number += 1
        start, failure = time.perf_counter(), None
        try:
            if writer is None:
                reader, writer = await asyncio.open_connection(order["host"], order["port"], limit=1 << 20)
            writer.write(requests[number % len(requests)])
            header = (await reader.readuntil(b"\r\n\r\n")).lower()
            length = int(header.split(b"content-length:")[1].split(b"\r\n")[0])
            body = await reader.readexactly(length)
            if header[9:12] != b"200":
                failure = f"{header[9:12].decode()} {body[:200]!r}"
            if b"connection: close" in header:
                writer = writer.close()
        except (OSError, EOFError, IndexError) as error:
            failure, writer = repr(error), None
        tally.add(start, failure)
        if failure:
            await asyncio.sleep(0.01)
    if writer is not None:
        writer.close()


async def grpc_client(method, bodies, number, tally):
    import grpc

    while tally.another():
        number += 1
        start, failure = time.perf_counter(), None
        try:
            await method(bodies[number % len(bodies)])
        except grpc.aio.AioRpcError as error:
            failure = f"{error.code().name} {error.details()[:200]}"
        tally.add(start, failure)
        if failure:
            await asyncio.sleep(0.01)


async def run(order):
    bodies = [pathlib.Path(file).read_bytes() for file in order["bodies"]]
    tally, channels = Tally(order), []
    if order["protocol"] == "rest":
        clients = [rest_client(order, bodies, number, tally) for number in range(order["clients"])]
    else:
        import grpc

        channels = [
            grpc.aio.insecure_channel(
                f"{order['host']}:{order['port']}", options=[("grpc.use_local_subchannel_pool", 1)]
            )
            for _ in range(min(_CHANNELS, order["clients"]))
        ]
        methods = [
            channel.unary_unary("/tensorflow.serving.PredictionService/Predict") for channel in channels
        ]
        clients = [
            grpc_client(methods[number % len(methods)], bodies, number, tally)
            for number in range(order["clients"])
        ]
    loop = asyncio.get_running_loop()

    def stop():
        tally.stopped = True
        loop.remove_reader(sys.stdin)

    loop.add_reader(sys.stdin, stop)
    await asyncio.gather(*clients)
    for channel in channels:
        await channel.close()
    return tally


def main():
    order = json.loads(sys.stdin.readline())
    tally = asyncio.run(run(order))
    spent = min(time.perf_counter(), tally.end) - tally.start
    times = np.array(tally.milliseconds or [np.nan])
    p50, p95, p99 = np.percentile(times, (50, 95, 99))
    print(
        json.dumps(
            {
                "requests": len(tally.milliseconds),
                "failed": tally.failed,
                "failures": tally.failures,
                "images_per_second": len(tally.milliseconds) / spent,
                "p50_ms": p50,
                "p95_ms": p95,
                "p99_ms": p99,
                "answered": tally.answered,
                "load_cpu_ms": 1e3 * (time.process_time() - tally.cpu) / max(tally.answered, 1),
            }
        )
    )


if __name__ == "__main__":
    main()
