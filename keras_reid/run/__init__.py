"""How a run is done. `execute.run` reads from top to bottom:

    stages        check what only some experiments ask for: distillation, adaptation, partial images
    environment   devices, precision, seed
    data          the sets are listed; then every image is checked
    model         the backbone; the models and data of the stages; later the whole model, compiled
    data          training batches
    train         until the last epoch, with evaluations and checkpoints
    results       model, report, metrics

A file uses only those after it: session → execute → stages → train → results → model → data → environment.
Importing this package imports no Keras.
"""

from keras_reid.run.model import build_model, compile_model

__all__ = ["build_model", "compile_model"]
