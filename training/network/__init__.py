"""The network: a pretrained backbone, and the head that is put on it."""
