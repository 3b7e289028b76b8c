"""Softmax regression for scikit-learn, fast on raw data.

From the top down; imports run down this list only:

- `inference`: standard errors, tests and marginal effects of a fitted classifier
- `display`: plots of coefficients, paths, scores and convergence
- `interop`: a fitted classifier as a DataFrame or a LogisticRegression
- `_effects`: what a feature does to the probability of each class
- `_result`: what inference returns
- `_hypotheses`: tests of restrictions and of nested models
- `_display_fit`: displays of how a model was found: path, scores, convergence
- `_display_model`: displays of a model: coefficients and probabilities
- `_display_style`: how displays look
- `_tables`: estimates as a DataFrame, as text and as HTML
- `_fitted`: a fitted classifier and its data, checked for inference
- `_singular`: inverse of the information, or why there is none
- `_information`: score and information at a fitted point
- `_cross_validation`: SoftmaxClassifierCV: many folds, many C, a choice
- `_folds`: the folds, and their paths
- `_scores`: what a scorer says of coefficients on rows
- `_path`: softmax_path: many C, each fit starting at the one before
- `_grid`: the Cs of a path
- `_leave_one_out`: approximate leave-one-out from the Hessian of one fit
- `_classifier`: SoftmaxClassifier: validate, encode, solve, unpack
- `_encode`: from an estimator and its data to the problem
- `_predictor`: logits, probabilities, labels and scores of rows
- `_dask`: problems whose rows are chunks of a dask collection
- `_chunks`: dask collections as chunks of rows: checked, aligned, predicted lazily
- `_cluster`: sums over chunks, computed where dask keeps them
- `_stream`: partial_fit: what is kept of rows that pass by once
- `_next_steps`: what to do about a fit that did not end at an optimum
- `_parameters`: the estimators' parameters, checked
- `_coef_options`: factors, bounds and prior mean of the coefficients as arrays
- `_arguments`: targets, weights and offsets as the arrays of the problem
- `_labels`: labels of classes, checked, and the code of each row
- `_numeric`: arrays of numbers, checked
- `_progress`: what a fit tells scikit-learn's callbacks
- `_expansion`: rows that are gone as a second-order term of the objective
- `_separation`: classes that X tells from the others without an error
- `_solver`: the way to the optimum, by stages in good coordinates; when to stop
- `_bounded`: L-BFGS-B, where only bounds are not smooth
- `_screening`: features that may come in first, where an l1 term leaves most out
- `_proximal_newton`: working sets, where the penalty is not smooth
- `_face_search`: from face to face of the penalty, where a working set would be large
- `_direct`: Newton's method with a new Hessian at each step, where data are small
- `_newton`: Newton's steps by conjugate gradients, and the distance they verify
- `_lbfgs`: scipy.optimize's L-BFGS-B, and a stage of it in coordinates
- `_optimum`: points, how far they are from the optimum, what a fit reports
- `_proximal_model`: the quadratic model on a working set, and how far it is trusted
- `_face`: Newton's step on a face of the penalty, by conjugate gradients
- `_proximal`: the step of proximal Newton on a working set, and the set's Hessian
- `_quadratic_model`: minimum of a quadratic plus the penalty
- `_grouped_model`: that minimum for a penalty of groups' norms
- `_separable_model`: that minimum for an l1 term or bounds
- `_model_steps`: that step from a Hessian, without a pass
- `_coordinates`: the change of variables in which the Hessian is near the identity
- `_curvature`: the Hessian of the loss, whole or in part, as sums over the rows
- `_pairs`: second moments of sparse rows, from the pairs of their entries
- `_row_space`: the span of the rows, where there are fewer of them than features
- `_sample`: some of the rows, for a start near the optimum where there are many
- `_cost`: what coordinates cost, in operations and in passes
- `_conjugate_gradients`: conjugate gradients, and the least eigenvalue they see
- `_inverse_roots`: inverse roots of curvature, as far as it is known
- `_frame`: centre and scale of the features
- `_intercepts`: the best ones for given coefficients, and where a fit may start
- `_problem`: loss over the rows plus penalty at a point
- `_loss`: cross-entropy of one block of logits
- `_penalty`: the penalty and the bounds of the coefficients
- `_kinks`: the penalty's non-smooth part, in single variables and in groups
- `_products`: products of a block of rows with few vectors
- `_array_rows`: rows of foreign arrays, and the choice of the kind of rows
- `_rows`: sums over blocks of rows, for any kind of X
- `_blas`: BLAS on one thread while a fit has threads of its own
- `_array_api`: arrays of other libraries than NumPy, and the border to NumPy
"""

from ._classifier import SoftmaxClassifier
from ._cross_validation import SoftmaxClassifierCV
from ._path import SoftmaxPath, softmax_path

__all__ = ["SoftmaxClassifier", "SoftmaxClassifierCV", "SoftmaxPath", "softmax_path"]
__version__ = "0.1.0.dev0"
