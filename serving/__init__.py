"""The endpoint: one ASGI application, the one preprocess function, the model package format."""
