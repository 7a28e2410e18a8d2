"""Local SageMaker: endpoints (each a real serving process), training jobs (each a real process
under the in-container toolkit) and hyperparameter tuning jobs over those. `service` is its public
face.

What differs from AWS is said where it differs: `jobs.checks` (what is refused), `jobs.inputs`,
`jobs.start`, `jobs.environments`, `jobs.record` (spot), `jobs.observed` (rules) and
`tuning.optuna_search`, `tuning.warm_start`, `tuning.early_stopping`.
"""
