"""What a fit tells scikit-learn's callbacks, which there are from version 1.9 on.

A fit is a tree of tasks. The callbacks' hooks are called where a task begins and
where it ends, and the latter may ask to skip the tasks after it.
"""

from functools import wraps

import sklearn

try:
    from sklearn.callback import CallbackSupportMixin, with_callbacks
except ImportError:  # before scikit-learn 1.9

    class CallbackSupportMixin:
        """No callbacks."""

    def with_callbacks(method):
        """No callbacks, but the same call depth, which warnings' stacklevel counts."""

        @wraps(method)
        def same_method(*args, **kwargs):
            return method(*args, **kwargs)

        return same_method


class Task:
    """A task of a fit that has begun.

    Parameters
    ----------
    estimator : estimator, default=None
        None where there are no callbacks; then nothing is called.
    context : sklearn.callback.CallbackContext, default=None
    data : dict, default=None
        X, y and metadata, as the hooks may ask for them.

    Attributes
    ----------
    followed : bool
        Whether there are callbacks.
    """

    def __init__(self, estimator=None, context=None, data=None):
        self.estimator, self.context, self.data = estimator, context, data
        self.followed = context is not None
        if self.followed:
            context.call_on_fit_task_begin(estimator=estimator, **data)

    def subtask(self, name, *, number=None, n_subtasks=0, data=None):
        """Begin a part of this task; parts that run in parallel have a number."""
        if not self.followed:
            return self
        context = self.context.subcontext(name, number, max_subtasks=n_subtasks)
        return Task(self.estimator, context, data or self.data)

    def end(self, attributes=None):
        """End the task; return whether a callback asks to skip those after it.

        `attributes`, or what it returns when called, are the fitted attributes as if
        the fit ended here: with them a callback can make an estimator that predicts.
        """
        if not self.followed:
            return False
        return self.context.call_on_fit_task_end(
            estimator=self.estimator, reconstruction_attributes=attributes, **self.data
        )


def begin_fit(estimator, X, y, sample_weight, n_subtasks=None, parallel=False):
    """Begin the task of a fit; the caller must be decorated by `with_callbacks`."""
    if not hasattr(estimator, "_skl_callbacks"):
        return Task()
    context = estimator._init_callback_context(
        max_subtasks=n_subtasks, sequential_subtasks=not parallel
    )
    return Task(estimator, context, fit_data(X, y, sample_weight))


def set_callbacks(estimator, callbacks):
    """Set the callbacks of an estimator."""
    if not callbacks:
        return
    if not hasattr(estimator, "set_callbacks"):
        raise ValueError(
            f"callbacks={callbacks!r} need scikit-learn 1.9 or later, this is "
            f"{sklearn.__version__}. verbose=1 prints a line for each fit."
        )
    estimator.set_callbacks(*callbacks)


def fit_data(X, y, sample_weight):
    """The data as the hooks take them; without the offset, which no scorer takes."""
    metadata = None if sample_weight is None else {"sample_weight": sample_weight}
    return {"X": X, "y": y, "metadata": metadata}


class Rounds:
    """The rounds of the solver as subtasks of a fit.

    A round begins as soon as the one before has ended, as LogisticRegression's
    iterations do, so that the last of all may be empty.

    Parameters
    ----------
    task : Task
    attributes : callable
        From theta to the fitted attributes, see `Task.end`.

    Attributes
    ----------
    stopped : bool
        Whether a callback asked for it.
    """

    def __init__(self, task, attributes):
        self.task, self.attributes = task, attributes
        self.current, self.stopped = task.subtask("round"), False

    def __call__(self, theta):
        """End a round; return whether it is to be the last."""
        self.stopped = self.current.end(lambda: self.attributes(theta))
        if not self.stopped:
            self.current = self.task.subtask("round")
        return self.stopped

    def close(self, theta):
        """End the round that has begun, if any, and the fit."""
        if not self.stopped:
            self.current.end(lambda: self.attributes(theta))
        self.task.end(lambda: self.attributes(theta))
