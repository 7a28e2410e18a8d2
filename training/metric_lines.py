"""The metric lines of the training job, and the expressions that read them back.

SageMaker finds a job's metrics by running regular expressions over its log. The lines are written
and the expressions are kept here, side by side, so that they cannot drift apart. This module
imports nothing: launchers and the local cloud read it in environments without torch.
"""

# Metric name -> regular expression, the MetricDefinitions of a training or tuning job.
METRIC_DEFINITIONS = {
    "train:loss": r"train:loss=([0-9.]+)",
    "train:accuracy": r"train:accuracy=([0-9.]+)",
    "validation:loss": r"validation:loss=([0-9.]+)",
    "validation:accuracy": r"validation:accuracy=([0-9.]+)",
    "test:accuracy": r"test:accuracy=([0-9.]+)",
    "test:top5": r"test:top5=([0-9.]+)",
}

# What a tuner maximises. SageMaker takes the last value that a job printed, so the job's last line
# repeats the value of the epoch whose weights it keeps.
OBJECTIVE = "validation:accuracy"


def epoch_line(
    epoch: int, train_loss: float, train_accuracy: float, loss: float, accuracy: float
) -> str:
    """The line of one epoch (the first is 1); `loss` and `accuracy` are the validation's.

    Losses are mean cross-entropies in nats, accuracies run from 0 to 1.
    """
    return (
        f"epoch={epoch} train:loss={train_loss:.4f} train:accuracy={train_accuracy:.4f} "
        f"validation:loss={loss:.4f} validation:accuracy={accuracy:.4f}"
    )


def final_lines(loss: float, accuracy: float, test_accuracy: float, test_top5: float) -> str:
    """The last lines: the test's metrics, then the kept epoch's validation metrics once more."""
    return (
        f"test:accuracy={test_accuracy:.4f} test:top5={test_top5:.4f}\n"
        f"validation:loss={loss:.4f} validation:accuracy={accuracy:.4f}"
    )
