"""Our rules, one module each, on smdebug's Rule. Importing this imports smdebug."""

from training.debugger.rules.base import StepRule
from training.debugger.rules.dead_relu import DeadRelu
from training.debugger.rules.exploding_tensor import ExplodingTensor
from training.debugger.rules.loss_not_decreasing import LossNotDecreasing
from training.debugger.rules.overfit import Overfit
from training.debugger.rules.overtraining import Overtraining
from training.debugger.rules.poor_weight_initialization import PoorWeightInitialization
from training.debugger.rules.vanishing_gradient import VanishingGradient

CLASSES: dict[str, type[StepRule]] = {
    rule.__name__: rule
    for rule in (
        VanishingGradient,
        Overfit,
        Overtraining,
        PoorWeightInitialization,
        LossNotDecreasing,
        ExplodingTensor,
        DeadRelu,
    )
}
