"""A web server on this machine that sends files whole, in part, cut off or from elsewhere."""

import contextlib
import hashlib
import http.server
import re
import threading


class WebServer:
    """Serves `files`, `{path: bytes}`; `requests` are the paths and ranges it was asked for.

    `cut_after` ends each answer after so many bytes, `redirects` are `{path: address}`, `status` is the answer to
    everything, and `tagged` says whether files have an ETag.
    """

    def __init__(self):
        self.files, self.requests, self.redirects = {}, [], {}
        self.cut_after, self.status, self.tagged = None, None, True
        handler = type("Handler", (_Handler,), {"site": self})
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.address = f"http://127.0.0.1:{self._server.server_port}"

    def url(self, path, hashed=False):
        digest = hashlib.sha256(self.files[path]).hexdigest() if hashed else ""
        return f"{self.address}{path}" + (f"#sha256={digest}" if hashed else "")

    @contextlib.contextmanager
    def running(self):
        thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            thread.join()
            self._server.server_close()


class _Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_GET(self):
        site = self.site
        site.requests.append((self.path, self.headers.get("Range")))
        if site.status:
            return self.send_error(site.status)
        if self.path in site.redirects:
            self.send_response(302)
            self.send_header("Location", site.redirects[self.path])
            self.send_header("Content-Length", "0")
            return self.end_headers()
        content = site.files.get(self.path)
        if content is None:
            return self.send_error(404)
        tag, start = f'"{hashlib.md5(content).hexdigest()}"', 0
        wanted = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range") or "")
        if wanted and self.headers.get("If-Range") == tag:
            start = int(wanted[1])
            if start >= len(content):
                return self.send_error(416)
            self.send_response(206)
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(len(content) - start))
        if site.tagged:
            self.send_header("ETag", tag)
        self.end_headers()
        self.wfile.write(content[start:][: site.cut_after])
