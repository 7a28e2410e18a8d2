"""From a trained network to the model package that an endpoint serves."""
