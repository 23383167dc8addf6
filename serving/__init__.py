"""Serving over the network: a server for exported SavedModels, clients, and configuration of TensorFlow Serving."""
