"""Hyperparameter tuning jobs: each chooses the hyperparameters of training jobs and runs those."""
