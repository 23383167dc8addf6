"""Configuration, containers and examples for deployment. The code is in `keras_reid.serving`.

`python -m serving.server`, `serving.client` and `serving.publish` keep working from a checkout.
"""
