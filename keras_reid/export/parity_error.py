from keras_reid.utils.errors import UserError


class ParityError(UserError):
    """An artefact does not answer as the model it was made from."""
