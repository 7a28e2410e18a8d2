"""What a job says about its model: metrics, plots, reports."""
