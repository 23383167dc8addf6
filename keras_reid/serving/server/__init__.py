"""A server with the same REST and gRPC interfaces as TensorFlow Serving, for machines without it.

`keras-reid serve MODEL_DIR` serves a SavedModel, or a folder of its numbered versions. Libraries
implement the protocols (Starlette on uvicorn, grpcio with TensorFlow Serving's own messages), and TensorFlow computes.
This package maps requests to signatures, batches rows, and watches the folder for new versions.

| module | what it does |
|---|---|
| `__main__`, `options`, `listening`, `application` | the command; start and stop everything |
| `model_config`, `batching_config` | read TensorFlow Serving's configuration files |
| `repository`, `served_version`, `loaded_model`, `warmup`, `left_behind` | versions on disk, loading, hot reload |
| `uploads`, `http_bodies`, `admission` | receive requests and limit their number |
| `request_images`, `turns`, `batcher` | compute the answer to a request's tensors |
| `tensors`, `json_inputs`, `json_pixels`, `json_outputs`, `proto_tensors` | check and convert tensors in messages |
| `rest`, `rpc`, `http_protocol`, `messages`, `metrics`, `serving_error` | the protocols, metrics and errors |
"""
