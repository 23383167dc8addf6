"""The ways of training and testing that only some runs take."""
