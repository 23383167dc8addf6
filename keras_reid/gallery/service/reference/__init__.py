"""`/docs`: the OpenAPI description as a page, without script, from files of the package."""
