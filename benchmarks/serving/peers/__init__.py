"""What users would pick instead, each serving the same model package with PyTorch.

They share one forward pass and one preprocess function, ours, so that what differs is the server.
"""
