"""A Hub on loopback: the few endpoints that huggingface_hub uses to create a repository, commit to it and read it."""

import base64
import contextlib
import hashlib
import http.server
import json
import re
import threading
import urllib.parse


class Hub:
    """Repositories in memory. `requests` are the calls so far; `say` may answer one in the server's place.

    `say(method, path, headers)` returns None, or `(status, body)`.
    """

    def __init__(self):
        self.repositories, self.private, self.blobs = {}, set(), {}
        self.requests, self.say = [], lambda *_: None

    def files(self, repository, revision="main"):
        """`{name: bytes}` of "main" or of a commit, whose hash is its number; None if there is no such revision."""
        commits = self.repositories[repository]
        if revision == "main":
            return commits[-1]
        number = int(revision, 16) if re.fullmatch(r"[0-9a-f]{40}", revision) else len(commits)
        return commits[number] if number < len(commits) else None


@contextlib.contextmanager
def running():
    """Yields a `Hub` with its `url`."""
    hub = Hub()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": hub}))
    hub.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        self._handle()

    do_HEAD = do_POST = do_PUT = do_GET

    def _handle(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = urllib.parse.unquote(self.path.partition("?")[0])
        self.hub.requests.append((self.command, path))
        said = self.hub.say(self.command, path, self.headers)
        if said:
            return self._send(*said)
        for method, pattern, answer in _ROUTES:
            found = re.fullmatch(pattern, path)
            if found and self.command in method:
                return answer(self, body, **found.groupdict())
        return self._send(404, {"error": f"no endpoint {self.command} {path}"})

    def _send(self, status, body=b"", headers=()):
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in dict(headers).items():
            self.send_header(name, value)
        if "Content-Length" not in dict(headers):
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def _missing(self, what):
        self._send(404, {"error": f"{what} not found"}, {"X-Error-Code": what})

    def create(self, body):
        wanted = json.loads(body)
        name = f"{wanted['organization']}/{wanted['name']}"
        if name in self.hub.repositories:
            return self._send(
                409, {"error": "You already created this model repo", "url": f"{self.hub.url}/{name}"}
            )
        self.hub.repositories[name] = [{".gitattributes": b"*.keras filter=lfs\n"}]
        if wanted.get("visibility") == "private":
            self.hub.private.add(name)
        return self._send(200, {"url": f"{self.hub.url}/{name}", "name": name})

    def validate(self, body):
        return self._send(200, {"errors": [], "warnings": []})

    def preupload(self, body, repository, revision):
        if repository not in self.hub.repositories:
            return self._missing("RepoNotFound")
        files = [
            {
                "path": file["path"],
                "uploadMode": "lfs" if file["path"].endswith((".keras", ".onnx")) else "regular",
                "shouldIgnore": False,
            }
            for file in json.loads(body)["files"]
        ]
        return self._send(200, {"files": files})

    def batch(self, body, repository):
        objects = [
            {
                **one,
                "actions": {"upload": {"href": f"{self.hub.url}/upload/{one['oid']}", "header": {}}},
            }
            for one in json.loads(body)["objects"]
        ]
        return self._send(200, {"transfer": "basic", "objects": objects})

    def upload(self, body, digest):
        if hashlib.sha256(body).hexdigest() != digest:
            return self._send(400, {"error": "wrong hash"})
        self.hub.blobs[digest] = body
        return self._send(200)

    def commit(self, body, repository, revision):
        files = dict(self.hub.files(repository))
        for line in body.splitlines():
            entry = json.loads(line)
            value = entry["value"]
            if entry["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif entry["key"] == "lfsFile":
                files[value["path"]] = self.hub.blobs[value["oid"]]
            elif entry["key"] == "deletedFile":
                files.pop(value["path"])
        self.hub.repositories[repository].append(files)
        oid = f"{len(self.hub.repositories[repository]) - 1:040x}"
        return self._send(
            200, {"commitUrl": f"{self.hub.url}/{repository}/commit/{oid}", "commitOid": oid, "success": True}
        )

    def info(self, _, repository, revision):
        if repository not in self.hub.repositories:
            return self._missing("RepoNotFound")
        names = sorted(self.hub.files(repository, revision or "main"))
        sha = f"{len(self.hub.repositories[repository]) - 1:040x}"
        return self._send(
            200,
            {
                "id": repository,
                "sha": sha,
                "private": repository in self.hub.private,
                "siblings": [{"rfilename": name} for name in names],
            },
        )

    def resolve(self, _, repository, revision, name):
        if repository not in self.hub.repositories:
            return self._missing("RepoNotFound")
        files = self.hub.files(repository, revision)
        if files is None:
            return self._missing("RevisionNotFound")
        if name not in files:
            return self._missing("EntryNotFound")
        content = files[name]
        if name.endswith((".keras", ".onnx")):
            etag = hashlib.sha256(content).hexdigest()
        else:
            etag = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
        commit = revision if len(revision) == 40 else f"{len(self.hub.repositories[repository]) - 1:040x}"
        headers = {"ETag": f'"{etag}"', "X-Repo-Commit": commit, "Content-Length": str(len(content))}
        return self._send(200, content, headers)


_REPOSITORY = r"(?P<repository>[^/]+/[^/]+)"
_ROUTES = (
    ("POST", "/api/repos/create", _Handler.create),
    ("POST", "/api/validate-yaml", _Handler.validate),
    ("POST", rf"/api/models/{_REPOSITORY}/preupload/(?P<revision>[^/]+)", _Handler.preupload),
    ("POST", rf"/api/models/{_REPOSITORY}/commit/(?P<revision>[^/]+)", _Handler.commit),
    ("POST", rf"/{_REPOSITORY}\.git/info/lfs/objects/batch", _Handler.batch),
    ("PUT", "/upload/(?P<digest>[0-9a-f]+)", _Handler.upload),
    ("GET", rf"/api/models/{_REPOSITORY}(/revision/(?P<revision>[^/]+))?", _Handler.info),
    ("GET HEAD", rf"/{_REPOSITORY}/resolve/(?P<revision>[^/]+)/(?P<name>.+)", _Handler.resolve),
)
