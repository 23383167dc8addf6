from keras_reid.utils.errors import UserError


class ParityError(UserError):
    """An artefact does not give the embeddings of its model."""
