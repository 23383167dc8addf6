"""What a calibration may be asked for."""

from keras_reid.utils.errors import UserError


def check_options(prior, false_positive_rate, same_above, different_below):
    """Refuses options that have no meaning.

    Raises:
        UserError: one is not between 0 and 1, or the two bands of the verdict overlap.
    """
    if prior is not None:
        check_prior(prior)
    if not 0 < false_positive_rate < 1:
        raise UserError(
            "the false-positive rate is a share of different pairs and must lie between 0 and 1. "
            f"Received: {false_positive_rate}. Usual is 0.001."
        )
    if not 0 < different_below < same_above < 1:
        raise UserError(
            "the verdicts' probabilities must be 0 < different_below < same_above < 1. "
            f"Received: different_below={different_below}, same_above={same_above}."
        )


def check_prior(prior):
    """The prior, if it is one.

    Raises:
        UserError: it is not between 0 and 1.
    """
    if not 0 < prior < 1:
        raise UserError(
            f"the prior is the share of same pairs and must lie between 0 and 1. Received: {prior}."
        )
    return prior
