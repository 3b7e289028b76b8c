"""Softmax regression for scikit-learn, fast on raw data.

From the top down; imports run down this list only:

- `_classifier`: SoftmaxClassifier: validate, encode, solve, unpack
- `_solver`: scipy.optimize in good coordinates; when to stop; what to report
- `_coordinates`: the change of variables in which the Hessian is near the identity
- `_problem`: loss over the rows plus penalty at a point
- `_loss`: cross-entropy of one block of logits
- `_penalty`: what the coefficients cost
- `_rows`: any X as a sum over row blocks
"""

from ._classifier import SoftmaxClassifier

__all__ = ["SoftmaxClassifier"]
__version__ = "0.1.0.dev0"
