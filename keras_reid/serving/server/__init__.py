"""A server for machines without TensorFlow Serving, which speaks the same REST and gRPC.

`python -m keras_reid.serving.server MODEL_DIR` serves a SavedModel, or a folder of numbered versions of one.
Libraries do the protocols (Starlette on uvicorn, grpcio with TensorFlow Serving's own messages) and TensorFlow
computes; what is here maps requests to signatures, batches rows, and watches the folder for new versions.

| module | what it does |
|---|---|
| `__main__`, `options`, `application` | the command; starts and stops everything |
| `model_config`, `batching_config` | read TensorFlow Serving's configuration files |
| `repository`, `served_version`, `loaded_model`, `warmup`, `left_behind` | versions on disk, loading, hot reload |
| `uploads`, `http_bodies`, `admission` | what arrives, and who gets a place |
| `decoding`, `turns`, `batcher` | from a request's tensors to its answer |
| `tensors`, `json_inputs`, `json_outputs`, `proto_tensors` | what a request may hold, in JSON and protobuf |
| `rest`, `rpc`, `http_protocol`, `messages`, `metrics`, `errors` | the protocols, what is counted and refused |
"""
