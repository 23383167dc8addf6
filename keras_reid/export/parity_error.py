from keras_reid.errors import UserError


class ParityError(UserError):
    """An artefact does not answer as the model it was made from."""
