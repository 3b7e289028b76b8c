"""What a fit tells scikit-learn's callbacks, where its version has them.

A fit is a tree of tasks. Each begins and ends with a call of the callbacks' hooks,
and the last may ask that those after it be left undone.
"""

from functools import wraps

import sklearn

try:
    from sklearn.callback import CallbackSupportMixin, with_callbacks
except ImportError:  # before scikit-learn 1.9

    class CallbackSupportMixin:
        """No callbacks."""

    def with_callbacks(method):
        """No callbacks, but as many frames: warnings count them."""

        @wraps(method)
        def same_method(*args, **kwargs):
            return method(*args, **kwargs)

        return same_method


class Task:
    """A task of a fit that has begun.

    Parameters
    ----------
    estimator : estimator, default=None
        None is a task that nobody follows.
    context : sklearn.callback.CallbackContext, default=None
    data : dict, default=None
        X, y and metadata, as the hooks may ask for them.

    Attributes
    ----------
    followed : bool
    """

    def __init__(self, estimator=None, context=None, data=None):
        self.estimator, self.context, self.data = estimator, context, data
        self.followed = context is not None
        if self.followed:
            context.call_on_fit_task_begin(estimator=estimator, **data)

    def subtask(self, name, *, number=None, n_subtasks=0, data=None):
        """Begin a part of this task; those of several at a time are numbered."""
        if not self.followed:
            return self
        context = self.context.subcontext(name, number, max_subtasks=n_subtasks)
        return Task(self.estimator, context, data or self.data)

    def end(self, attributes=None):
        """Whether a callback asks to leave the tasks after this one undone.

        `attributes`, or what it returns when called, are those of an estimator that
        could predict as if the fit ended here.
        """
        if not self.followed:
            return False
        return self.context.call_on_fit_task_end(
            estimator=self.estimator, reconstruction_attributes=attributes, **self.data
        )


def begin_fit(estimator, X, y, sample_weight, n_subtasks=None, parallel=False):
    """The task of a fit, in a method that has `with_callbacks`."""
    if not hasattr(estimator, "_skl_callbacks"):
        return Task()
    context = estimator._init_callback_context(
        max_subtasks=n_subtasks, sequential_subtasks=not parallel
    )
    return Task(estimator, context, fit_data(X, y, sample_weight))


def set_callbacks(estimator, callbacks):
    """Set the callbacks of an estimator."""
    if len(callbacks) == 0:
        return
    if not hasattr(estimator, "set_callbacks"):
        raise ValueError(
            f"callbacks={callbacks!r} need scikit-learn 1.9 or later, this is "
            f"{sklearn.__version__}. verbose=1 prints a line for each fit."
        )
    estimator.set_callbacks(*callbacks)


def fit_data(X, y, sample_weight):
    """As the hooks may ask for it; scorers know no offset."""
    metadata = None if sample_weight is None else {"sample_weight": sample_weight}
    return {"X": X, "y": y, "metadata": metadata}


class Rounds:
    """The rounds of the solver as subtasks of a fit.

    Like LogisticRegression's iterations, one begins when the last has ended, and the
    last of all may have nothing to do.

    Parameters
    ----------
    task : Task
    attributes : callable
        From theta to the attributes of an estimator that could predict.

    Attributes
    ----------
    stopped : bool
        Whether a callback asked for it.
    """

    def __init__(self, task, attributes):
        self.task, self.attributes = task, attributes
        self.current, self.stopped = task.subtask("round"), False

    def __call__(self, theta):
        """End a round; whether it is to be the last."""
        self.stopped = self.current.end(lambda: self.attributes(theta))
        if not self.stopped:
            self.current = self.task.subtask("round")
        return self.stopped

    def close(self, theta):
        """End what is left, and the fit."""
        if not self.stopped:
            self.current.end(lambda: self.attributes(theta))
        self.task.end(lambda: self.attributes(theta))
