"""Descriptions of what this package has.

Each has the name and the arguments of what it describes, except those arguments that only imported weights need. They
are generated from the components themselves; only `optimization`, in the terms of a recipe, is written by hand.
"""

from keras_reid.experiment.component import Backbone as Backbone
from keras_reid.experiment.components import backbones, heads, losses, optimization, pooling
from keras_reid.experiment.components.backbones import *  # noqa: F403
from keras_reid.experiment.components.heads import *  # noqa: F403
from keras_reid.experiment.components.losses import *  # noqa: F403
from keras_reid.experiment.components.optimization import *  # noqa: F403
from keras_reid.experiment.components.pooling import *  # noqa: F403

__all__ = []
__all__ += backbones.__all__
__all__ += heads.__all__
__all__ += losses.__all__
__all__ += optimization.__all__
__all__ += pooling.__all__
