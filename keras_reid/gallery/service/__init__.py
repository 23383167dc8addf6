"""The gallery's service: `keras-reid gallery serve`. REST for programs, and a page for people.

| module | what it does |
|---|---|
| `operations`, `records` | what both the API and the page can do, with the rights of the caller checked |
| `callers`, `service_error` | who asks, and how a request is refused |
"""
