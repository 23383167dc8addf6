"""The gallery's service: `keras-reid gallery serve`.

| module | what it does |
|---|---|
| `operations/`, `records` | what can be done, with the rights of the caller checked; what goes in and comes out |
| `callers`, `access`, `hosts`, `addresses`, `rates`, `limits`, `pixels` | who asks, from where, how often, how much |
| `application`, `running`, `server` | what every request passes through; what a process shares; start and stop |
| `api`, `openapi`, `schemas`, `forms`, `fields` | the REST API, its description, how bodies are read |
| `reference/` | the description as a page, `/docs` |
| `events`, `webhooks` | the watch list's news, as a stream and by POST |
| `served_model` | embeddings by a model server |
| `page/` | the page for people |
| `metrics`, `service_error` | Prometheus metrics; how a request is refused |
"""
